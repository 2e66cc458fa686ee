//! A file that is written once, from its start to its end, and has its name only when it is complete.

use std::ops::Range;

use bytes::Bytes;

use crate::{ConnectorError, StorageInfo};

/// What a single-file store is written into. Without [`ArchiveFile::publish`], nothing is left of it.
pub trait ArchiveFile: Send + Sync {
    /// Where it will be.
    fn info(&self) -> StorageInfo;

    /// Makes the file, under a name that nobody takes for the final one.
    fn begin(&self) -> Result<(), ConnectorError>;

    /// Adds bytes to its end; returns where they start.
    fn append(&self, bytes: &[u8]) -> Result<u64, ConnectorError>;

    /// Bytes that were added before. A range outside of them is an error of kind `Corrupt`.
    fn read(&self, range: Range<u64>) -> Result<Bytes, ConnectorError>;

    /// It is complete: flushes it and puts it in its place.
    fn publish(&self) -> Result<(), ConnectorError>;
}
