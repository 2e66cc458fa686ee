//! Turns failed system calls into connector errors that name the operation and the path.

use std::path::Path;

use kloset_connector::{ConnectorError, ErrorKind};
use rustix::io::Errno;

/// The error of a failed system call on `path`.
pub(crate) fn failed(operation: &'static str, path: impl AsRef<Path>, error: Errno) -> ConnectorError {
    ConnectorError::from_io(operation, shown(path.as_ref()), error.into())
}

/// The error of a failed library call on `path`.
pub(crate) fn failed_io(
    operation: &'static str,
    path: impl AsRef<Path>,
    error: std::io::Error,
) -> ConnectorError {
    ConnectorError::from_io(operation, shown(path.as_ref()), error)
}

/// An error found by us rather than by the system.
pub(crate) fn refused(
    kind: ErrorKind,
    operation: &'static str,
    path: impl AsRef<Path>,
    message: impl Into<String>,
) -> ConnectorError {
    ConnectorError::new(kind, operation, shown(path.as_ref()), message)
}

/// A path as text for people.
pub(crate) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
