//! From answers to results: each request has one kind of good answer, all else is an error.

use bytes::Bytes;
use kloset_connector::{ConnectorError, ErrorKind};

use crate::channel::Reply;
use crate::packet::{Attributes, Handle, NameEntry, Response, status};

/// What was asked, for the words of an error.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) operation: &'static str,
    pub(crate) path: &'a [u8],
}

/// Shorthand for [`Asked`].
pub(crate) fn asked<'a>(operation: &'static str, path: &'a [u8]) -> Asked<'a> {
    Asked { operation, path }
}

impl Asked<'_> {
    pub(crate) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> ConnectorError {
        ConnectorError::new(kind, self.operation, shown(self.path), message)
    }

    /// Success without anything in it.
    pub(crate) fn done(&self, reply: Reply) -> Result<(), ConnectorError> {
        match self.response(reply)? {
            Response::Status { code: status::OK, .. } => Ok(()),
            other => Err(self.refusal(other)),
        }
    }

    pub(crate) fn handle(&self, reply: Reply) -> Result<Handle, ConnectorError> {
        match self.response(reply)? {
            Response::Handle(handle) => Ok(handle),
            other => Err(self.refusal(other)),
        }
    }

    /// Data; `None` at the end of the file.
    pub(crate) fn data(&self, reply: Reply) -> Result<Option<Bytes>, ConnectorError> {
        match self.response(reply)? {
            Response::Data(data) => Ok(Some(data)),
            Response::Status { code: status::EOF, .. } => Ok(None),
            other => Err(self.refusal(other)),
        }
    }

    /// Names; `None` at the end of the directory.
    pub(crate) fn names(&self, reply: Reply) -> Result<Option<Vec<NameEntry>>, ConnectorError> {
        match self.response(reply)? {
            Response::Names(names) => Ok(Some(names)),
            Response::Status { code: status::EOF, .. } => Ok(None),
            other => Err(self.refusal(other)),
        }
    }

    /// The one name that READLINK and REALPATH give.
    pub(crate) fn name(&self, reply: Reply) -> Result<Vec<u8>, ConnectorError> {
        let first = self.names(reply)?.and_then(|names| names.into_iter().next());
        first.map(|entry| entry.name).ok_or_else(|| self.error(ErrorKind::Corrupt, "the server gave no name"))
    }

    pub(crate) fn attributes(&self, reply: Reply) -> Result<Attributes, ConnectorError> {
        match self.response(reply)? {
            Response::Attributes(attributes) => Ok(attributes),
            other => Err(self.refusal(other)),
        }
    }

    /// Attributes; `None` if nothing is there.
    pub(crate) fn attributes_if_any(&self, reply: Reply) -> Result<Option<Attributes>, ConnectorError> {
        match self.attributes(reply) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn extended(&self, reply: Reply) -> Result<Bytes, ConnectorError> {
        match self.response(reply)? {
            Response::Extended(body) => Ok(body),
            other => Err(self.refusal(other)),
        }
    }

    fn response(&self, reply: Reply) -> Result<Response, ConnectorError> {
        reply.map_err(|lost| lost.error(self.operation, shown(self.path)))
    }

    fn refusal(&self, response: Response) -> ConnectorError {
        let Response::Status { code, message } = response else {
            return self.error(ErrorKind::Corrupt, "the server gave an answer of the wrong kind");
        };
        let (kind, words) = match code {
            status::NO_SUCH_FILE => (ErrorKind::NotFound, "file does not exist"),
            status::PERMISSION_DENIED => (ErrorKind::Permission, "permission denied"),
            status::OP_UNSUPPORTED => (ErrorKind::Unsupported, "the server does not support this"),
            status::NO_CONNECTION | status::CONNECTION_LOST => {
                (ErrorKind::Transient, "the server lost its connection")
            }
            status::CROWDED => (ErrorKind::Transient, "the server may have too many open files"),
            status::BAD_MESSAGE => (ErrorKind::Invalid, "the server refuses the name or value"),
            status::EOF => (ErrorKind::Corrupt, "unexpected end of file"),
            status::OK => (ErrorKind::Corrupt, "the server gave an empty answer"),
            status::FAILURE => (ErrorKind::Other, "the server reports a failure"),
            _ => (ErrorKind::Other, "the server reports an unknown failure"),
        };
        let refused = |error: ConnectorError| match self.cure().filter(|_| kind == ErrorKind::Permission) {
            Some(cure) => error.with_hint(cure),
            None => error,
        };
        let usual =
            ["", "success", "end of file", "no such file", "permission denied", "failure", "bad message"];
        let lower = message.to_lowercase();
        if usual.contains(&lower.as_str()) || lower == "operation unsupported" {
            refused(self.error(kind, words))
        } else {
            refused(self.error(kind, format!("{words}: {message}")))
        }
    }

    /// What helps where the account may not do this.
    fn cure(&self) -> Option<&'static str> {
        match self.operation {
            "create" | "write" | "rename" | "link" => Some(
                "the account on the server may not write there: look with `sftp HOST` at owner and mode of the folder; \
                 give it to the account (chown), or choose a folder that is the account's own",
            ),
            "open" | "read" | "list" | "inspect" | "follow" => Some(
                "the account on the server may not read it: look with `sftp HOST` at its owner and mode, and at those of \
                 the folders above it",
            ),
            _ => None,
        }
    }
}

/// Whether the server said "failure" without a reason.
pub(crate) fn is_vague(error: &ConnectorError) -> bool {
    error.kind == ErrorKind::Other
}

/// A path as text for people.
pub(crate) fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
