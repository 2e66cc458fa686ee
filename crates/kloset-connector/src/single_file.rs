//! A store in one read-only file, wherever the bytes of that file come from.
//!
//! The layout is [`kloset_format::ptar`]'s. The files inside have no names of their own: listings
//! invent fixed ones, and reads of the packfile or state obey any name, since the state inside
//! names its packfile at random.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use kloset_format::ptar::{self, PACKFILE_ID, STATE_ID, Trailer};

use crate::{ConnectorError, ErrorKind, Listed, PutMode, RangeRequest, Storage, StorageInfo, StoreFile};

/// The bytes of a file that nobody changes.
pub trait ReadOnlyFile: Send + Sync {
    /// Where it is; `writable` has no effect.
    fn info(&self) -> StorageInfo;

    /// Its length.
    fn length(&self) -> Result<u64, ConnectorError>;

    /// Exactly the bytes of a range inside of the file.
    fn read(&self, range: Range<u64>) -> Result<Bytes, ConnectorError>;

    /// Several ranges, each delivered once with its index.
    fn read_many(
        &self,
        ranges: &[Range<u64>],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        for (index, range) in ranges.iter().enumerate() {
            deliver(index, self.read(range.clone()));
        }
    }
}

/// A store in one read-only file.
#[derive(Debug)]
pub struct SingleFileStore<F> {
    file: F,
    layout: OnceLock<Trailer>,
}

impl<F: ReadOnlyFile> SingleFileStore<F> {
    /// Takes the file; nothing is read yet.
    pub fn new(file: F) -> Self {
        Self { file, layout: OnceLock::new() }
    }

    /// Reads header and trailer, once.
    pub fn layout(&self) -> Result<&Trailer, ConnectorError> {
        if let Some(layout) = self.layout.get() {
            return Ok(layout);
        }
        let length = self.file.length()?;
        let (header_bytes, trailer_bytes) = (ptar::HEADER_SIZE as u64, ptar::TRAILER_SIZE as u64);
        if length < header_bytes + trailer_bytes {
            return Err(self.error(ErrorKind::Corrupt, "open", "too short for a single-file store"));
        }
        let damaged = |error| self.error(ErrorKind::Corrupt, "open", format!("{error}"));
        ptar::check_header(&self.file.read(0..header_bytes)?).map_err(damaged)?;
        let trailer = self.file.read(length - trailer_bytes..length)?;
        let layout = Trailer::decode(&trailer, length).map_err(damaged)?;
        Ok(self.layout.get_or_init(|| layout))
    }

    fn part(&self, file: StoreFile, operation: &'static str) -> Result<Range<u64>, ConnectorError> {
        match file {
            StoreFile::Packfile => Ok(self.layout()?.packfile.clone()),
            StoreFile::State => Ok(self.layout()?.state.clone()),
            StoreFile::Lock => {
                Err(self.error(ErrorKind::NotFound, operation, "a single-file store has no locks"))
            }
        }
    }

    /// The place of a request in the whole file.
    fn place(&self, request: &RangeRequest) -> Result<Range<u64>, ConnectorError> {
        let part = self.part(request.file, "read")?;
        let start = part.start.checked_add(request.offset);
        let end = start.and_then(|start| start.checked_add(request.length));
        match (start, end) {
            (Some(start), Some(end)) if end <= part.end => Ok(start..end),
            _ => {
                let message = format!(
                    "{} bytes at {} lie outside of the {} bytes stored",
                    request.length,
                    request.offset,
                    part.end - part.start
                );
                Err(self.error(ErrorKind::Corrupt, "read", message))
            }
        }
    }

    fn error(&self, kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> ConnectorError {
        ConnectorError::new(kind, operation, self.file.info().root, message)
    }

    fn not_writable(&self, operation: &'static str) -> ConnectorError {
        self.error(ErrorKind::Unsupported, operation, "storage is not writable")
    }
}

impl<F: ReadOnlyFile> Storage for SingleFileStore<F> {
    fn info(&self) -> StorageInfo {
        StorageInfo { writable: false, ..self.file.info() }
    }

    fn create(&self, _config: &[u8]) -> Result<(), ConnectorError> {
        Err(self.not_writable("create"))
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        self.file.read(self.layout()?.config.clone()).map(Vec::from)
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        let name = match file {
            StoreFile::Packfile => PACKFILE_ID.0,
            StoreFile::State => STATE_ID.0,
            StoreFile::Lock => return Ok(Vec::new()),
        };
        let part = self.part(file, "list")?;
        Ok(vec![Listed { name, size: Some(part.end - part.start), modified: None }])
    }

    fn put(
        &self,
        _file: StoreFile,
        _name: &[u8; 32],
        _body: Bytes,
        _mode: PutMode,
    ) -> Result<(), ConnectorError> {
        Err(self.not_writable("write"))
    }

    fn get(&self, file: StoreFile, _name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        self.file.read(self.part(file, "read")?).map(Vec::from)
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        let (mut wanted, mut indexes) = (Vec::new(), Vec::new());
        for (index, request) in requests.iter().enumerate() {
            match self.place(request) {
                Ok(range) => {
                    wanted.push(range);
                    indexes.push(index);
                }
                Err(error) => deliver(index, Err(error)),
            }
        }
        self.file.read_many(&wanted, &|at, result| {
            if let Some(&index) = indexes.get(at) {
                deliver(index, result);
            }
        });
    }

    fn delete(&self, _file: StoreFile, _name: &[u8; 32]) -> Result<(), ConnectorError> {
        Err(self.not_writable("remove"))
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        report("path", self.layout().map(drop));
        report("read", self.read_config().map(drop));
    }
}
