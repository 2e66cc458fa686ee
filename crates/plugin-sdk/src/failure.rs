//! Errors across the wire.
//!
//! The protocol has text only. What our own two sides need beyond it (kind, location, cure) travels
//! in metadata that others ignore.

use kloset_connector::{ConnectorError, ErrorKind};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::wire::kloset::Failure;

/// Metadata by which a side announces that it takes what goes beyond the protocol: names that are
/// not UTF-8, listings, attributes with their records, destinations served call by call.
pub const EXTENDED: &str = "kloset-extended";

const KIND: &str = "kloset-kind";
const LOCATION: &str = "kloset-location-bin";
const MESSAGE: &str = "kloset-message-bin";
const HINT: &str = "kloset-hint-bin";
/// Headers have a limit; longer texts are cut.
const TEXT_BYTES_MAX: usize = 2000;

const KINDS: [(ErrorKind, &str, Code); 14] = [
    (ErrorKind::NotFound, "not-found", Code::NotFound),
    (ErrorKind::AlreadyExists, "already-exists", Code::AlreadyExists),
    (ErrorKind::Permission, "permission", Code::PermissionDenied),
    (ErrorKind::Authentication, "authentication", Code::Unauthenticated),
    (ErrorKind::HostKey, "host-key", Code::FailedPrecondition),
    (ErrorKind::Unreachable, "unreachable", Code::Unknown),
    (ErrorKind::NoAnswer, "no-answer", Code::Unavailable),
    (ErrorKind::Transient, "transient", Code::Aborted),
    (ErrorKind::NoSpace, "no-space", Code::ResourceExhausted),
    (ErrorKind::Unsupported, "unsupported", Code::Unimplemented),
    (ErrorKind::Invalid, "invalid", Code::InvalidArgument),
    (ErrorKind::Corrupt, "corrupt", Code::DataLoss),
    (ErrorKind::Interrupted, "interrupted", Code::Cancelled),
    (ErrorKind::Other, "other", Code::Unknown),
];

/// Whether the other side announced itself as one of ours.
pub fn is_extended(metadata: &MetadataMap) -> bool {
    metadata.get(EXTENDED).is_some_and(|value| value.as_encoded_bytes() == b"1")
}

/// Announces ourselves.
pub fn announce(metadata: &mut MetadataMap) {
    metadata.insert(EXTENDED, MetadataValue::from_static("1"));
}

/// A failed operation as the protocol tells it.
pub fn to_status(error: &ConnectorError) -> Status {
    let (word, code) = words_of(error.kind);
    let mut metadata = MetadataMap::new();
    metadata.insert(KIND, MetadataValue::from_static(word));
    let mut text = |key: &'static str, text: &str| {
        metadata.insert_bin(key, MetadataValue::from_bytes(cut(text).as_bytes()));
    };
    text(LOCATION, &error.location);
    text(MESSAGE, &error.message);
    if let Some(hint) = &error.hint {
        text(HINT, hint);
    }
    Status::with_metadata(code, cut(&error.to_string()), metadata)
}

/// A failure that the other side told, as an error of `operation` on `location`.
pub fn from_status(status: &Status, operation: &'static str, location: &str) -> ConnectorError {
    let metadata = status.metadata();
    let text = |key: &'static str| {
        let value = metadata.get_bin(key)?.to_bytes().ok()?;
        String::from_utf8(value.to_vec()).ok()
    };
    let word = metadata.get(KIND).and_then(|value| value.to_str().ok());
    let kind = word.and_then(kind_by_word).unwrap_or_else(|| kind_of(status.code()));
    let message = text(MESSAGE).unwrap_or_else(|| status.message().to_owned());
    let message = match printable(&message) {
        text if text.is_empty() => format!("the package failed without a reason ({:?})", status.code()),
        text => text,
    };
    let at = text(LOCATION).map_or_else(|| location.to_owned(), |at| printable(&at));
    let error = ConnectorError::new(kind, operation, at, message);
    match text(HINT) {
        Some(hint) => error.with_hint(printable(&hint)),
        None => error,
    }
}

/// A failure of one item of a batch, as a message.
pub fn to_message(error: &ConnectorError) -> Failure {
    Failure {
        kind: words_of(error.kind).0.to_owned(),
        location: cut(&error.location).to_owned(),
        message: cut(&error.message).to_owned(),
        hint: cut(error.hint.as_deref().unwrap_or_default()).to_owned(),
    }
}

/// The failure of one item of a batch that the other side told.
pub fn from_message(failure: &Failure, operation: &'static str) -> ConnectorError {
    let kind = kind_by_word(&failure.kind).unwrap_or(ErrorKind::Other);
    let error =
        ConnectorError::new(kind, operation, printable(&failure.location), printable(&failure.message));
    match printable(&failure.hint) {
        hint if hint.is_empty() => error,
        hint => error.with_hint(hint),
    }
}

fn words_of(kind: ErrorKind) -> (&'static str, Code) {
    let found = KINDS.iter().find(|(one, ..)| *one == kind);
    found.map_or(("other", Code::Unknown), |(_, word, code)| (word, *code))
}

fn kind_by_word(word: &str) -> Option<ErrorKind> {
    KINDS.iter().find(|(_, name, _)| *name == word).map(|(kind, ..)| *kind)
}

/// Kinds that a peer without our metadata means by its codes.
fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::Cancelled => ErrorKind::Interrupted,
        Code::InvalidArgument => ErrorKind::Invalid,
        Code::NotFound => ErrorKind::NotFound,
        Code::AlreadyExists => ErrorKind::AlreadyExists,
        Code::PermissionDenied => ErrorKind::Permission,
        Code::Unauthenticated => ErrorKind::Authentication,
        Code::ResourceExhausted => ErrorKind::Other,
        Code::Unimplemented => ErrorKind::Unsupported,
        Code::DataLoss => ErrorKind::Corrupt,
        _ => ErrorKind::Other,
    }
}

/// A text of the other side without control characters, of bounded length.
pub fn printable(text: &str) -> String {
    let clean: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_BYTES_MAX).collect();
    clean.trim().to_owned()
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_crosses_the_wire() {
        for (kind, ..) in KINDS {
            let error = ConnectorError::new(kind, "open", "/a/ä", "no\nway").with_hint("try");
            let status = from_status(&to_status(&error), "read", "elsewhere");
            for back in [status, from_message(&to_message(&error), "read")] {
                assert_eq!((back.kind, back.operation, back.location.as_str()), (kind, "read", "/a/ä"));
                assert_eq!((back.message.as_str(), back.hint.as_deref()), ("no way", Some("try")));
            }
        }
    }

    #[test]
    fn plain_statuses_keep_their_text() {
        let back = from_status(&Status::unknown("file does not exist"), "open", "x");
        assert_eq!((back.kind, back.to_string().as_str()), (ErrorKind::Other, "open x: file does not exist"));
        let back = from_status(&Status::unknown("\u{1b}[2J"), "open", "x");
        assert_eq!(back.message, "[2J");
    }
}
