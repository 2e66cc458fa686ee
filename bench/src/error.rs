//! What can go wrong in a benchmark, with the path or command it happened to.

use std::io;
use std::path::{Path, PathBuf};

/// A failure of the benchmark or of a program under measurement.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A system call on a file or folder failed.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried, as a verb phrase.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A program under measurement failed or said something unexpected.
    #[error("{program} {step}: {reason}")]
    Program {
        /// Label of the program.
        program: String,
        /// The step it was asked for.
        step: String,
        /// Exit status and last words.
        reason: String,
    },
    /// A restored tree differs from its source.
    #[error("{program} restored something else: expected {expected}, found {found}")]
    Mismatch {
        /// Label of the program.
        program: String,
        /// Digest of the source.
        expected: String,
        /// Digest of what was restored.
        found: String,
    },
    /// The command line asks for something impossible.
    #[error("{0}")]
    Usage(String),
}

/// Adds action and path to an [`io::Error`].
pub trait IoContext<T> {
    /// Turns the error into [`BenchError::Io`].
    fn on(self, action: &'static str, path: &Path) -> Result<T, BenchError>;
}

impl<T, E: Into<io::Error>> IoContext<T> for Result<T, E> {
    fn on(self, action: &'static str, path: &Path) -> Result<T, BenchError> {
        self.map_err(|source| BenchError::Io { action, path: path.to_owned(), source: source.into() })
    }
}
