//! Writing a store file so that a crash at any point leaves either the whole file or none.
//!
//! Order: temporary name, bytes, flush, length compared, final name, flush of the folder.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use kloset_connector::{ConnectorError, ErrorKind, PutMode};
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use crate::failure::{failed, failed_io, refused};
use crate::layout::temporary_name;

/// Writes `body` under `path` durably; the temporary file lives in `temporary_folder`.
pub(crate) fn publish(
    temporary_folder: &Path,
    path: &Path,
    body: &[u8],
    mode: PutMode,
) -> Result<(), ConnectorError> {
    let temporary = Temporary::write(temporary_folder, path, body)?;
    match mode {
        PutMode::Replace => {
            std::fs::rename(&temporary.path, path).map_err(|error| failed_io("rename", path, error))?;
            temporary.forget();
        }
        PutMode::Immutable => {
            if name_exclusively(&temporary.path, path)? {
                temporary.forget();
            } else {
                drop(temporary);
                compare_existing(path, body)?;
            }
        }
    }
    sync_folder(path.parent().unwrap_or(Path::new("/")))
}

/// A temporary file that goes away unless it got its final name.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn write(folder: &Path, target: &Path, body: &[u8]) -> Result<Self, ConnectorError> {
        let (mut file, temporary) = Self::open(folder)?;
        let result = file.write_all(body).and_then(|()| file.sync_all()).and_then(|()| file.metadata());
        let length = result.map_err(|error| failed_io("write", target, error))?.len();
        if length != body.len() as u64 {
            return Err(refused(
                ErrorKind::Corrupt,
                "write",
                target,
                format!("{length} of {} bytes arrived", body.len()),
            ));
        }
        Ok(temporary)
    }

    fn open(folder: &Path) -> Result<(File, Self), ConnectorError> {
        let path = folder.join(temporary_name());
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed_io("create", &path, error))?;
        Ok((file, Self { path }))
    }

    fn forget(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // Nothing more can be done about a leftover; maintenance sweeps it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Renames without replacing; `false` if the final name exists.
fn name_exclusively(temporary: &Path, path: &Path) -> Result<bool, ConnectorError> {
    match rustix::fs::renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        // Network and FUSE file systems may lack the flag; a hard link is as exclusive.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => link_exclusively(temporary, path),
        Err(error) => Err(failed("rename", path, error)),
    }
}

fn link_exclusively(temporary: &Path, path: &Path) -> Result<bool, ConnectorError> {
    match rustix::fs::link(temporary, path) {
        Ok(()) => {
            std::fs::remove_file(temporary).map_err(|error| failed_io("remove", temporary, error))?;
            Ok(true)
        }
        Err(Errno::EXIST) => Ok(false),
        // No links either (FAT): names come from content, so the gap between look and rename can
        // only replace a file by an equal one.
        Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => {
            if path.symlink_metadata().is_ok() {
                return Ok(false);
            }
            std::fs::rename(temporary, path).map_err(|error| failed_io("rename", path, error))?;
            Ok(true)
        }
        Err(error) => Err(failed("link", path, error)),
    }
}

/// Success if the file at `path` holds exactly `body`; it is flushed, since whoever wrote it may
/// have been interrupted before that.
fn compare_existing(path: &Path, body: &[u8]) -> Result<(), ConnectorError> {
    let file = File::open(path).map_err(|error| failed_io("open", path, error))?;
    let same = same_content(&file, body).map_err(|error| failed_io("read", path, error))?;
    if !same {
        return Err(refused(
            ErrorKind::AlreadyExists,
            "write",
            path,
            "a file of this name with other content exists",
        ));
    }
    file.sync_all().map_err(|error| failed_io("flush", path, error))
}

fn same_content(file: &File, body: &[u8]) -> std::io::Result<bool> {
    if file.metadata()?.len() != body.len() as u64 {
        return Ok(false);
    }
    let mut buffer = vec![0u8; body.len().min(1 << 20)];
    let mut offset = 0u64;
    for wanted in body.chunks(buffer.len().max(1)) {
        let found = &mut buffer[..wanted.len()];
        file.read_exact_at(found, offset)?;
        if found != wanted {
            return Ok(false);
        }
        offset += wanted.len() as u64;
    }
    Ok(true)
}

/// Flushes the names in a folder.
pub(crate) fn sync_folder(path: &Path) -> Result<(), ConnectorError> {
    let folder = File::open(path).map_err(|error| failed_io("open", path, error))?;
    match rustix::fs::fsync(&folder) {
        // Some file systems cannot flush folders and say so.
        Ok(()) | Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(failed("flush", path, error)),
    }
}

/// Reads a whole file of at most `limit` bytes.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, ConnectorError> {
    let file = File::open(path).map_err(|error| failed_io("open", path, error))?;
    let mut bytes = Vec::new();
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| failed_io("read", path, error))?;
    if bytes.len() as u64 > limit {
        return Err(refused(ErrorKind::Corrupt, "read", path, format!("more than {limit} bytes")));
    }
    Ok(bytes)
}
