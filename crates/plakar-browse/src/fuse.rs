//! Mounts a view through FUSE: what the kernel asks, and in which form it is answered. What the
//! answers are, [`Files`] knows.

mod attributes;
mod files;

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fuser::{
    BackgroundSession, Config, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyXattr, Request, SessionACL,
};

use crate::view::View;
use files::{Files, attributes};

/// Snapshots never change: the kernel may keep what it was told.
const VALID: Duration = Duration::from_secs(3600);
/// Who may look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// The user who mounts, and everything.
    Owner,
    /// Everybody, as far as the recorded modes allow.
    Others,
}

/// Mounts a view on a folder and serves it until `stop` is set or somebody unmounts it. `report` hears
/// what cannot be read. `ready` is called when the folder can be used.
pub fn mount(
    view: View,
    folder: &Path,
    audience: Audience,
    report: impl Fn(&str) + Send + Sync + 'static,
    ready: impl FnOnce(),
    stop: &AtomicBool,
) -> io::Result<()> {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName("plakar".to_owned()),
        MountOption::RO,
        MountOption::NoSuid,
        MountOption::NoDev,
        MountOption::NoAtime,
    ];
    if audience == Audience::Others {
        config.acl = SessionACL::All;
        // The kernel looks at modes and owners; without it, every caller may read everything.
        config.mount_options.push(MountOption::DefaultPermissions);
    }
    config.n_threads = Some(4);
    let session: BackgroundSession = fuser::spawn_mount(Files::new(view, Box::new(report)), folder, &config)?;
    ready();
    while !stop.load(Ordering::Relaxed) && !session.guard.is_finished() {
        std::thread::sleep(Duration::from_millis(100));
    }
    if session.guard.is_finished() { session.join() } else { session.umount_and_join() }
}

/// Sends bytes, or their number to who asks how much room is needed.
fn send_xattr(result: Result<Vec<u8>, Errno>, room: u32, reply: ReplyXattr) {
    match result {
        Ok(bytes) if room == 0 => reply.size(u32::try_from(bytes.len()).unwrap_or(u32::MAX)),
        Ok(bytes) if bytes.len() > room as usize => reply.error(Errno::ERANGE),
        Ok(bytes) => reply.data(&bytes),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Files {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.enter(parent.0, name.as_bytes()) {
            Ok(attributes) => reply.entry(&VALID, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn forget(&self, _: &Request, inode: INodeNo, lookups: u64) {
        self.forget_some(inode.0, lookups);
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.known(inode.0) {
            Ok((_, entry)) => reply.attr(&VALID, &attributes(inode.0, entry.as_deref())),
            Err(error) => reply.error(error),
        }
    }

    fn readlink(&self, _: &Request, inode: INodeNo, reply: ReplyData) {
        match self.known(inode.0) {
            Ok((_, Some(entry))) if entry.info.mode.is_symlink() => reply.data(&entry.symlink_target),
            Ok(_) => reply.error(Errno::EINVAL),
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.open_file(inode.0) {
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::FOPEN_KEEP_CACHE),
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.read_some(handle.0, offset, size) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.close_file(handle.0);
        reply.ok();
    }

    fn getxattr(&self, _: &Request, inode: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        send_xattr(self.value(inode.0, name.as_bytes()), size, reply);
    }

    fn listxattr(&self, _: &Request, inode: INodeNo, size: u32, reply: ReplyXattr) {
        send_xattr(self.value_names(inode.0), size, reply);
    }

    fn readdir(&self, _: &Request, inode: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        match self.names(inode.0) {
            Ok(names) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                for (at, (number, kind, name)) in names.iter().enumerate().skip(from) {
                    if reply.add(INodeNo(*number), at as u64 + 1, *kind, OsStr::from_bytes(name)) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(error),
        }
    }
}
