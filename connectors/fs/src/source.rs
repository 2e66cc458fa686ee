//! Local files as a source: which paths, and reading their contents.
//!
//! The walk is in `walk`.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_channel::Receiver;
use kloset_connector::{
    ConnectorContext, ConnectorError, ContentSink, ErrorKind, Location, Options, ReadRequest, ScanOptions,
    ScanSink, Source, SourceInfo,
};
use kloset_format::path::parent;
use rustix::fs::{Advice, FileType, OFlags};
use rustix::io::Errno;

use crate::beneath::Root;
use crate::failure::{failed, refused};
use crate::local_path::{absolute, local_path};
use crate::ping;
use crate::roots::{Roots, local, relative};
use crate::walk::walk;

/// Files from this size on are read ahead more eagerly; for smaller ones the call costs more.
const READ_AHEAD_BYTES: u64 = 1 << 20;

/// Local files and folders to back up.
pub struct FsSource {
    given: Vec<PathBuf>,
    hostname: String,
    parallelism: usize,
    one_file_system: bool,
    interrupted: Arc<AtomicBool>,
    opened: OnceLock<Opened>,
}

/// The roots with an open folder for each: the root itself, or the folder that holds it.
pub(crate) struct Opened {
    pub(crate) roots: Roots,
    pub(crate) folders: Vec<Root>,
}

impl FsSource {
    /// Names one path. Option `dont_traverse_fs=true` stays on its file system.
    pub fn new(
        location: &Location,
        options: &Options,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        Self::with_roots(vec![local_path(location, context)?], options, context)
    }

    /// Names several paths; those inside of others add nothing.
    pub fn with_roots(
        paths: Vec<PathBuf>,
        options: &Options,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        let given = paths.iter().map(|path| absolute(path, &context.working_directory)).collect();
        Ok(Self {
            given,
            hostname: context.hostname.clone(),
            parallelism: context.parallelism.max(1),
            one_file_system: options.get("dont_traverse_fs").is_some_and(|value| value == "true"),
            interrupted: Arc::clone(&context.interrupted),
            opened: OnceLock::new(),
        })
    }

    fn opened(&self) -> Result<&Opened, ConnectorError> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let roots = Roots::resolve(&self.given)?;
        let mut folders = Vec::with_capacity(roots.list.len());
        for root in &roots.list {
            let folder = if root.directory { root.path.as_slice() } else { parent(&root.path) };
            folders.push(open_root(folder)?);
        }
        Ok(self.opened.get_or_init(|| Opened { roots, folders }))
    }

    fn read_queue(
        &self,
        opened: &Opened,
        requests: &Receiver<ReadRequest>,
        sink: &dyn ContentSink,
    ) -> Result<(), ConnectorError> {
        while let Ok(request) = requests.recv() {
            if self.interrupted.load(Ordering::Relaxed) {
                return Err(refused(ErrorKind::Interrupted, "read", local(&request.path), "interrupted"));
            }
            match opened.open_file(&request.path) {
                Ok(mut file) => sink.content(request, &mut file),
                Err(error) => sink.failed(request, error),
            }
        }
        Ok(())
    }
}

fn open_root(path: &[u8]) -> Result<Root, ConnectorError> {
    Root::open(local(path)).map_err(|error| failed("open", local(path), error))
}

impl Opened {
    /// Opens a path of the snapshot below its root.
    pub(crate) fn open_below(
        &self,
        path: &[u8],
        flags: OFlags,
    ) -> Result<std::os::fd::OwnedFd, ConnectorError> {
        let index = self.roots.of(path);
        let found = index.and_then(|index| self.roots.list.get(index).zip(self.folders.get(index)));
        let Some((root, folder)) = found else {
            return Err(refused(ErrorKind::Invalid, "open", local(path), "not a path of this source"));
        };
        let base = if root.directory { root.path.as_slice() } else { parent(&root.path) };
        folder.open_below(relative(path, base), flags).map_err(|error| failed("open", local(path), error))
    }

    fn open_file(&self, path: &[u8]) -> Result<File, ConnectorError> {
        // A pipe in place of the file must not hang us.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match self.open_below(path, flags | OFlags::NOATIME) {
            // Only owners may keep the access time as it is.
            Err(error) if error.kind == ErrorKind::Permission => self.open_below(path, flags)?,
            result => result?,
        };
        let stat = rustix::fs::fstat(&file).map_err(|error| failed("inspect", local(path), error))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(refused(ErrorKind::Other, "open", local(path), "no longer a regular file"));
        }
        if u64::try_from(stat.st_size).is_ok_and(|size| size >= READ_AHEAD_BYTES) {
            // Advice only; a refusal changes nothing.
            let _: Result<(), Errno> = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
        }
        Ok(File::from(file))
    }
}

impl Source for FsSource {
    fn info(&self) -> Result<SourceInfo, ConnectorError> {
        let directory = self.opened()?.roots.directory.clone();
        Ok(SourceInfo { kind: "fs".to_owned(), origin: self.hostname.clone(), directory })
    }

    fn scan(&self, options: &ScanOptions, sink: &dyn ScanSink) -> Result<(), ConnectorError> {
        walk(self.opened()?, options, self.one_file_system, self.parallelism, &self.interrupted, sink)
    }

    fn read(&self, requests: Receiver<ReadRequest>, sink: &dyn ContentSink) -> Result<(), ConnectorError> {
        let opened = self.opened()?;
        std::thread::scope(|scope| {
            let work = || self.read_queue(opened, &requests, sink);
            let helpers: Vec<_> = (1..self.parallelism).map(|_| scope.spawn(work)).collect();
            let mut result = work();
            for helper in helpers {
                match helper.join() {
                    Ok(other) => result = result.and(other),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            result
        })
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        for path in &self.given {
            ping::source_path(path, report);
        }
    }
}
