//! Opening paths below an open folder without ever following a symbolic link.
//!
//! One `openat2` call where the kernel has it, else a walk component by component. Paths longer
//! than one call takes are opened in pieces.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};

use crate::local_path::as_path;

/// Longest path given to one call, below the kernel's 4096 with its final zero.
const CALL_BYTES_MAX: usize = 4000;

/// Tries of a call that the kernel could not finish because of renames elsewhere.
const RACES_MAX: usize = 64;

/// Flags of a folder that is only passed through.
const PASS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

static LACKS_OPENAT2: AtomicBool = AtomicBool::new(false);

/// An open folder that everything else is opened below.
#[derive(Debug)]
pub(crate) struct Root {
    folder: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens the folder at a path given by the user; links on the way to it are followed.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        // Only passed through: a folder that cannot be read may still lead to files that can.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        Ok(Self { folder, path: path.to_owned() })
    }

    /// A path below as text for people.
    pub(crate) fn shown(&self, relative: &[u8]) -> PathBuf {
        if relative.is_empty() { self.path.clone() } else { self.path.join(as_path(relative)) }
    }

    /// Opens a path below; the empty path is the folder itself. The last component is not
    /// followed either.
    pub(crate) fn open_below(&self, relative: &[u8], flags: OFlags) -> Result<OwnedFd> {
        if relative.is_empty() {
            return rustix::fs::openat(&self.folder, ".", flags | OFlags::CLOEXEC, Mode::empty());
        }
        let mut passed: Option<OwnedFd> = None;
        let mut rest = relative;
        while rest.len() > CALL_BYTES_MAX {
            let Some(cut) = rest[..CALL_BYTES_MAX].iter().rposition(|&byte| byte == b'/') else {
                return Err(Errno::NAMETOOLONG);
            };
            passed = Some(open_piece(self.or_root(passed.as_ref()), &rest[..cut], PASS)?);
            rest = &rest[cut + 1..];
        }
        open_piece(self.or_root(passed.as_ref()), rest, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC)
    }

    /// Opens a folder below.
    pub(crate) fn open_folder(&self, relative: &[u8]) -> Result<OwnedFd> {
        self.open_below(relative, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    fn or_root<'a>(&'a self, passed: Option<&'a OwnedFd>) -> BorrowedFd<'a> {
        passed.map_or(self.folder.as_fd(), AsFd::as_fd)
    }
}

fn open_piece(folder: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd> {
    if !LACKS_OPENAT2.load(Ordering::Relaxed) {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        for _ in 0..RACES_MAX {
            match rustix::fs::openat2(folder, as_path(path), flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::NOSYS) => {
                    LACKS_OPENAT2.store(true, Ordering::Relaxed);
                    break;
                }
                // Some sandboxes answer so for calls they do not know; the walk tells.
                Err(Errno::PERM) => break,
                result => return result,
            }
        }
    }
    open_by_components(folder, path, flags)
}

fn open_by_components(folder: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd> {
    let mut components = path.split(|&byte| byte == b'/').peekable();
    let mut passed: Option<OwnedFd> = None;
    while let Some(name) = components.next() {
        if matches!(name, b"" | b"." | b"..") {
            return Err(Errno::INVAL);
        }
        let at = passed.as_ref().map_or(folder, AsFd::as_fd);
        let flags = if components.peek().is_some() { PASS } else { flags | OFlags::NOFOLLOW };
        passed = Some(rustix::fs::openat(at, as_path(name), flags, Mode::empty())?);
    }
    passed.ok_or(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    type Way = fn(BorrowedFd<'_>, &[u8], OFlags) -> Result<OwnedFd>;

    #[test]
    fn links_are_refused_at_every_place_by_both_ways() {
        let temp = tempfile::tempdir().expect("temporary folder");
        std::fs::create_dir_all(temp.path().join("a/b")).expect("folders");
        std::fs::write(temp.path().join("a/b/file"), b"x").expect("write");
        symlink("b", temp.path().join("a/link")).expect("link");
        symlink("file", temp.path().join("a/b/last")).expect("link");
        symlink("/etc", temp.path().join("out")).expect("link");
        let root = Root::open(temp.path()).expect("open");
        let ways: [Way; 2] = [open_piece, open_by_components];
        for way in ways {
            let open =
                |path: &str| way(root.folder.as_fd(), path.as_bytes(), OFlags::RDONLY | OFlags::NOFOLLOW);
            assert!(open("a/b/file").is_ok());
            for path in ["a/link/file", "a/b/last", "out/passwd", "../x", "a/../a/b/file", "out"] {
                let found = open(path);
                assert!(found.is_err() || path == "a/../a/b/file", "{path}");
            }
        }
    }

    #[test]
    fn paths_longer_than_one_call_are_opened() {
        let temp = tempfile::tempdir().expect("temporary folder");
        let name = "x".repeat(250);
        let mut folder = Root::open(temp.path()).expect("open").folder;
        let mut path = Vec::new();
        for _ in 0..40 {
            rustix::fs::mkdirat(&folder, name.as_str(), Mode::from_raw_mode(0o700)).expect("make");
            folder = rustix::fs::openat(&folder, name.as_str(), PASS, Mode::empty()).expect("open");
            path.extend_from_slice(name.as_bytes());
            path.push(b'/');
        }
        path.pop();
        let root = Root::open(temp.path()).expect("open");
        let found = rustix::fs::fstat(root.open_folder(&path).expect("open")).expect("stat");
        assert_eq!(found.st_ino, rustix::fs::fstat(&folder).expect("stat").st_ino);
    }
}
