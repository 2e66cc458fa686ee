//! Owner, attributes, mode and times of restored paths, in the order that keeps them safe.
//!
//! Owner first, since a change of owner clears special bits; attributes next, since an access
//! list changes the mode; then the mode, with set-user and set-group bits only for the owner they
//! were meant for; times last.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use kloset_connector::{Applied, ConnectorError, ErrorKind, Limitation, Outcome, Target, Xattr};
use kloset_format::{FileInfo, Timestamp};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags,
};
use rustix::io::{Errno, Result};

use crate::failure::{failed, refused};
use crate::local_path::as_path;
use crate::place::{ACCESS_ACL, DEFAULT_ACL, Temporary};

/// What is known after applying: limits met, and the first thing that failed.
///
/// A failure does not stop the rest: a file with a wrong attribute is better than no file.
pub(crate) struct Applying<'a> {
    path: &'a dyn Fn() -> PathBuf,
    applied: Applied,
    failure: Option<ConnectorError>,
}

impl<'a> Applying<'a> {
    /// Starts with nothing applied; `path` names the target in errors.
    pub(crate) fn new(path: &'a dyn Fn() -> PathBuf) -> Self {
        Self { path, applied: Applied::default(), failure: None }
    }

    /// The outcome, unless something failed.
    pub(crate) fn outcome(self) -> Outcome {
        self.failure.map_or(Ok(self.applied), Err)
    }

    /// Counts a limit once.
    pub(crate) fn limit(&mut self, limitation: Limitation) {
        if !self.applied.limitations.contains(&limitation) {
            self.applied.limitations.push(limitation);
        }
    }

    fn fail(&mut self, operation: &'static str, error: Errno) {
        self.failure.get_or_insert_with(|| failed(operation, (self.path)(), error));
    }

    /// Everything, on an open file or folder.
    pub(crate) fn open_path(&mut self, file: BorrowedFd<'_>, target: &Target, inherited_acl: bool) {
        let before = match rustix::fs::fstat(file) {
            Ok(stat) => stat,
            Err(error) => return self.fail("inspect", error),
        };
        let owned = self.owner(&target.info, &before, |user, group| rustix::fs::fchown(file, user, group));
        if inherited_acl {
            drop_acl(file, &target.xattrs);
        }
        for xattr in &target.xattrs {
            let set = rustix::fs::fsetxattr(file, as_path(&xattr.name), &xattr.value, XattrFlags::empty());
            self.xattr(xattr, set);
        }
        let mode = allowed_mode(&target.info, owned);
        if before.st_mode & 0o7777 != mode || inherited_acl || !target.xattrs.is_empty() || owned.changed {
            let set = rustix::fs::fchmod(file, Mode::from_raw_mode(mode));
            set.unwrap_or_else(|error| self.fail("set mode of", error));
        }
        self.times(&target.info, |times| rustix::fs::futimens(file, times), || rustix::fs::fstat(file));
    }

    /// Everything that a link, pipe or socket can have, under its temporary name.
    pub(crate) fn node(&mut self, node: &Temporary, target: &Target) {
        let folder = node.folder().handle();
        // Held open without following, so that nobody can put something else in its place.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(folder, node.name(), flags, Mode::empty());
        let found = opened.and_then(|file| Ok((rustix::fs::fstat(&file)?, file)));
        let (before, file) = match found {
            Ok(found) => found,
            Err(error) => return self.fail("inspect", error),
        };
        let chown = |user, group| rustix::fs::chownat(&file, "", user, group, AtFlags::EMPTY_PATH);
        let owned = self.owner(&target.info, &before, chown);
        let by_folder = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(node.name());
        for xattr in &target.xattrs {
            let name = as_path(&xattr.name);
            let set = rustix::fs::lsetxattr(&by_folder, name, &xattr.value, XattrFlags::empty());
            self.xattr(xattr, set);
        }
        if FileType::from_raw_mode(before.st_mode) != FileType::Symlink {
            let set = chmod_path_handle(&file, allowed_mode(&target.info, owned));
            set.unwrap_or_else(|error| self.fail("set mode of", error));
        }
        let name = node.name();
        self.times(
            &target.info,
            |times| rustix::fs::utimensat(folder, name, times, AtFlags::SYMLINK_NOFOLLOW),
            || rustix::fs::fstat(&file),
        );
    }

    fn owner(
        &mut self,
        info: &FileInfo,
        before: &Stat,
        chown: impl Fn(Option<Uid>, Option<Gid>) -> Result<()>,
    ) -> Owned {
        let mut owned = Owned {
            user: u64::from(before.st_uid) == info.uid,
            group: u64::from(before.st_gid) == info.gid,
            changed: false,
        };
        if owned.user && owned.group {
            return owned;
        }
        let user = number(info.uid).map(Uid::from_raw);
        let group = number(info.gid).map(Gid::from_raw);
        let mut result = Err(Errno::PERM);
        if user.is_some() && group.is_some() {
            result = chown(user, group);
            if result.is_ok() {
                return Owned { user: true, group: true, changed: true };
            }
        }
        // Without privilege a group that one belongs to can still be given.
        if cannot_own(result) && group.is_some() && !owned.group && chown(None, group).is_ok() {
            owned.group = true;
            owned.changed = true;
        }
        match result {
            Err(error) if !cannot_own(result) => self.fail("set owner of", error),
            _ if owned.user && owned.group => {}
            _ => self.limit(Limitation::Owner),
        }
        owned
    }

    fn xattr(&mut self, xattr: &Xattr, set: Result<()>) {
        match set {
            Ok(()) => {}
            Err(Errno::NOTSUP) => self.limit(Limitation::Xattrs),
            // Other name spaces than the user's want privileges that this account lacks.
            Err(Errno::PERM | Errno::ACCESS) if !xattr.name.starts_with(b"user.") => {
                self.limit(Limitation::Xattrs);
            }
            Err(error) => {
                let path = (self.path)();
                self.failure.get_or_insert_with(|| {
                    let mut failure = failed("set extended attribute of", path, error);
                    failure.message = format!("{}: {}", xattr.name.escape_ascii(), failure.message);
                    failure
                });
            }
        }
    }

    fn times(
        &mut self,
        info: &FileInfo,
        set: impl Fn(&Timestamps) -> Result<()>,
        stat: impl Fn() -> Result<Stat>,
    ) {
        let Timestamp { seconds, nanoseconds } = info.mod_time;
        // Larger values have meanings of their own for the call.
        if nanoseconds >= 1_000_000_000 {
            let path = (self.path)();
            self.failure.get_or_insert_with(|| {
                refused(ErrorKind::Invalid, "set time of", path, "more nanoseconds than a second has")
            });
            return;
        }
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: seconds, tv_nsec: i64::from(nanoseconds) },
        };
        if let Err(error) = set(&times) {
            return self.fail("set time of", error);
        }
        // File systems cut silently what they cannot hold; only such times need a second look.
        let sure = (0..i64::from(i32::MAX)).contains(&seconds);
        if !sure && stat().is_ok_and(|stat| stat.st_mtime != seconds) {
            self.limit(Limitation::TimeRange);
        }
    }
}

/// Which parts of the owner are as wanted.
#[derive(Clone, Copy)]
struct Owned {
    user: bool,
    group: bool,
    changed: bool,
}

/// The mode without special bits that would act for somebody else. A folder's set-group bit gives
/// nobody rights.
fn allowed_mode(info: &FileInfo, owned: Owned) -> u32 {
    let mut mode = info.mode.unix_permissions();
    if !owned.user {
        mode &= !0o4000;
    }
    if !owned.group && !info.mode.is_directory() {
        mode &= !0o2000;
    }
    mode
}

/// An owner number that the system can hold; its highest means "leave as it is".
fn number(id: u64) -> Option<u32> {
    u32::try_from(id).ok().filter(|&id| id != u32::MAX)
}

/// Whether the account, the name space or the file system has no way to set this owner.
fn cannot_own(result: Result<()>) -> bool {
    matches!(result, Err(Errno::PERM | Errno::INVAL | Errno::NOTSUP | Errno::NOSYS))
}

/// Removes an access list that came from the folder, not from the snapshot.
pub(crate) fn drop_acl(file: impl AsFd, wanted: &[Xattr]) {
    for name in [ACCESS_ACL, DEFAULT_ACL] {
        if !wanted.iter().any(|xattr| xattr.name == name.as_bytes()) {
            // Absent on most files.
            let _ = rustix::fs::fremovexattr(file.as_fd(), name);
        }
    }
}

/// Sets the mode of what a path-only handle holds; there is no call of its own for that.
pub(crate) fn chmod_path_handle(file: &OwnedFd, mode: u32) -> Result<()> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::chmod(Path::new(&path), Mode::from_raw_mode(mode))
}
