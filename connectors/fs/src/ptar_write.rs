//! Writes a whole store into one file: CONFIG, one packfile, one state, trailer.
//!
//! The file grows under a temporary name beside its place and gets its own when the state has been
//! written and everything is on disk; without that it is removed. The engine knows from CONFIG
//! (largest packfile size 2^64-1) that it must write one packfile and one state.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use kloset_connector::{
    ConnectorContext, ConnectorError, ErrorKind, Listed, Location, PutMode, RangeRequest, Storage,
    StorageInfo, StoreFile,
};
use kloset_format::ptar::{CONFIG_BYTES_MAX, HEADER_SIZE, Trailer, header};
use rustix::fs::RenameFlags;

use crate::failure::{failed_io, refused, shown};
use crate::local_path::local_path;
use crate::publish::sync_folder;

/// What happens to a file that is in the place already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExistingFile {
    /// It stays, and writing fails.
    Refuse,
    /// It is replaced once the new one is complete.
    Replace,
}

/// A single-file store being written.
pub struct PtarWriter {
    path: PathBuf,
    hostname: String,
    existing: ExistingFile,
    progress: Mutex<Option<Progress>>,
}

/// What has been written so far.
struct Progress {
    temporary: PathBuf,
    file: File,
    length: u64,
    config: Range<u64>,
    packfile: Option<([u8; 32], Range<u64>)>,
    state: Option<([u8; 32], Range<u64>)>,
    complete: bool,
}

impl PtarWriter {
    /// Names the file; touches nothing yet.
    pub fn new(
        location: &Location,
        existing: ExistingFile,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        Ok(Self {
            path: local_path(location, context)?,
            hostname: context.hostname.clone(),
            existing,
            progress: Mutex::new(None),
        })
    }

    fn with<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Progress) -> Result<T, ConnectorError>,
    ) -> Result<T, ConnectorError> {
        let mut progress = self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match progress.as_mut() {
            Some(progress) => work(progress),
            None => Err(refused(ErrorKind::NotFound, operation, &self.path, "nothing was created yet")),
        }
    }

    fn only_one(&self, what: &str) -> ConnectorError {
        let message = format!("a single-file store holds one {what}");
        refused(ErrorKind::Unsupported, "write", &self.path, message)
    }

    /// Writes the trailer and puts the file in its place.
    fn complete(&self, progress: &mut Progress) -> Result<(), ConnectorError> {
        let (Some((_, packfile)), Some((_, state))) = (&progress.packfile, &progress.state) else {
            return Err(refused(ErrorKind::Invalid, "complete", &self.path, "the packfile is missing"));
        };
        let trailer =
            Trailer { config: progress.config.clone(), packfile: packfile.clone(), state: state.clone() };
        progress.append(&self.path, &trailer.encode())?;
        progress.file.sync_all().map_err(|error| failed_io("flush", &self.path, error))?;
        let flags = match self.existing {
            ExistingFile::Refuse => RenameFlags::NOREPLACE,
            ExistingFile::Replace => RenameFlags::empty(),
        };
        let renamed = rustix::fs::renameat_with(
            rustix::fs::CWD,
            &progress.temporary,
            rustix::fs::CWD,
            &self.path,
            flags,
        );
        renamed.map_err(|error| match error {
            rustix::io::Errno::EXIST => exists(&self.path),
            error => failed_io("rename to", &self.path, error.into()),
        })?;
        progress.complete = true;
        sync_folder(folder(&self.path))
    }
}

impl Progress {
    fn append(&mut self, path: &Path, bytes: &[u8]) -> Result<Range<u64>, ConnectorError> {
        self.file.write_all(bytes).map_err(|error| failed_io("write", path, error))?;
        let start = self.length;
        self.length += bytes.len() as u64;
        Ok(start..self.length)
    }

    fn read(&self, path: &Path, range: Range<u64>) -> Result<Bytes, ConnectorError> {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut bytes, range.start).map_err(|error| failed_io("read", path, error))?;
        Ok(bytes.into())
    }
}

impl Drop for PtarWriter {
    fn drop(&mut self) {
        let progress = self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(progress) = progress.filter(|progress| !progress.complete) {
            let _ = std::fs::remove_file(&progress.temporary);
        }
    }
}

fn exists(path: &Path) -> ConnectorError {
    refused(ErrorKind::AlreadyExists, "create", path, "file exists")
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Opens a new file with a name of its own beside `path`.
fn create_beside(path: &Path) -> Result<(PathBuf, File), ConnectorError> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let temporary = folder(path).join(format!(".{name}.{}.{number}", std::process::id()));
        let opened = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&temporary);
        match opened {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed_io("create", path, error)),
        }
    }
}

impl Storage for PtarWriter {
    fn info(&self) -> StorageInfo {
        StorageInfo {
            kind: "ptar".to_owned(),
            location: format!("ptar://{}", shown(&self.path)),
            origin: self.hostname.clone(),
            root: shown(&self.path),
            writable: true,
            puts_at_once: 1,
            gets_at_once: 1,
            gap_bytes: crate::storage::GAP_BYTES,
        }
    }

    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        if config.is_empty() || config.len() as u64 > CONFIG_BYTES_MAX {
            return Err(refused(ErrorKind::Invalid, "create", &self.path, "CONFIG has an impossible length"));
        }
        if self.existing == ExistingFile::Refuse && self.path.symlink_metadata().is_ok() {
            return Err(exists(&self.path));
        }
        let (temporary, file) = create_beside(&self.path)?;
        let mut progress = Progress {
            temporary,
            file,
            length: 0,
            config: 0..0,
            packfile: None,
            state: None,
            complete: false,
        };
        let written = progress.append(&self.path, &header()).and_then(|_| {
            progress.config = progress.append(&self.path, config)?;
            debug_assert_eq!(progress.config.start, HEADER_SIZE as u64);
            Ok(())
        });
        *self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(progress);
        written
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        self.with("read", |progress| progress.read(&self.path, progress.config.clone()).map(Vec::from))
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        self.with("list", |progress| {
            let one = match file {
                StoreFile::Packfile => progress.packfile.as_ref(),
                StoreFile::State => progress.state.as_ref(),
                StoreFile::Lock => None,
            };
            let listed = one.map(|(name, range)| Listed {
                name: *name,
                size: Some(range.end - range.start),
                modified: None,
            });
            Ok(listed.into_iter().collect())
        })
    }

    fn put(
        &self,
        file: StoreFile,
        name: &[u8; 32],
        body: Bytes,
        _mode: PutMode,
    ) -> Result<(), ConnectorError> {
        self.with("write", |progress| match file {
            // Nobody else can work on a file that has no name yet.
            StoreFile::Lock => Ok(()),
            StoreFile::Packfile if progress.packfile.is_some() => Err(self.only_one("packfile")),
            StoreFile::Packfile => {
                let range = progress.append(&self.path, &body)?;
                progress.packfile = Some((*name, range));
                Ok(())
            }
            StoreFile::State if progress.state.is_some() => Err(self.only_one("state")),
            StoreFile::State => {
                let range = progress.append(&self.path, &body)?;
                progress.state = Some((*name, range));
                self.complete(progress)
            }
        })
    }

    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        self.with("read", |progress| {
            let one = match file {
                StoreFile::Packfile => progress.packfile.as_ref(),
                StoreFile::State => progress.state.as_ref(),
                StoreFile::Lock => None,
            };
            match one.filter(|(known, _)| known == name) {
                Some((_, range)) => progress.read(&self.path, range.clone()).map(Vec::from),
                None => Err(refused(ErrorKind::NotFound, "read", &self.path, "not in this file")),
            }
        })
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        for (index, request) in requests.iter().enumerate() {
            let part = self.get(request.file, &request.name).map(Bytes::from).and_then(|whole| {
                let end = request.offset.checked_add(request.length).filter(|&end| end <= whole.len() as u64);
                match end {
                    Some(end) => Ok(whole.slice(request.offset as usize..end as usize)),
                    None => Err(refused(
                        ErrorKind::Corrupt,
                        "read",
                        &self.path,
                        "a range outside of the bytes written",
                    )),
                }
            });
            deliver(index, part);
        }
    }

    fn delete(&self, file: StoreFile, _name: &[u8; 32]) -> Result<(), ConnectorError> {
        match file {
            StoreFile::Lock => Ok(()),
            _ => Err(refused(ErrorKind::Unsupported, "remove", &self.path, "nothing can be removed from it")),
        }
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        report("path", Ok(()));
    }
}
