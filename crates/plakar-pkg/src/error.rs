//! What can go wrong with packages.

use std::path::{Path, PathBuf};

use kloset_connector::ConnectorError;
use kloset_connector::error::io_message;

/// A failed operation on packages.
#[derive(Debug, thiserror::Error)]
pub enum PkgError {
    /// No file is at the path that was given.
    #[error("file not found: {}", .0.display())]
    FileNotFound(PathBuf),
    /// A file name that does not say name, version, system and architecture.
    #[error("invalid package name {0:?}: is malformed")]
    MalformedName(String),
    /// A version that is not semantic with a leading `v`.
    #[error("bad version string: {0}")]
    BadVersion(String),
    /// Made for another machine.
    #[error("OS or architecture don't match the current one")]
    OtherPlatform,
    /// The same or another version is installed.
    #[error("already installed")]
    AlreadyInstalled,
    /// Not installed.
    #[error("package {0:?} is not installed")]
    NotInstalled(String),
    /// No token for a download that needs one.
    #[error("authentication required. Run `plakar login` and try again")]
    AuthenticationRequired,
    /// The server's answer was not 200.
    #[error("fetch failed with {status}")]
    Fetch {
        /// Code and words.
        status: String,
    },
    /// The server could not be reached.
    #[error("Get {url:?}: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why it failed.
        reason: String,
    },
    /// The server's answer makes no sense.
    #[error("cannot use the answer from {url}: {reason}")]
    BadAnswer {
        /// What was asked for.
        url: String,
        /// Why.
        reason: String,
    },
    /// Two packages for one scheme.
    #[error("protocol {0} already provided by another installed package")]
    ProtocolTaken(String),
    /// A manifest or recipe that cannot be used.
    #[error("{}: {reason}", .path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A package whose bytes are not what they should be.
    #[error("package {} is damaged: {reason}", .path.display())]
    Damaged {
        /// The package.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Not a package at all.
    #[error("invalid magic")]
    NotAPackage,
    /// Text of a mistake in making a package.
    #[error("{0}")]
    Refused(String),
    /// A failed system call.
    #[error("cannot {operation} {}: {reason}", .path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        reason: String,
    },
    /// The file of a package could not be read or written.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The engine could not make the package.
    #[error("cannot make the package")]
    Engine(#[source] Box<kloset::Error>),
    /// The engine could not open the package.
    #[error("cannot open the package")]
    Open(#[source] Box<kloset::OpenError>),
    /// The user interrupted.
    #[error("interrupted")]
    Interrupted,
}

impl PkgError {
    pub(crate) fn io(operation: &'static str, path: impl AsRef<Path>, error: &std::io::Error) -> Self {
        Self::Io { operation, path: path.as_ref().to_owned(), reason: io_message(error) }
    }

    /// Names the file that the user knows where the error names a copy of it.
    pub(crate) fn about(self, copy: &Path, given: &Path) -> Self {
        let path_of = |path: PathBuf| if path == copy { given.to_owned() } else { path };
        let text_of = |text: String| text.replace(&*copy.to_string_lossy(), &given.to_string_lossy());
        match self {
            Self::Damaged { path, reason } => Self::Damaged { path: path_of(path), reason: text_of(reason) },
            Self::Io { operation, path, reason } => Self::Io { operation, path: path_of(path), reason },
            Self::Connector(mut error) => {
                error.location = text_of(error.location);
                error.message = text_of(error.message);
                Self::Connector(error)
            }
            other => other,
        }
    }
}
