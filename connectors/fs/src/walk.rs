//! The parallel walk: folders wait in a shared stack, threads list one after another.
//!
//! Each folder is opened by its whole path below the root's open folder, so
//! that waiting costs no descriptors.

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use kloset_connector::{ConnectorError, ErrorKind, Record, ScanOptions, ScanSink};
use kloset_format::FileInfo;
use kloset_format::path::{base_name, is_within, join};
use rustix::fs::{AtFlags, CWD, FileType, OFlags, RawDir, Stat};
use rustix::io::Errno;

use crate::attributes::file_info;
use crate::failure::{failed, refused};
use crate::owners::Owners;
use crate::roots::{chain, local};
use crate::source::Opened;
use crate::stack::{AtWork, Folder, Stack};
use crate::xattrs::XattrReader;

/// Room for directory entries of one call; about a thousand names.
const ENTRIES_BYTES: usize = 32 << 10;

/// Walks all roots on `threads` threads.
pub(crate) fn walk(
    opened: &Opened,
    options: &ScanOptions,
    one_file_system: bool,
    threads: usize,
    interrupted: &AtomicBool,
    sink: &dyn ScanSink,
) -> Result<(), ConnectorError> {
    let walk = Walk { opened, options, one_file_system, interrupted, sink, stack: Stack::default() };
    let mut worker = Worker::new(&walk);
    worker.top();
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| Worker::new(&walk).run());
        }
        worker.run();
    });
    if interrupted.load(Ordering::Relaxed) {
        let root = local(&opened.roots.directory);
        return Err(refused(ErrorKind::Interrupted, "scan", root, "interrupted"));
    }
    Ok(())
}

struct Walk<'a> {
    opened: &'a Opened,
    options: &'a ScanOptions,
    one_file_system: bool,
    interrupted: &'a AtomicBool,
    sink: &'a dyn ScanSink,
    stack: Stack,
}

impl Walk<'_> {
    fn stopped(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed) || self.sink.stopped()
    }

    fn excluded(&self, path: &[u8], directory: bool) -> bool {
        (self.options.excluded)(path, directory)
    }
}

/// One thread's buffers.
struct Worker<'a> {
    walk: &'a Walk<'a>,
    owners: Owners,
    xattrs: XattrReader,
    entries: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn new(walk: &'a Walk<'a>) -> Self {
        let entries = Vec::with_capacity(ENTRIES_BYTES);
        Self { walk, owners: Owners::default(), xattrs: XattrReader::default(), entries }
    }

    fn run(&mut self) {
        while let Some(folder) = self.walk.stack.pop() {
            let _at_work = AtWork::on(&self.walk.stack);
            // Once stopped, the stack is only emptied.
            if !self.walk.stopped() {
                self.list(&folder);
            }
        }
    }

    /// The chain down to the directory, and the folders above roots with what is wanted of them.
    fn top(&mut self) {
        let walk = self.walk;
        let roots = &walk.opened.roots;
        let directory = roots.directory.as_slice();
        let directory_is_root = roots.directory_is_root();
        let excluded = directory_is_root && walk.excluded(directory, true);
        let mut records: Vec<Record> = chain(directory).into_iter().map(bare_folder).collect();
        if directory_is_root
            && !excluded
            && let Ok((record, _)) = self.full_record(directory)
        {
            records.pop();
            records.push(record);
        } else if excluded && let Some(last) = records.last_mut() {
            last.info = FileInfo::made_up_directory(base_name(directory));
        }
        walk.sink.ancestors(records);
        if excluded {
            walk.sink.listing(directory, Vec::new());
        } else if directory_is_root {
            let device = device_of(directory);
            walk.stack.push(&mut vec![Folder { path: directory.to_vec(), device }]);
        }
        for (folder, names) in &roots.above {
            // What leads to the directory stands in the chain already.
            let on_the_way = is_within(directory, folder) && directory != folder.as_slice();
            let paths: Vec<Vec<u8>> = names
                .iter()
                .map(|name| join(folder, name))
                .filter(|path| !(on_the_way && is_within(directory, path)))
                .collect();
            if !paths.is_empty() || !on_the_way {
                self.list_above(folder, paths);
            }
        }
    }

    /// Delivers what is wanted of a folder above roots.
    fn list_above(&mut self, folder: &[u8], paths: Vec<Vec<u8>>) {
        let walk = self.walk;
        let mut children = Vec::with_capacity(paths.len());
        let mut waiting = Vec::new();
        for path in paths {
            if walk.opened.roots.above.contains_key(&path) {
                children.push(bare_folder(&path));
                continue;
            }
            match self.full_record(&path) {
                Ok((record, device)) => {
                    let is_directory = record.info.mode.is_directory();
                    if walk.excluded(&path, is_directory) {
                        continue;
                    }
                    children.push(record);
                    if is_directory {
                        waiting.push(Folder { path, device });
                    }
                }
                Err(error) => walk.sink.failed(&path, false, failed("inspect", local(&path), error)),
            }
        }
        walk.sink.listing(folder, children);
        walk.stack.push(&mut waiting);
    }

    /// Everything that is known of a root, by its path.
    fn full_record(&mut self, path: &[u8]) -> Result<(Record, u64), Errno> {
        let stat = rustix::fs::lstat(local(path))?;
        let text = CString::new(path).map_err(|_| Errno::INVAL)?;
        let (xattrs, problem) = self.xattrs.read_path(&text, stat.st_dev, self.walk.options.xattr_values);
        let mut info = file_info(base_name(path), &stat);
        info.username = self.owners.user(stat.st_uid);
        info.groupname = self.owners.group(stat.st_gid);
        let target = match info.mode.is_symlink() {
            true => Some(rustix::fs::readlink(local(path), Vec::new())?.into_bytes()),
            false => None,
        };
        Ok((Record { info, target, xattrs, problem }, stat.st_dev))
    }

    /// Lists one folder and puts those inside of it on the stack.
    fn list(&mut self, folder: &Folder) {
        let mut waiting = Vec::new();
        match self.children(folder, &mut waiting) {
            Ok(children) => {
                let walk = self.walk;
                walk.sink.listing(&folder.path, children);
                walk.stack.push(&mut waiting);
            }
            Err(error) => self.walk.sink.failed(&folder.path, true, error),
        }
    }

    fn children(
        &mut self,
        folder: &Folder,
        waiting: &mut Vec<Folder>,
    ) -> Result<Vec<Record>, ConnectorError> {
        let walk = self.walk;
        let handle = self.open_folder(folder)?;
        if walk.one_file_system {
            let stat = rustix::fs::fstat(&handle);
            let stat = stat.map_err(|error| failed("inspect", local(&folder.path), error))?;
            if stat.st_dev != folder.device {
                return Ok(Vec::new());
            }
        }
        self.xattrs.enter(handle.as_fd(), local(&folder.path));
        let mut children = Vec::new();
        let mut buffer = std::mem::take(&mut self.entries);
        let mut entries = RawDir::new(&handle, buffer.spare_capacity_mut());
        let result = loop {
            let Some(entry) = entries.next() else { break Ok(()) };
            let entry = match entry {
                Ok(entry) => entry,
                Err(Errno::INTR) => continue,
                Err(error) => break Err(failed("list", local(&folder.path), error)),
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let path = join(&folder.path, name.to_bytes());
            match self.child(handle.as_fd(), name, &path) {
                Ok(None) => {}
                Ok(Some(record)) => {
                    if record.info.mode.is_directory() {
                        waiting.push(Folder { path, device: folder.device });
                    }
                    children.push(record);
                }
                // It vanished since the folder was read.
                Err(Errno::NOENT) => {}
                Err(error) => walk.sink.failed(&path, false, failed("inspect", local(&path), error)),
            }
        };
        self.entries = buffer;
        result.map(|()| children)
    }

    fn open_folder(&self, folder: &Folder) -> Result<std::os::fd::OwnedFd, ConnectorError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        match self.walk.opened.open_below(&folder.path, flags | OFlags::NOATIME) {
            Err(error) if error.kind == ErrorKind::Permission => {
                self.walk.opened.open_below(&folder.path, flags)
            }
            result => result,
        }
    }

    /// The record of one child; `None` if it is excluded.
    fn child(
        &mut self,
        folder: std::os::fd::BorrowedFd<'_>,
        name: &CStr,
        path: &[u8],
    ) -> Result<Option<Record>, Errno> {
        let stat: Stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if self.walk.excluded(path, kind == FileType::Directory) {
            return Ok(None);
        }
        let (xattrs, problem) = self.xattrs.read(name, stat.st_dev, self.walk.options.xattr_values);
        let target = match kind {
            FileType::Symlink => Some(rustix::fs::readlinkat(folder, name, Vec::new())?.into_bytes()),
            _ => None,
        };
        let mut info = file_info(name.to_bytes(), &stat);
        info.username = self.owners.user(stat.st_uid);
        info.groupname = self.owners.group(stat.st_gid);
        Ok(Some(Record { info, target, xattrs, problem }))
    }
}

/// A folder above the roots: real attributes where readable, no owner names, no xattrs. Links on
/// the way are followed, since a folder is wanted.
fn bare_folder(path: &[u8]) -> Record {
    let info = match rustix::fs::statat(CWD, local(path), AtFlags::empty()) {
        Ok(stat) => file_info(base_name(path), &stat),
        Err(_) => FileInfo::made_up_directory(base_name(path)),
    };
    Record { info, target: None, xattrs: Vec::new(), problem: None }
}

fn device_of(path: &[u8]) -> u64 {
    rustix::fs::stat(local(path)).map_or(0, |stat| stat.st_dev)
}
