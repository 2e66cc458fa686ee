//! Folders and names of a restore: where a path lies, and how a finished file gets its name.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use kloset_connector::{ConnectorError, ErrorKind};
use rustix::fs::{AtFlags, FileType, RenameFlags};
use rustix::io::Errno;

use crate::beneath::Root;
use crate::failure::{failed, refused};
use crate::local_path::as_path;

/// A folder that is being restored into.
pub(crate) struct Folder {
    handle: OwnedFd,
    path: PathBuf,
    /// New entries get access lists from this folder, which the restored ones may not have.
    pub(crate) gives_acl: bool,
}

impl Folder {
    fn open(root: &Root, relative: &[u8]) -> Result<Self, ConnectorError> {
        let path = root.shown(relative);
        let handle = root.open_folder(relative).map_err(|error| match error {
            Errno::LOOP => {
                refused(ErrorKind::AlreadyExists, "open", &path, "a symbolic link stands in the path")
            }
            Errno::NOTDIR => {
                refused(ErrorKind::AlreadyExists, "open", &path, "something else than a directory is there")
            }
            error => failed("open", &path, error),
        })?;
        let mut none: [u8; 0] = [];
        let gives_acl =
            rustix::fs::fgetxattr(&handle, DEFAULT_ACL, &mut none[..]).is_ok_and(|length| length > 0);
        Ok(Self { handle, path, gives_acl })
    }

    /// The open folder.
    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// A name in it as text for people.
    pub(crate) fn shown(&self, name: &[u8]) -> PathBuf {
        self.path.join(as_path(name))
    }

    /// Its own path, for calls that know attributes by path only.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What stands under a name, not followed.
    pub(crate) fn kind_of(&self, name: &[u8]) -> rustix::io::Result<FileType> {
        let stat = rustix::fs::statat(&self.handle, as_path(name), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(FileType::from_raw_mode(stat.st_mode))
    }
}

/// The attribute of a folder that new entries inherit from.
pub(crate) const DEFAULT_ACL: &str = "system.posix_acl_default";
/// The access list of a file.
pub(crate) const ACCESS_ACL: &str = "system.posix_acl_access";

/// Finds folders; the last one stays open, since neighbours come one after another.
pub(crate) struct Folders<'a> {
    root: &'a Root,
    last: Option<(Vec<u8>, Arc<Folder>)>,
}

impl<'a> Folders<'a> {
    /// Starts with none open.
    pub(crate) fn new(root: &'a Root) -> Self {
        Self { root, last: None }
    }

    /// The folder that all paths are below.
    pub(crate) fn root(&self) -> &'a Root {
        self.root
    }

    /// The folder that holds a path, and the name in it.
    pub(crate) fn holding<'p>(&mut self, path: &'p [u8]) -> Result<(Arc<Folder>, &'p [u8]), ConnectorError> {
        let (parent, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&path[..0], path),
        };
        self.check(path, name)?;
        if let Some((known, folder)) = &self.last
            && known == parent
        {
            return Ok((Arc::clone(folder), name));
        }
        if !parent.is_empty() {
            for component in parent.split(|&byte| byte == b'/') {
                self.check(path, component)?;
            }
        }
        let folder = Arc::new(Folder::open(self.root, parent)?);
        self.last = Some((parent.to_vec(), Arc::clone(&folder)));
        Ok((folder, name))
    }

    /// The caller checked names already; a second look costs nothing beside the system calls.
    fn check(&self, path: &[u8], name: &[u8]) -> Result<(), ConnectorError> {
        if matches!(name, b"" | b"." | b"..") || name.contains(&0) {
            return Err(refused(ErrorKind::Invalid, "restore", self.root.shown(path), "not a usable name"));
        }
        Ok(())
    }
}

/// A file under a temporary name; it goes away unless it is placed.
pub(crate) struct Temporary {
    folder: Arc<Folder>,
    name: String,
    placed: bool,
}

impl Temporary {
    /// Makes something under a new name with `make`, which must fail if the name exists.
    pub(crate) fn make<T>(
        folder: &Arc<Folder>,
        mut make: impl FnMut(BorrowedFd<'_>, &str) -> rustix::io::Result<T>,
    ) -> rustix::io::Result<(T, Self)> {
        loop {
            let name = temporary_name();
            match make(folder.handle(), &name) {
                Err(Errno::EXIST) => {}
                made => {
                    return made.map(|made| (made, Self { folder: Arc::clone(folder), name, placed: false }));
                }
            }
        }
    }

    /// Its name in the folder.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The folder it is in.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The folder, to be kept beyond this value.
    pub(crate) fn share_folder(&self) -> Arc<Folder> {
        Arc::clone(&self.folder)
    }

    /// Gives the final name, replacing something of this kind only.
    pub(crate) fn place(mut self, name: &[u8], replaced: FileType) -> Result<(), ConnectorError> {
        let folder = self.folder.handle();
        let from = self.name.as_str();
        let exclusive = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(folder, from, folder, as_path(name), exclusive) {
            Ok(()) => {
                self.placed = true;
                return Ok(());
            }
            // In place already, or a file system without the flag: look first.
            Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            Err(error) => return Err(failed("rename", self.folder.shown(name), error)),
        }
        match self.folder.kind_of(name) {
            Ok(kind) if kind != replaced => return Err(in_the_way(&self.folder, name, kind)),
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => return Err(failed("inspect", self.folder.shown(name), error)),
        }
        let renamed = rustix::fs::renameat(folder, from, folder, as_path(name));
        renamed.map_err(|error| failed("rename", self.folder.shown(name), error))?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.placed {
            // Nothing more can be done about a leftover.
            let _ = rustix::fs::unlinkat(self.folder.handle(), self.name.as_str(), AtFlags::empty());
        }
    }
}

/// Names that nobody can foresee, so that nobody can have put something there.
fn temporary_name() -> String {
    static START: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // An odd factor visits all 64-bit numbers before it repeats one.
    let step = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(".plakar-{:016x}", START.wrapping_add(step))
}

/// Something that is not replaced stands where `name` belongs.
pub(crate) fn in_the_way(folder: &Folder, name: &[u8], kind: FileType) -> ConnectorError {
    let what = match kind {
        FileType::RegularFile => "a file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        _ => "a special file",
    };
    let message = format!("{what} is in its place");
    refused(ErrorKind::AlreadyExists, "restore", folder.shown(name), message)
}
