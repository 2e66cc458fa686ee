//! Fingerprints of folder trees, to tell whether a restore gave back its source.
//!
//! Names, kinds, link targets, sizes and contents count; metadata fidelity is the
//! business of the tests.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{BenchError, IoContext};

/// What a tree holds, in a form that can be compared and printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeDigest {
    /// Number of regular files.
    pub files: u64,
    /// Number of folders, the root not counted.
    pub folders: u64,
    /// Bytes in regular files.
    pub bytes: u64,
    hash: blake3::Hash,
}

impl TreeDigest {
    /// Reads the whole tree below `root`.
    pub fn of(root: &Path) -> Result<Self, BenchError> {
        let mut sum = Sum { files: 0, folders: 0, bytes: 0, hasher: blake3::Hasher::new() };
        sum.folder(root)?;
        Ok(Self { files: sum.files, folders: sum.folders, bytes: sum.bytes, hash: sum.hasher.finalize() })
    }

    /// Number of files and folders.
    pub fn entries(&self) -> u64 {
        self.files + self.folders
    }
}

impl fmt::Display for TreeDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = self.hash.to_hex();
        let short = hash.get(..12).expect("a digest has 64 hexadecimal digits");
        write!(out, "{} files, {} folders, {} bytes, hash {short}", self.files, self.folders, self.bytes)
    }
}

struct Sum {
    files: u64,
    folders: u64,
    bytes: u64,
    hasher: blake3::Hasher,
}

impl Sum {
    fn folder(&mut self, path: &Path) -> Result<(), BenchError> {
        let mut names = BTreeMap::new();
        for entry in fs::read_dir(path).on("list", path)? {
            let entry = entry.on("list", path)?;
            let kind = entry.file_type().on("look at", &entry.path())?;
            names.insert(entry.file_name(), kind);
        }
        for (name, kind) in names {
            let below = path.join(&name);
            self.hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
            if kind.is_dir() {
                self.folders += 1;
                self.hasher.update(b"(");
                self.folder(&below)?;
                self.hasher.update(b")");
            } else if kind.is_file() {
                self.file(&below)?;
            } else if kind.is_symlink() {
                let target = fs::read_link(&below).on("read link", &below)?;
                self.hasher.update(b"l").update(target.as_os_str().as_bytes());
            } else {
                self.hasher.update(b"s");
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), BenchError> {
        let file = File::open(path).on("open", path)?;
        let mut content = blake3::Hasher::new();
        content.update_reader(file).on("read", path)?;
        self.files += 1;
        self.bytes += content.count();
        self.hasher.update(b"f").update(content.finalize().as_bytes());
        Ok(())
    }
}

/// Returns the space that the files below `root` take, in bytes of content.
pub fn stored_bytes(root: &Path) -> Result<u64, BenchError> {
    let mut total = 0;
    for entry in fs::read_dir(root).on("list", root)? {
        let entry = entry.on("list", root)?;
        let metadata = entry.metadata().on("look at", &entry.path())?;
        total += if metadata.is_dir() { stored_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_tells_moved_files_apart() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        fs::create_dir_all(one.join("a")).unwrap();
        fs::create_dir_all(two.join("a")).unwrap();
        fs::write(one.join("a/x"), "text").unwrap();
        fs::write(two.join("x"), "text").unwrap();
        let (first, second) = (TreeDigest::of(&one).unwrap(), TreeDigest::of(&two).unwrap());
        assert_eq!((first.files, first.folders, first.bytes), (1, 1, 4));
        assert_ne!(first, second);
        assert_eq!(stored_bytes(folder.path()).unwrap(), 8);
    }
}
