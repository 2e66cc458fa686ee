//! A store in a local folder.
//!
//! Layout and names are in `layout`, the crash-safe write in `publish`, ranged reads in `ranges`;
//! this module ties them to the [`Storage`] contract.

use std::fs::DirBuilder;
use std::io::ErrorKind as IoKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kloset_connector::{
    ConnectorContext, ConnectorError, ErrorKind, Listed, Location, Options, PutMode, RangeRequest, Storage,
    StorageInfo, StoreFile,
};

use crate::failure::{failed_io, refused, shown};
use crate::listing;
use crate::local_path::local_path;
use crate::publish::{publish, read_limited, sync_folder};
use crate::ranges::read_ranges;
use crate::{layout, ping};

/// CONFIG is never larger than this.
pub(crate) const CONFIG_BYTES_MAX: u64 = 64 << 10;

/// Skipping less than this costs as much as reading it: one page-cache read against another call.
pub(crate) const GAP_BYTES: u64 = 16 << 10;

/// Writes wait for the disk's flush; a few at a time keep it busy.
const PUTS_AT_ONCE: usize = 4;

/// A store in a local folder.
pub struct FsStorage {
    root: PathBuf,
    hostname: String,
    parallelism: usize,
}

impl FsStorage {
    /// Names the folder; touches nothing yet. There are no options.
    pub fn new(
        location: &Location,
        _options: &Options,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        Ok(Self {
            root: local_path(location, context)?,
            hostname: context.hostname.clone(),
            parallelism: context.parallelism.max(1),
        })
    }

    fn config_path(&self) -> PathBuf {
        self.root.join("CONFIG")
    }
}

impl Storage for FsStorage {
    fn info(&self) -> StorageInfo {
        StorageInfo {
            kind: "fs".to_owned(),
            location: format!("fs://{}", shown(&self.root)),
            origin: self.hostname.clone(),
            root: shown(&self.root),
            writable: true,
            puts_at_once: PUTS_AT_ONCE,
            gets_at_once: self.parallelism,
            gap_bytes: GAP_BYTES,
        }
    }

    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        if !folder_is_free(&self.root)? {
            return Err(not_empty(&self.root));
        }
        make_folder(&self.root, true)?;
        for file in [StoreFile::Packfile, StoreFile::State] {
            make_folder(&self.root.join(layout::folder(file)), false)?;
            for number in 0..=u8::MAX {
                make_folder(&layout::bucket_number(&self.root, file, number), false)?;
            }
            sync_folder(&self.root.join(layout::folder(file)))?;
        }
        make_folder(&self.root.join(layout::folder(StoreFile::Lock)), false)?;
        if let Some(parent) = self.root.parent() {
            sync_folder(parent)?;
        }
        let written = publish(&self.root, &self.config_path(), config, PutMode::Immutable);
        written.map_err(|error| match error.kind {
            // Somebody else created a store here in the meantime.
            ErrorKind::AlreadyExists => not_empty(&self.root),
            _ => error,
        })
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        read_limited(&self.config_path(), CONFIG_BYTES_MAX)
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        listing::list(&self.root, file, self.parallelism)
    }

    fn put(
        &self,
        file: StoreFile,
        name: &[u8; 32],
        body: Bytes,
        mode: PutMode,
    ) -> Result<(), ConnectorError> {
        let temporary_folder = layout::temporary_folder(&self.root, file);
        publish(&temporary_folder, &layout::final_path(&self.root, file, name), &body, mode)
    }

    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        let path = layout::final_path(&self.root, file, name);
        std::fs::read(&path).map_err(|error| failed_io("read", &path, error))
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        let path_of = |request: &RangeRequest| layout::final_path(&self.root, request.file, &request.name);
        read_ranges(requests, self.parallelism, &path_of, deliver);
    }

    fn delete(&self, file: StoreFile, name: &[u8; 32]) -> Result<(), ConnectorError> {
        let path = layout::final_path(&self.root, file, name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != IoKind::NotFound => Err(failed_io("remove", &path, error)),
            _ => Ok(()),
        }
    }

    fn temporary_files(&self, older_than: Duration, remove: bool) -> Result<Vec<String>, ConnectorError> {
        let limit = SystemTime::now().checked_sub(older_than).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut folders = vec![self.root.clone(), self.root.join(layout::folder(StoreFile::Lock))];
        for file in [StoreFile::Packfile, StoreFile::State] {
            folders.push(self.root.join(layout::folder(file)));
            folders.extend((0..=u8::MAX).map(|number| layout::bucket_number(&self.root, file, number)));
        }
        let mut names = Vec::new();
        for folder in folders {
            sweep(&self.root, &folder, limit, remove, &mut names)?;
        }
        Ok(names)
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        ping::writable_folder(&self.root, report);
    }
}

/// Whether a store may be created here: nothing there, an empty folder, or the folders of an
/// unfinished create with nothing in them.
fn folder_is_free(root: &Path) -> Result<bool, ConnectorError> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == IoKind::NotFound => return Ok(true),
        Err(error) => return Err(failed_io("open", root, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| failed_io("list", root, error))?;
        let name = entry.file_name();
        let ours = match name.as_bytes() {
            b"packfiles" | b"states" => holds_no_file(&entry.path(), 2)?,
            b"locks" => holds_no_file(&entry.path(), 1)?,
            name => layout::is_temporary(name),
        };
        if !ours {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether `levels` levels of folders hold nothing but folders and temporary files.
fn holds_no_file(folder: &Path, levels: usize) -> Result<bool, ConnectorError> {
    let entries = std::fs::read_dir(folder).map_err(|error| failed_io("list", folder, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| failed_io("list", folder, error))?;
        let kind = entry.file_type().map_err(|error| failed_io("inspect", entry.path(), error))?;
        let free = if kind.is_dir() {
            levels > 1 && holds_no_file(&entry.path(), levels - 1)?
        } else {
            layout::is_temporary(entry.file_name().as_bytes())
        };
        if !free {
            return Ok(false);
        }
    }
    Ok(true)
}

fn not_empty(root: &Path) -> ConnectorError {
    let message = format!("directory {} is not empty", shown(root));
    refused(ErrorKind::AlreadyExists, "create", root, message)
}

/// Makes a folder for us alone; an existing one is kept as it is.
fn make_folder(path: &Path, with_parents: bool) -> Result<(), ConnectorError> {
    let made = DirBuilder::new().recursive(with_parents).mode(0o700).create(path);
    match made {
        Err(error) if error.kind() == IoKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made.map_err(|error| failed_io("create", path, error)),
    }
}

/// Finds temporary files of one folder that were last written before `limit`.
fn sweep(
    root: &Path,
    folder: &Path,
    limit: SystemTime,
    remove: bool,
    names: &mut Vec<String>,
) -> Result<(), ConnectorError> {
    let entries = std::fs::read_dir(folder).map_err(|error| failed_io("list", folder, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| failed_io("list", folder, error))?;
        if !layout::is_temporary(entry.file_name().as_bytes()) {
            continue;
        }
        // A file that vanished was finished or swept by somebody else.
        let Ok(attributes) = entry.metadata() else { continue };
        let old = attributes.modified().is_ok_and(|modified| modified <= limit);
        if !attributes.is_file() || !old {
            continue;
        }
        let path = entry.path();
        if remove {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != IoKind::NotFound => {
                    return Err(failed_io("remove", &path, error));
                }
                _ => {}
            }
        }
        names.push(shown(path.strip_prefix(root).unwrap_or(&path)));
    }
    Ok(())
}
