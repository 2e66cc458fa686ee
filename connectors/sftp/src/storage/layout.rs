//! Paths inside a store folder.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use kloset_connector::StoreFile;
use kloset_format::Mac;
use kloset_format::path::join;

/// The folder of a store.
pub(crate) struct Layout {
    pub(crate) root: Vec<u8>,
}

impl Layout {
    pub(crate) fn new(root: Vec<u8>) -> Self {
        Self { root }
    }

    pub(crate) fn config(&self) -> Vec<u8> {
        join(&self.root, b"CONFIG")
    }

    pub(crate) fn folder(&self, file: StoreFile) -> Vec<u8> {
        join(&self.root, folder_name(file))
    }

    /// Folders that hold files of one kind.
    pub(crate) fn buckets(&self, file: StoreFile) -> Vec<Vec<u8>> {
        let folder = self.folder(file);
        match file {
            StoreFile::Packfile | StoreFile::State => {
                (0..=255u8).map(|number| join(&folder, format!("{number:02x}").as_bytes())).collect()
            }
            StoreFile::Lock => vec![folder],
        }
    }

    pub(crate) fn file(&self, file: StoreFile, name: &[u8; 32]) -> Vec<u8> {
        let hex = Mac(*name).to_string();
        let folder = self.folder(file);
        match file {
            StoreFile::Packfile | StoreFile::State => {
                let bucket = hex.get(..2).unwrap_or_default();
                join(&join(&folder, bucket.as_bytes()), hex.as_bytes())
            }
            StoreFile::Lock => join(&folder, hex.as_bytes()),
        }
    }

    /// Where a file is written before it has its name: never in a bucket, which others list.
    pub(crate) fn temporary_folder(&self, file: StoreFile) -> Vec<u8> {
        match file {
            StoreFile::Packfile | StoreFile::State => self.folder(file),
            StoreFile::Lock => self.root.clone(),
        }
    }
}

fn folder_name(file: StoreFile) -> &'static [u8] {
    match file {
        StoreFile::Packfile => b"packfiles",
        StoreFile::State => b"states",
        StoreFile::Lock => b"locks",
    }
}

/// Reads a file name of a listing; `None` if it is not 64 hexadecimal digits.
pub(crate) fn parse_name(name: &[u8]) -> Option<[u8; 32]> {
    Mac::from_hex(std::str::from_utf8(name).ok()?).map(|mac| mac.0)
}

/// A new temporary name: owner process, time of birth, something that nobody else draws.
pub(crate) fn temporary_name() -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("tmp.{}.{seconds}.{:016x}.{number}", std::process::id(), crate::transport::random()).into_bytes()
}

/// Whether this is the name of a temporary file of ours or of the reference implementation.
pub(crate) fn is_temporary(name: &[u8]) -> bool {
    name.starts_with(b"tmp.") || name.strip_suffix(b".tmp").is_some_and(|front| parse_name(front).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_never_look_like_objects() {
        let name = temporary_name();
        assert!(parse_name(&name).is_none() && is_temporary(&name));
        assert!(is_temporary(format!("{}.tmp", "a".repeat(64)).as_bytes()));
        assert!(!is_temporary(&[b'a'; 64]) && !is_temporary(b"notes.tmp"));
    }

    #[test]
    fn files_lie_in_the_bucket_of_their_first_byte() {
        let layout = Layout::new(b"/s".to_vec());
        let name = [0xab; 32];
        let hex = "ab".repeat(32);
        assert_eq!(layout.file(StoreFile::State, &name), format!("/s/states/ab/{hex}").into_bytes());
        assert_eq!(layout.file(StoreFile::Lock, &name), format!("/s/locks/{hex}").into_bytes());
        assert_eq!(Layout::new(b"/".to_vec()).config(), b"/CONFIG");
    }
}
