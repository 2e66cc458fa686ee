//! One error type for every connector: a kind that code can act on, and words for people.

use std::error::Error;
use std::fmt;

/// What went wrong, as far as anybody can act on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ErrorKind {
    /// The named thing does not exist.
    NotFound,
    /// The thing exists already and must not be replaced.
    AlreadyExists,
    /// Permission refused by the file system or the server.
    Permission,
    /// Login refused, or no usable key.
    Authentication,
    /// The server's host key is unknown or differs from the known one.
    HostKey,
    /// The host cannot be found or reached.
    Unreachable,
    /// A first connection got no answer in time, or was cut before the login: trying again may help.
    NoAnswer,
    /// Connection lost, time-out, server busy: trying again may help. Only retry code reads this.
    Transient,
    /// No space or quota left.
    NoSpace,
    /// The place cannot do this at all.
    Unsupported,
    /// Bad location, option or name.
    Invalid,
    /// Received bytes contradict the protocol or the format.
    Corrupt,
    /// The operation was interrupted by the user.
    Interrupted,
    /// Anything else.
    Other,
}

/// A failed connector operation.
///
/// `Display` is one clause: operation, location, what happened; the source and the hint are
/// joined once, where the error meets the user.
#[derive(Debug)]
pub struct ConnectorError {
    /// What code may act on.
    pub kind: ErrorKind,
    /// What was tried, as a verb with its object kind: `open`, `rename`, `log in`.
    pub operation: &'static str,
    /// The path or location it was tried on, as text for people (lossy where not UTF-8).
    pub location: String,
    /// What happened, lower case, no full stop.
    pub message: String,
    /// How to cure it, if known.
    pub hint: Option<String>,
    /// The lower-level error.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl ConnectorError {
    /// Makes an error from its parts, without hint or source.
    pub fn new(
        kind: ErrorKind,
        operation: &'static str,
        location: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { kind, operation, location: location.into(), message: message.into(), hint: None, source: None }
    }

    /// Makes an error from an I/O error, choosing the kind from it.
    ///
    /// A connector error that travelled inside the I/O error (a reader of ours) keeps its kind.
    pub fn from_io(operation: &'static str, location: impl Into<String>, error: std::io::Error) -> Self {
        match error.downcast::<ConnectorError>() {
            Ok(inner) => inner,
            Err(error) => {
                Self::new(io_kind(&error), operation, location, io_message(&error)).with_source(error)
            }
        }
    }

    /// Adds the cure.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the lower-level error.
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, ErrorKind::Transient | ErrorKind::NoAnswer)
    }

    /// Whether the place cannot be reached: after all retries, asking again would only wait again.
    pub fn is_out_of_reach(&self) -> bool {
        self.is_transient() || self.kind == ErrorKind::Unreachable
    }

    /// The error as an I/O error, for readers handed to the engine.
    pub fn into_io(self) -> std::io::Error {
        std::io::Error::other(self)
    }
}

impl fmt::Display for ConnectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.operation, self.location, self.message)
    }
}

impl Error for ConnectorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // An I/O error's text already stands in the message.
        match &self.source {
            Some(inner) if inner.is::<std::io::Error>() => None,
            Some(inner) => Some(inner.as_ref()),
            None => None,
        }
    }
}

/// The kind that fits an I/O error.
pub fn io_kind(error: &std::io::Error) -> ErrorKind {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound => ErrorKind::NotFound,
        Io::AlreadyExists => ErrorKind::AlreadyExists,
        Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::Permission,
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => ErrorKind::NoSpace,
        Io::TimedOut | Io::BrokenPipe | Io::ConnectionReset | Io::ConnectionAborted | Io::UnexpectedEof => {
            ErrorKind::Transient
        }
        Io::Interrupted => ErrorKind::Interrupted,
        Io::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    }
}

/// The text of an I/O error, lower case and without Rust's "(os error N)".
pub fn io_message(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = match text.find(" (os error ") {
        Some(at) => &text[..at],
        None => &text,
    };
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
