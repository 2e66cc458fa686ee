//! A folder behind SFTP as something to restore to.
//!
//! Batches are fully pipelined. Every folder that something is written to has been seen to be a
//! real one, level by level from the root, before anything is sent that would pass through it. A
//! file gets its name only when the server has confirmed all of its content. Items that a lost
//! connection took down are done again by the rules of retry.

mod batch;
mod directories;
mod files;
mod folders;
mod large;
mod leftovers;
mod links;
mod metadata;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use kloset_connector::layer::Retrier;
use kloset_connector::{
    ConnectorContext, ConnectorError, Destination, DestinationInfo, ErrorKind, FileContent, FileSink,
    HardLink, Location, Options, Outcome, Report, Target as Item,
};
use kloset_format::FileInfo;
use kloset_format::path::{join, parent};

use self::folders::Folders;
use self::leftovers::Leftovers;
use crate::answer::asked;
use crate::mailbox::{call, lock};
use crate::packet::{Attributes, Request};
use crate::pool::Pool;
use crate::target::Target;

/// A folder on an SFTP server to restore to. Connects on first use, and anew after a loss.
pub struct SftpDestination {
    shared: Arc<Shared>,
}

/// What files that are being written share with the destination.
pub(crate) struct Shared {
    pub(crate) pool: Pool,
    pub(crate) retrier: Retrier,
    pub(crate) root: Vec<u8>,
    pub(crate) folders: Mutex<Folders>,
    pub(crate) leftovers: Mutex<Leftovers>,
    next_temporary: AtomicU64,
    secret: u64,
}

impl Shared {
    /// The full path of something below the root.
    pub(crate) fn path(&self, relative: &[u8]) -> Vec<u8> {
        if relative.is_empty() { self.root.clone() } else { join(&self.root, relative) }
    }

    /// A connection was lost while this temporary file may have been there.
    pub(crate) fn leave_behind(&self, temporary: Vec<u8>) {
        lock(&self.leftovers).add(temporary);
    }

    /// A name beside `path` that nothing else has.
    pub(crate) fn temporary(&self, path: &[u8]) -> Vec<u8> {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let name = format!(".plakar-{:x}.{:016x}.{number}", std::process::id(), self.secret);
        join(parent(path), name.as_bytes())
    }
}

impl SftpDestination {
    /// Makes the destination without connecting.
    pub fn new(
        location: &Location,
        options: &Options,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        let target = Target::parse(location, options)?;
        let root = target.path.clone();
        let shared = Shared {
            pool: Pool::new(target, context.clone()),
            retrier: Retrier::new(context.clone()),
            folders: Mutex::default(),
            leftovers: Mutex::default(),
            root,
            next_temporary: AtomicU64::new(0),
            secret: crate::transport::random(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Connects and waits until all wanted channels are open; returns their number. Only
    /// measurements need this.
    pub fn warm_up(&self) -> Result<usize, ConnectorError> {
        self.shared.pool.settle(&self.shared.pool.patience())
    }

    fn prepare_once(&self) -> Result<(), ConnectorError> {
        let root = &self.shared.root;
        let pool = &self.shared.pool;
        let patience = pool.patience();
        let channel = pool.channel(&patience)?;
        let stat = Request::Stat { path: root.clone() };
        let not_a_folder = || asked("create", root).error(ErrorKind::Invalid, "not a directory");
        match asked("inspect", root).attributes_if_any(call(&channel, &stat, &patience)?)? {
            Some(found) if found.is_directory() => return Ok(()),
            Some(_) => return Err(not_a_folder()),
            None => {}
        }
        let attributes = Attributes::with_permissions(0o700);
        let reply = call(&channel, &Request::Mkdir { path: root.clone(), attributes }, &patience)?;
        let made = asked("create", root).done(reply);
        // Somebody may have been faster.
        match asked("inspect", root).attributes_if_any(call(&channel, &stat, &patience)?)? {
            Some(found) if found.is_directory() => Ok(()),
            Some(_) => Err(not_a_folder()),
            None => made,
        }
    }
}

impl Destination for SftpDestination {
    fn info(&self) -> Result<DestinationInfo, ConnectorError> {
        Ok(DestinationInfo {
            kind: "sftp".to_owned(),
            origin: self.shared.pool.target().origin.clone(),
            root: crate::answer::shown(&self.shared.root),
            batches_at_once: 4,
        })
    }

    fn prepare(&self) -> Result<(), ConnectorError> {
        self.shared.retrier.run(|| self.prepare_once())
    }

    fn inspect(
        &self,
        paths: &[Vec<u8>],
        report: &(dyn Fn(usize, Result<Option<FileInfo>, ConnectorError>) + Sync),
    ) {
        directories::inspect(&self.shared, paths, report);
    }

    fn directories(&self, targets: &[Item], report: Report<'_>) {
        directories::make(&self.shared, targets, report);
    }

    fn files(&self, files: Vec<FileContent>, report: Report<'_>) {
        files::write(&self.shared, files, report);
    }

    fn open_file(&self, target: &Item) -> Result<Box<dyn FileSink>, ConnectorError> {
        let sink = large::LargeFile::open(&self.shared, target)?;
        Ok(Box::new(sink))
    }

    fn nodes(&self, targets: &[Item], report: Report<'_>) {
        links::make_nodes(&self.shared, targets, report);
    }

    fn hard_links(&self, links: &[HardLink], report: Report<'_>) {
        links::make_hard_links(&self.shared, links, report);
    }

    fn directory_metadata(&self, targets: &[Item], report: Report<'_>) {
        directories::set_metadata(&self.shared, targets, report);
    }

    fn finish(&self) -> Result<(), ConnectorError> {
        // Every request was answered before it was reported; there is nothing like syncfs here.
        leftovers::remove_all(&self.shared)
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        let pool = &self.shared.pool;
        let patience = pool.patience();
        let channel = pool.channel(&patience);
        let connected = channel.as_ref().map(drop).map_err(copy_error);
        report("connect", connected);
        let Ok(channel) = channel else { return };
        let root = &self.shared.root;
        let found = call(&channel, &Request::Stat { path: root.clone() }, &patience)
            .and_then(|reply| asked("open", root).attributes(reply));
        let result = found.and_then(|found| match found.is_directory() {
            true => Ok(()),
            false => Err(asked("open", root).error(ErrorKind::Invalid, "not a directory")),
        });
        let good = result.is_ok();
        report("path", result);
        if good {
            report("write", files::try_writing(&self.shared));
        }
    }
}

/// An error again, for someone else.
pub(crate) fn copy_error(error: &ConnectorError) -> ConnectorError {
    let mut copy =
        ConnectorError::new(error.kind, error.operation, error.location.clone(), error.message.clone());
    copy.hint.clone_from(&error.hint);
    copy
}

/// Fails an outcome for a path that the destination has something else at.
pub(crate) fn in_the_way(operation: &'static str, path: &[u8], found: &Attributes) -> Outcome {
    let what = if found.is_symlink() {
        "a symbolic link"
    } else if found.is_directory() {
        "a directory"
    } else if found.is_regular() {
        "a file"
    } else {
        "something else"
    };
    Err(asked(operation, path).error(ErrorKind::AlreadyExists, format!("{what} is in its place")))
}
