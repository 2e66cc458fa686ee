//! Unpacks a package into a fresh folder, every byte verified.
//!
//! A package may hold folders and regular files only: with no links inside and a folder that
//! nobody else can write to, no path leads out of it.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connector_fs::ptar;
use kloset::check::{CheckOptions, check};
use kloset::repository::{LockedStore, OpenOptions as StoreOptions};
use kloset::{Error, OpenError, Runtime, SilentMonitor, Snapshot};
use kloset_connector::{ConnectorContext, ErrorKind, Location, Options};
use kloset_format::entry::Entry;

use crate::PkgError;

/// More than any connector needs; a package that claims more is not unpacked.
const UNPACKED_BYTES_MAX: u64 = 4 << 30;

/// Verifies a package and unpacks it into `folder`, which must be empty and private.
pub(crate) fn extract(
    package: &Path,
    folder: &Path,
    context: &ConnectorContext,
    runtime: &Runtime,
) -> Result<(), PkgError> {
    let snapshot = open(package, context, runtime)?;
    verify(package, &snapshot)?;
    let damaged = |reason: String| PkgError::Damaged { path: package.to_owned(), reason };
    let mut entries = Vec::new();
    let walked = snapshot.walk(b"/", &mut |found| {
        entries.push(found);
        Ok(())
    });
    walked.map_err(|error| engine(package, error))?;
    let mut left = UNPACKED_BYTES_MAX;
    for found in entries {
        let inside = found.path.strip_prefix(b"/").unwrap_or(&found.path);
        if inside.is_empty() {
            continue;
        }
        let relative = crate::manifest::below(&String::from_utf8_lossy(inside))
            .filter(|clean| clean.as_os_str().as_bytes() == inside)
            .ok_or_else(|| damaged("a path that leads outside".to_owned()))?;
        let target = folder.join(relative);
        if found.entry.info.mode.is_directory() {
            let made = DirBuilder::new().mode(0o700).create(&target);
            made.map_err(|error| PkgError::io("create", &target, &error))?;
        } else if found.entry.info.mode.is_regular() {
            let size = u64::try_from(found.entry.info.size).unwrap_or(0);
            left = left.checked_sub(size).ok_or_else(|| damaged("it is too large".to_owned()))?;
            write_file(package, &snapshot, &found.entry, &target, size)?;
        } else {
            return Err(damaged(format!("{} is neither folder nor file", String::from_utf8_lossy(inside))));
        }
    }
    Ok(())
}

fn open(package: &Path, context: &ConnectorContext, runtime: &Runtime) -> Result<Snapshot, PkgError> {
    let location = Location { scheme: "ptar".to_owned(), rest: package.to_string_lossy().into_owned() };
    let storage = ptar::open(&location, &Options::new(), context).map_err(|error| match error.kind {
        ErrorKind::Corrupt => PkgError::NotAPackage,
        _ => error.into(),
    })?;
    let options = StoreOptions::new(runtime.clone(), Arc::new(SilentMonitor));
    let store = LockedStore::probe(Arc::new(storage), options).map_err(|error| opening(package, error))?;
    let repository = store.unlock(None).map_err(|(_, error)| opening(package, error))?;
    let repository = Arc::new(repository);
    match repository.snapshots().as_slice() {
        [id] => Snapshot::open(&repository, *id).map_err(|error| engine(package, error)),
        many => Err(PkgError::Damaged {
            path: package.to_owned(),
            reason: format!("it holds {} snapshots instead of one", many.len()),
        }),
    }
}

/// Reads everything once: blobs, indexes, checksums.
fn verify(package: &Path, snapshot: &Snapshot) -> Result<(), PkgError> {
    let mut errors = 0;
    let targets = [(snapshot.id(), b"/".to_vec())];
    check(snapshot.repository(), &targets, CheckOptions { fast: false }, &SilentMonitor, &mut |found| {
        errors += found.errors;
    })
    .map_err(|error| engine(package, error))?;
    if errors > 0 {
        let reason = format!("{errors} of its parts do not match their checksums");
        return Err(PkgError::Damaged { path: package.to_owned(), reason });
    }
    Ok(())
}

fn write_file(
    package: &Path,
    snapshot: &Snapshot,
    entry: &Entry,
    target: &Path,
    size: u64,
) -> Result<(), PkgError> {
    let failed = |error: io::Error| PkgError::io("write", target, &error);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target).map_err(failed)?;
    let mut out = Limited { file: &file, left: size };
    snapshot.write_content(entry, &mut out).map_err(|error| engine(package, error))?.map_err(failed)?;
    // No set-user bits, and nobody else writes.
    let mode = (entry.info.mode.unix_permissions() & 0o755) | 0o400;
    file.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(failed)
}

/// Writes no more than was announced.
struct Limited<'a> {
    file: &'a std::fs::File,
    left: u64,
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len() as u64;
        self.left = self.left.checked_sub(length).ok_or_else(|| io::Error::other("longer than announced"))?;
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn opening(package: &Path, error: OpenError) -> PkgError {
    match error {
        OpenError::Storage(error) if error.kind != ErrorKind::Corrupt => PkgError::Connector(error),
        error => PkgError::Damaged { path: package.to_owned(), reason: chain(&error) },
    }
}

fn engine(package: &Path, error: Error) -> PkgError {
    match error {
        Error::Interrupted => PkgError::Interrupted,
        error => PkgError::Damaged { path: package.to_owned(), reason: chain(&error) },
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Makes a private folder with a fresh hidden name in `parent`.
pub(crate) fn fresh_folder(parent: &Path, prefix: &str) -> Result<tempfile::TempDir, PkgError> {
    tempfile::Builder::new()
        .prefix(prefix)
        .tempdir_in(parent)
        .map_err(|error| PkgError::io("create a folder in", parent, &error))
}

/// Makes a folder and its parents, for the user only.
pub(crate) fn make_private(path: &Path) -> Result<PathBuf, PkgError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| PkgError::io("create", path, &error))?;
    Ok(path.to_owned())
}
