//! A file of this machine that holds a whole store.

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;
use kloset_connector::{
    ConnectorContext, ConnectorError, Location, Options, ReadOnlyFile, SingleFileStore, StorageInfo,
};

use crate::failure::shown;
use crate::local_path::local_path;
use crate::ranges::{self, read_range};
use crate::storage::GAP_BYTES;

/// A store in one file of this machine.
pub type PtarStorage = SingleFileStore<PtarFile>;

/// The file.
#[derive(Debug)]
pub struct PtarFile {
    path: PathBuf,
    hostname: String,
    parallelism: usize,
    file: File,
    size: u64,
}

/// Opens the file and reads its trailer. There are no options.
pub fn open(
    location: &Location,
    _options: &Options,
    context: &ConnectorContext,
) -> Result<PtarStorage, ConnectorError> {
    let path = local_path(location, context)?;
    let (file, size) = ranges::open(&path)?;
    let hostname = context.hostname.clone();
    let parallelism = context.parallelism.max(1);
    let store = SingleFileStore::new(PtarFile { path, hostname, parallelism, file, size });
    store.layout()?;
    Ok(store)
}

impl ReadOnlyFile for PtarFile {
    fn info(&self) -> StorageInfo {
        StorageInfo {
            kind: "ptar".to_owned(),
            location: format!("ptar://{}", shown(&self.path)),
            origin: self.hostname.clone(),
            root: shown(&self.path),
            writable: false,
            puts_at_once: 1,
            gets_at_once: self.parallelism,
            gap_bytes: GAP_BYTES,
        }
    }

    fn length(&self) -> Result<u64, ConnectorError> {
        Ok(self.size)
    }

    fn read(&self, range: Range<u64>) -> Result<Bytes, ConnectorError> {
        read_range(&self.file, &self.path, self.size, range.start, range.end.saturating_sub(range.start))
    }
}
