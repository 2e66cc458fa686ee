//! The file of a single-file store while it is written.
//!
//! It grows under a temporary name beside its place and gets its own when it is complete and on
//! disk; without that it is removed. What is in it is the engine's business.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use kloset_connector::{ArchiveFile, ConnectorContext, ConnectorError, ErrorKind, Location, StorageInfo};
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

    /// Where the file will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As the location of a store.
    pub fn shown(&self) -> String {
        format!("ptar://{}", shown(&self.path))
    }

    /// Fails if a file is in the place that must not be replaced.
    pub fn ensure_free(&self) -> Result<(), ConnectorError> {
        if self.existing == ExistingFile::Refuse && self.path.symlink_metadata().is_ok() {
            return Err(exists(&self.path));
        }
        // It would be replaced by a file; a store cannot be read from any of these.
        if self.path.symlink_metadata().is_ok_and(|stat| !stat.is_file() && !stat.is_symlink()) {
            return Err(refused(ErrorKind::Invalid, "create", &self.path, "not a regular file"));
        }
        Ok(())
    }

    /// The name that the file has until it is complete, once it is begun.
    pub fn temporary(&self) -> Option<PathBuf> {
        let progress = self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        progress.as_ref().map(|progress| progress.temporary.clone())
    }

    fn complete(&self, progress: &mut Progress) -> Result<(), ConnectorError> {
        progress.file.sync_all().map_err(|error| failed_io("flush", &self.path, error))?;
        let flags = match self.existing {
            ExistingFile::Refuse => RenameFlags::NOREPLACE,
            ExistingFile::Replace => RenameFlags::empty(),
        };
        let (from, to) = (&progress.temporary, &self.path);
        rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, flags).map_err(|error| {
            match error {
                rustix::io::Errno::EXIST => exists(&self.path),
                error => failed_io("rename to", &self.path, error.into()),
            }
        })?;
        progress.complete = true;
        sync_folder(folder(&self.path))
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

impl ArchiveFile for PtarWriter {
    fn info(&self) -> StorageInfo {
        StorageInfo {
            kind: "ptar".to_owned(),
            location: self.shown(),
            origin: self.hostname.clone(),
            root: shown(&self.path),
            writable: true,
            puts_at_once: 1,
            gets_at_once: 1,
            gap_bytes: crate::storage::GAP_BYTES,
        }
    }

    fn begin(&self) -> Result<(), ConnectorError> {
        self.ensure_free()?;
        let (temporary, file) = create_beside(&self.path)?;
        let progress = Progress { temporary, file, length: 0, complete: false };
        *self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(progress);
        Ok(())
    }

    fn append(&self, bytes: &[u8]) -> Result<u64, ConnectorError> {
        self.with("write", |progress| {
            progress.file.write_all(bytes).map_err(|error| failed_io("write", &self.path, error))?;
            let start = progress.length;
            progress.length += bytes.len() as u64;
            Ok(start)
        })
    }

    fn read(&self, range: Range<u64>) -> Result<Bytes, ConnectorError> {
        self.with("read", |progress| {
            let length = range.end.checked_sub(range.start).filter(|_| range.end <= progress.length);
            let Some(length) = length.and_then(|length| usize::try_from(length).ok()) else {
                let message = "a range outside of the bytes written";
                return Err(refused(ErrorKind::Corrupt, "read", &self.path, message));
            };
            let mut bytes = vec![0; length];
            let read = progress.file.read_exact_at(&mut bytes, range.start);
            read.map_err(|error| failed_io("read", &self.path, error))?;
            Ok(bytes.into())
        })
    }

    fn publish(&self) -> Result<(), ConnectorError> {
        self.with("complete", |progress| self.complete(progress))
    }
}
