//! Listing of a store folder: all of it or an error.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use kloset_connector::{ConnectorError, ErrorKind, Listed, StoreFile};
use kloset_format::Timestamp;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::failure::{failed, refused};
use crate::layout;

/// Lists every file of one kind on up to `threads` threads.
pub(crate) fn list(root: &Path, file: StoreFile, threads: usize) -> Result<Vec<Listed>, ConnectorError> {
    let mut found = match file {
        StoreFile::Lock => {
            let mut found = Vec::new();
            list_folder(&root.join(layout::folder(file)), &mut found)?;
            found
        }
        StoreFile::Packfile | StoreFile::State => list_buckets(root, file, threads)?,
    };
    // A file may lie in a wrong bucket beside its proper copy.
    found.sort_unstable_by_key(|listed| listed.name);
    found.dedup_by_key(|listed| listed.name);
    Ok(found)
}

fn list_buckets(root: &Path, file: StoreFile, threads: usize) -> Result<Vec<Listed>, ConnectorError> {
    let next = AtomicUsize::new(0);
    let outcome: Mutex<Result<Vec<Listed>, ConnectorError>> = Mutex::new(Ok(Vec::new()));
    let work = || {
        let mut found = Vec::new();
        let mut failure = None;
        while failure.is_none() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(number) = u8::try_from(number).ok().filter(|_| number < layout::BUCKETS) else { break };
            failure = list_folder(&layout::bucket_number(root, file, number), &mut found).err();
        }
        let mut outcome = outcome.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match (failure, &mut *outcome) {
            (Some(error), Ok(_)) => *outcome = Err(error),
            (None, Ok(all)) => all.append(&mut found),
            (_, Err(_)) => {}
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(layout::BUCKETS) {
            scope.spawn(work);
        }
        work();
    });
    outcome.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Adds the files of one folder whose names are 64 hexadecimal digits.
fn list_folder(path: &PathBuf, found: &mut Vec<Listed>) -> Result<(), ConnectorError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|error| match error {
        Errno::NOENT => refused(ErrorKind::Corrupt, "list", path, "bucket missing"),
        error => failed("list", path, error),
    })?;
    let mut buffer = Vec::with_capacity(32 << 10);
    let mut entries = RawDir::new(&folder, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(|error| failed("list", path, error))?;
        if let Some(name) = layout::parse_name(entry.file_name().to_bytes()) {
            found.extend(describe(&folder, path, entry.file_name(), name)?);
        }
    }
    Ok(())
}

/// Size and time of a regular file; `None` if it vanished since or is something else.
fn describe(
    folder: &OwnedFd,
    path: &Path,
    entry: &std::ffi::CStr,
    name: [u8; 32],
) -> Result<Option<Listed>, ConnectorError> {
    let stat = match rustix::fs::statat(folder, entry, AtFlags::empty()) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(failed("inspect", path.join(layout_name(&name)), error)),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    Ok(Some(Listed {
        name,
        size: u64::try_from(stat.st_size).ok(),
        modified: Some(Timestamp { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 }),
    }))
}

fn layout_name(name: &[u8; 32]) -> String {
    kloset_format::Mac(*name).to_string()
}
