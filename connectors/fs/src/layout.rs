//! Names of the files of a store folder: buckets, final names, temporary names.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kloset_connector::StoreFile;
use kloset_format::Mac;

/// Number of bucket folders below `packfiles/` and `states/`.
pub(crate) const BUCKETS: usize = 256;

/// The folder of one kind of file, relative to the root.
pub(crate) fn folder(file: StoreFile) -> &'static str {
    match file {
        StoreFile::Packfile => "packfiles",
        StoreFile::State => "states",
        StoreFile::Lock => "locks",
    }
}

/// The folder that holds temporary files of one kind.
///
/// Never a bucket: readers of the store list buckets, and must not meet half-written files there.
pub(crate) fn temporary_folder(root: &Path, file: StoreFile) -> PathBuf {
    match file {
        StoreFile::Packfile | StoreFile::State => root.join(folder(file)),
        StoreFile::Lock => root.to_owned(),
    }
}

/// The folder that a named file lies in.
pub(crate) fn bucket(root: &Path, file: StoreFile, name: &[u8; 32]) -> PathBuf {
    match file {
        StoreFile::Packfile | StoreFile::State => bucket_number(root, file, name[0]),
        StoreFile::Lock => root.join(folder(file)),
    }
}

/// One of the 256 bucket folders.
pub(crate) fn bucket_number(root: &Path, file: StoreFile, number: u8) -> PathBuf {
    root.join(folder(file)).join(format!("{number:02x}"))
}

/// The final path of a named file.
pub(crate) fn final_path(root: &Path, file: StoreFile, name: &[u8; 32]) -> PathBuf {
    bucket(root, file, name).join(Mac(*name).to_string())
}

/// Reads a file name of a listing; `None` if it is not 64 hexadecimal digits.
pub(crate) fn parse_name(name: &[u8]) -> Option<[u8; 32]> {
    let text = std::str::from_utf8(name).ok()?;
    Mac::from_hex(text).map(|mac| mac.0)
}

/// A new temporary name: owner process, time of birth, a number within the process.
pub(crate) fn temporary_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("tmp.{}.{}.{:09}.{number}", std::process::id(), now.as_secs(), now.subsec_nanos())
}

/// Whether this is the name of a temporary file of ours or of the reference implementation.
pub(crate) fn is_temporary(name: &[u8]) -> bool {
    name.starts_with(b"tmp.") || (name.ends_with(b".tmp") && parse_name(&name[..name.len() - 4]).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_in_the_bucket_of_their_first_byte() {
        let root = Path::new("/s");
        let mut name = [0u8; 32];
        name[0] = 0xab;
        let path = final_path(root, StoreFile::Packfile, &name);
        assert_eq!(path, PathBuf::from(format!("/s/packfiles/ab/ab{}", "0".repeat(62))));
        let path = final_path(root, StoreFile::Lock, &name);
        assert_eq!(path, PathBuf::from(format!("/s/locks/ab{}", "0".repeat(62))));
    }

    #[test]
    fn temporary_names_are_never_object_names() {
        let name = temporary_name();
        assert!(is_temporary(name.as_bytes()) && parse_name(name.as_bytes()).is_none());
        assert_ne!(name, temporary_name());
        assert!(is_temporary(format!("{}.tmp", "0".repeat(64)).as_bytes()));
        assert!(!is_temporary("0".repeat(64).as_bytes()));
    }
}
