//! Local folders as a destination.
//!
//! Everything happens below one open folder and never follows a link there (`beneath`, `place`);
//! files get their names when they are complete (`content`), with owner, attributes, mode and
//! times set in a safe order (`metadata`).

use std::io::ErrorKind as IoKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use kloset_connector::{
    Applied, ConnectorContext, ConnectorError, Destination, DestinationInfo, ErrorKind, FileContent,
    FileSink, HardLink, Limitation, Location, Options, Outcome, Report, Target,
};
use kloset_format::FileInfo;
use kloset_format::mode::FileKind;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::attributes::file_info;
use crate::beneath::Root;
use crate::content::{LargeFile, finish_file, write_sparse};
use crate::failure::{failed, failed_io, refused, shown};
use crate::hard_link::make_hard_link;
use crate::local_path::{as_path, local_path};
use crate::metadata::{Applying, chmod_path_handle, drop_acl};
use crate::ping;
use crate::place::{Folder, Folders, Temporary, in_the_way};

/// A local folder to restore to.
pub struct FsDestination {
    path: PathBuf,
    hostname: String,
    parallelism: usize,
    opened: OnceLock<Opened>,
}

struct Opened {
    root: Root,
    /// Opened before anything is written, so that the flush at the end learns of every error.
    flush: OwnedFd,
}

impl FsDestination {
    /// Names the folder; touches nothing yet. There are no options.
    pub fn new(
        location: &Location,
        _options: &Options,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        Ok(Self {
            path: local_path(location, context)?,
            hostname: context.hostname.clone(),
            parallelism: context.parallelism.max(1),
            opened: OnceLock::new(),
        })
    }

    fn opened(&self) -> Result<&Opened, ConnectorError> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let open = || {
            let root = Root::open(&self.path)?;
            let flush = root.open_folder(b"")?;
            Ok(Opened { root, flush })
        };
        let opened = open().map_err(|error| failed("open", &self.path, error))?;
        Ok(self.opened.get_or_init(|| opened))
    }

    /// Does each item of a batch and reports it.
    fn each<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        report: Report<'_>,
        mut work: impl FnMut(&mut Folders<'_>, T) -> Outcome,
    ) {
        let mut folders = self.opened().map(|opened| Folders::new(&opened.root));
        for (index, item) in items.into_iter().enumerate() {
            match &mut folders {
                Ok(folders) => report(index, work(folders, item)),
                // Errors cannot be copied; each item meets its own.
                Err(_) => report(index, self.opened().map(|_| Applied::default())),
            }
        }
    }
}

impl Destination for FsDestination {
    fn info(&self) -> Result<DestinationInfo, ConnectorError> {
        Ok(DestinationInfo {
            kind: "fs".to_owned(),
            origin: self.hostname.clone(),
            root: shown(&self.path),
            batches_at_once: self.parallelism,
        })
    }

    fn prepare(&self) -> Result<(), ConnectorError> {
        match std::fs::DirBuilder::new().mode(0o700).create(&self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == IoKind::AlreadyExists => {}
            Err(error) if error.kind() == IoKind::NotFound => {
                let hint = "the folder above the destination must be there";
                return Err(failed_io("create", &self.path, error).with_hint(hint));
            }
            Err(error) => return Err(failed_io("create", &self.path, error)),
        }
        self.opened().map(drop)
    }

    fn inspect(
        &self,
        paths: &[Vec<u8>],
        report: &(dyn Fn(usize, Result<Option<FileInfo>, ConnectorError>) + Sync),
    ) {
        let mut folders = self.opened().map(|opened| (opened, Folders::new(&opened.root)));
        for (index, path) in paths.iter().enumerate() {
            let result = match &mut folders {
                Ok((opened, folders)) => inspect_path(opened, folders, path),
                // Nothing was restored yet.
                Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
                Err(_) => self.opened().map(|_| None),
            };
            report(index, result);
        }
    }

    fn directories(&self, targets: &[Target], report: Report<'_>) {
        self.each(targets, report, make_directory);
    }

    fn files(&self, files: Vec<FileContent>, report: Report<'_>) {
        self.each(files, report, |folders, file| write_file(folders, &file));
    }

    fn open_file(&self, target: &Target) -> Result<Box<dyn FileSink>, ConnectorError> {
        let mut folders = Folders::new(&self.opened()?.root);
        let (folder, name) = folders.holding(&target.path)?;
        let (file, temporary) = new_file(&folder, name)?;
        Ok(Box::new(LargeFile::new(file, temporary, target.clone(), name)))
    }

    fn nodes(&self, targets: &[Target], report: Report<'_>) {
        self.each(targets, report, make_node);
    }

    fn hard_links(&self, links: &[HardLink], report: Report<'_>) {
        let mut originals = self.opened().ok().map(|opened| Folders::new(&opened.root));
        self.each(links, report, |folders, link| match &mut originals {
            Some(originals) => make_hard_link(folders, originals, link),
            None => self.opened().map(|_| Applied::default()),
        });
    }

    fn directory_metadata(&self, targets: &[Target], report: Report<'_>) {
        self.each(targets, report, describe_directory);
    }

    fn finish(&self) -> Result<(), ConnectorError> {
        let flushed = rustix::fs::syncfs(&self.opened()?.flush);
        flushed.map_err(|error| failed("flush", &self.path, error))
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        ping::writable_folder(&self.path, report);
    }
}

fn inspect_path(
    opened: &Opened,
    folders: &mut Folders<'_>,
    path: &[u8],
) -> Result<Option<FileInfo>, ConnectorError> {
    if path.is_empty() {
        let stat = rustix::fs::fstat(&opened.flush);
        let stat = stat.map_err(|error| failed("inspect", opened.root.shown(b""), error))?;
        return Ok(Some(file_info(b"", &stat)));
    }
    let (folder, name) = match folders.holding(path) {
        Ok(found) => found,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match rustix::fs::statat(folder.handle(), as_path(name), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(file_info(name, &stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(failed("inspect", folder.shown(name), error)),
    }
}

fn make_directory(folders: &mut Folders<'_>, target: &Target) -> Outcome {
    if target.path.is_empty() {
        return Ok(Applied { kept: true, ..Applied::default() });
    }
    let (folder, name) = folders.holding(&target.path)?;
    match rustix::fs::mkdirat(folder.handle(), as_path(name), Mode::from_raw_mode(0o700)) {
        Ok(()) => {
            if folder.gives_acl {
                let made = open_directory(&folder, name, OFlags::RDONLY)?;
                drop_acl(&made, &[]);
            }
            Ok(Applied::default())
        }
        Err(Errno::EXIST) => {
            let kind = folder.kind_of(name);
            match kind.map_err(|error| failed("inspect", folder.shown(name), error))? {
                FileType::Directory => open_up(&folder, name)?,
                kind => return Err(in_the_way(&folder, name, kind)),
            }
            Ok(Applied { kept: true, ..Applied::default() })
        }
        Err(error) => Err(failed("create", folder.shown(name), error)),
    }
}

fn open_directory(folder: &Folder, name: &[u8], how: OFlags) -> Result<OwnedFd, ConnectorError> {
    let flags = how | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(folder.handle(), as_path(name), flags, Mode::empty());
    opened.map_err(|error| failed("open", folder.shown(name), error))
}

/// Lets us work in a folder of our own that an earlier restore closed already.
fn open_up(folder: &Folder, name: &[u8]) -> Result<(), ConnectorError> {
    let us = rustix::process::geteuid();
    if us.is_root() {
        return Ok(());
    }
    let directory = open_directory(folder, name, OFlags::PATH)?;
    let stat = rustix::fs::fstat(&directory);
    let stat = stat.map_err(|error| failed("inspect", folder.shown(name), error))?;
    if stat.st_uid == us.as_raw() && stat.st_mode & 0o700 != 0o700 {
        let set = chmod_path_handle(&directory, stat.st_mode & 0o7777 | 0o700);
        set.map_err(|error| failed("set mode of", folder.shown(name), error))?;
    }
    Ok(())
}

/// A new file for us alone under a temporary name.
pub(crate) fn new_file(folder: &Arc<Folder>, name: &[u8]) -> Result<(OwnedFd, Temporary), ConnectorError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = Temporary::make(folder, |folder, temporary| {
        rustix::fs::openat(folder, temporary, flags, Mode::from_raw_mode(0o600))
    });
    made.map_err(|error| failed("create", folder.shown(name), error))
}

fn write_file(folders: &mut Folders<'_>, content: &FileContent) -> Outcome {
    let target = &content.target;
    let (folder, name) = folders.holding(&target.path)?;
    let (file, temporary) = new_file(&folder, name)?;
    let mut offset = 0u64;
    let mut written = 0u64;
    for piece in &content.pieces {
        let end = write_sparse(&file, offset, piece);
        written = written.max(end.map_err(|error| failed("write", folder.shown(name), error))?);
        offset += piece.len() as u64;
    }
    if written != offset {
        let set = rustix::fs::ftruncate(&file, offset);
        set.map_err(|error| failed("set size of", folder.shown(name), error))?;
    }
    finish_file(file, temporary, target, name)
}

fn make_node(folders: &mut Folders<'_>, target: &Target) -> Outcome {
    let (folder, name) = folders.holding(&target.path)?;
    let path = || folder.shown(name);
    let (kind, made) = match target.info.mode.kind() {
        FileKind::Symlink => {
            let Some(link) = target.link.as_deref().filter(|link| !link.is_empty()) else {
                return Err(refused(ErrorKind::Invalid, "create", path(), "the link has no target"));
            };
            let make = |folder: std::os::fd::BorrowedFd<'_>, temporary: &str| {
                rustix::fs::symlinkat(as_path(link), folder, temporary)
            };
            (FileType::Symlink, Temporary::make(&folder, make))
        }
        FileKind::Pipe => (FileType::Fifo, special(&folder, FileType::Fifo)),
        FileKind::Socket => (FileType::Socket, special(&folder, FileType::Socket)),
        // Snapshots do not tell device numbers.
        FileKind::BlockDevice | FileKind::CharacterDevice | FileKind::Irregular => {
            return Ok(limited(Limitation::SpecialFile));
        }
        FileKind::Regular | FileKind::Directory => {
            return Err(refused(ErrorKind::Invalid, "create", path(), "neither link nor special file"));
        }
    };
    let node = match made {
        Ok(((), node)) => node,
        Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) if kind != FileType::Symlink => {
            return Ok(limited(Limitation::SpecialFile));
        }
        Err(error) => return Err(failed("create", path(), error)),
    };
    let mut applying = Applying::new(&path);
    applying.node(&node, target);
    node.place(name, kind)?;
    applying.outcome()
}

fn special(folder: &Arc<Folder>, kind: FileType) -> rustix::io::Result<((), Temporary)> {
    Temporary::make(folder, |folder, temporary| {
        rustix::fs::mknodat(folder, temporary, kind, Mode::from_raw_mode(0o600), 0)
    })
}

fn limited(limitation: Limitation) -> Applied {
    Applied { limitations: vec![limitation], kept: false }
}

fn describe_directory(folders: &mut Folders<'_>, target: &Target) -> Outcome {
    let root = folders.root();
    let path = || root.shown(&target.path);
    let directory = if target.path.is_empty() {
        root.open_folder(b"").map_err(|error| failed("open", path(), error))?
    } else {
        let (folder, name) = folders.holding(&target.path)?;
        open_directory(&folder, name, OFlags::RDONLY)?
    };
    let mut applying = Applying::new(&path);
    applying.open_path(directory.as_fd(), target, false);
    applying.outcome()
}
