//! What both sides must agree on.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /` | CONFIG |
//! | `PUT /` | makes the store (ours) |
//! | `GET /resources/{packfiles,states,locks}` | JSON list of names in hexadecimal; `null` if there are none |
//! | the same with `?details=1` | list of `{"mac", "size", "modified_ns"}` (ours) |
//! | `GET /resources/KIND/NAME` | the file; with `Range: bytes=A-B`, the bytes from A up to but **not** with B |
//! | `PUT /resources/KIND/NAME` | 200 when the file is durable under its name |
//! | `DELETE /resources/KIND/NAME` | 200, also if there is no such file |
//! | `GET`, `DELETE /temporary?older_than=SECONDS` | JSON list of leftovers (ours) |
//! | `POST /ping` | JSON list of `[step, error or null]` (ours) |
//!
//! Everything that succeeds is a 200, parts of files too. Errors are a status and a line of text; the
//! reference implementation knows 400, 403 and 500, the others are ours. `Authorization: Bearer` carries
//! the token.

use http_server::StatusCode;
use kloset_connector::{ConnectorError, ErrorKind, Listed, StoreFile};
use kloset_format::{Mac, Timestamp};
use serde_json::{Value, json};

/// Longest CONFIG, as everywhere.
pub const CONFIG_BYTES_MAX: usize = 64 << 10;
/// Longest packfile: the largest configured size, one blob and its padding beyond it.
pub const PACKFILE_BYTES_MAX: usize = 256 << 20;
/// Longest state.
pub const STATE_BYTES_MAX: usize = 1 << 30;
/// Longest lock; real ones have a few hundred bytes.
pub const LOCK_BYTES_MAX: usize = 4 << 20;
/// Longest listing: fifty million names.
pub const LIST_BYTES_MAX: usize = 4 << 30;

/// The folder of a kind of file.
pub fn folder(file: StoreFile) -> &'static str {
    match file {
        StoreFile::Packfile => "packfiles",
        StoreFile::State => "states",
        StoreFile::Lock => "locks",
    }
}

/// The kind of file of a folder.
pub fn file_of(folder: &str) -> Option<StoreFile> {
    [StoreFile::Packfile, StoreFile::State, StoreFile::Lock]
        .into_iter()
        .find(|file| self::folder(*file) == folder)
}

/// Longest file of a kind.
pub fn bytes_max(file: StoreFile) -> usize {
    match file {
        StoreFile::Packfile => PACKFILE_BYTES_MAX,
        StoreFile::State => STATE_BYTES_MAX,
        StoreFile::Lock => LOCK_BYTES_MAX,
    }
}

/// The status that tells an error.
pub fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists => StatusCode::CONFLICT,
        ErrorKind::Permission => StatusCode::FORBIDDEN,
        ErrorKind::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Corrupt => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::NoAnswer | ErrorKind::Transient | ErrorKind::Unreachable | ErrorKind::Interrupted => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ErrorKind::Authentication | ErrorKind::HostKey | ErrorKind::Other => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// The error that a status tells; `text` is the line that came with it.
pub fn kind(status: StatusCode, text: &str) -> ErrorKind {
    match status.as_u16() {
        401 | 407 => ErrorKind::Authentication,
        403 => ErrorKind::Permission,
        404 | 410 => ErrorKind::NotFound,
        409 => ErrorKind::AlreadyExists,
        400 => ErrorKind::Invalid,
        405 | 501 => ErrorKind::Unsupported,
        413 | 416 | 422 => ErrorKind::Corrupt,
        408 | 429 | 502 | 503 | 504 => ErrorKind::Transient,
        507 => ErrorKind::NoSpace,
        // The reference implementation has no other word for a missing file.
        500 if text.contains("no such file") || text.contains("not found") => ErrorKind::NotFound,
        _ => ErrorKind::Other,
    }
}

/// A listing as it travels.
pub fn encode_list(listed: &[Listed], details: bool) -> Value {
    let names = listed.iter().map(|one| {
        let mac = Mac(one.name).to_string();
        if details {
            json!({"mac": mac, "size": one.size, "modified_ns": one.modified.map(Timestamp::to_nanoseconds)})
        } else {
            Value::String(mac)
        }
    });
    names.collect()
}

/// A listing as it came. One wrong name makes it no listing at all.
pub fn decode_list(body: &[u8]) -> Result<Vec<Listed>, String> {
    match serde_json::from_slice(body).map_err(|error| error.to_string())? {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => {
            items.iter().map(|item| listed(item).ok_or_else(|| item.to_string())).collect()
        }
        other => Err(other.to_string()),
    }
}

fn listed(item: &Value) -> Option<Listed> {
    let name = Mac::from_hex(item.as_str().or_else(|| item.get("mac")?.as_str())?)?.0;
    let modified = item.get("modified_ns").and_then(Value::as_i64).map(Timestamp::from_nanoseconds);
    Some(Listed { name, size: item.get("size").and_then(Value::as_u64), modified })
}

/// The name at the end of a path.
pub fn name(text: &str) -> Result<[u8; 32], ConnectorError> {
    let wrong = || {
        ConnectorError::new(
            ErrorKind::Invalid,
            "read",
            "the request",
            "the name is not 64 hexadecimal digits",
        )
    };
    Mac::from_hex(text).map(|mac| mac.0).ok_or_else(wrong)
}

/// `bytes=A-B`, where B is the first byte that is not wanted.
pub fn encode_range(offset: u64, length: u64) -> Option<String> {
    Some(format!("bytes={offset}-{}", offset.checked_add(length)?))
}

/// Offset and length.
pub fn decode_range(text: &str) -> Option<(u64, u64)> {
    let (start, end) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
    Some((start, end.checked_sub(start)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_travel_in_both_forms() {
        let one = Listed {
            name: [7; 32],
            size: Some(5),
            modified: Some(Timestamp::from_nanoseconds(1_500_000_000)),
        };
        let details = encode_list(&[one], true).to_string();
        assert_eq!(decode_list(details.as_bytes()), Ok(vec![one]));
        let plain = encode_list(&[one], false).to_string();
        assert_eq!(plain, format!("[\"{}\"]", "07".repeat(32)));
        assert_eq!(decode_list(plain.as_bytes()), Ok(vec![Listed { size: None, modified: None, ..one }]));
        assert_eq!(decode_list(b"null"), Ok(vec![]));
        for bad in ["", "{}", "[1]", "[\"ab\"]", "[{}]", "[null]"] {
            assert!(decode_list(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_end_before_their_last_number() {
        assert_eq!(encode_range(10, 20).as_deref(), Some("bytes=10-30"));
        assert_eq!(decode_range("bytes=10-30"), Some((10, 20)));
        assert_eq!(encode_range(u64::MAX, 1), None);
        for bad in ["", "bytes=10", "items=1-2", "bytes=5-4", "bytes=x-1", "bytes=-5"] {
            assert_eq!(decode_range(bad), None, "{bad}");
        }
    }

    #[test]
    fn kinds_survive_the_way() {
        for one in [
            ErrorKind::NotFound,
            ErrorKind::AlreadyExists,
            ErrorKind::Permission,
            ErrorKind::NoSpace,
            ErrorKind::Unsupported,
            ErrorKind::Invalid,
            ErrorKind::Corrupt,
            ErrorKind::Transient,
            ErrorKind::Other,
        ] {
            assert_eq!(kind(status(one), ""), one);
        }
        assert_eq!(
            kind(StatusCode::INTERNAL_SERVER_ERROR, "open x: no such file or directory"),
            ErrorKind::NotFound
        );
    }
}
