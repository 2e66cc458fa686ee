//! A source in memory: a tree of files that a test changes between backups.

use std::collections::BTreeMap;
use std::io::Cursor;

use crossbeam_channel::Receiver;
use kloset_connector::{
    ConnectorError, ContentSink, ReadRequest, Record, ScanOptions, ScanSink, Source, SourceInfo,
};
use kloset_format::{FileInfo, FileMode, Timestamp, path};

/// Directory that the tree hangs below.
pub const DIRECTORY: &[u8] = b"/data";

/// Regular files by their path below [`DIRECTORY`], without a leading slash; directories are those
/// that files need.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct MemoryTree {
    files: BTreeMap<Vec<u8>, File>,
    changes: i64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct File {
    content: Vec<u8>,
    /// Number of the change that wrote it: its time and inode.
    change: i64,
}

impl MemoryTree {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a file; its time moves on.
    pub fn write(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.changes += 1;
        let file = File { content: content.into(), change: self.changes };
        self.files.insert(path.as_bytes().to_vec(), file);
    }

    /// Removes a file.
    pub fn remove(&mut self, path: &str) {
        self.files.remove(path.as_bytes());
    }

    /// Paths of the files.
    pub fn paths(&self) -> Vec<String> {
        self.files.keys().map(|path| String::from_utf8_lossy(path).into_owned()).collect()
    }

    /// Contents by absolute path inside a snapshot.
    pub fn contents(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.files.iter().map(|(path, file)| (absolute(path), file.content.clone())).collect()
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.content.len() as u64).sum()
    }

    /// Children of every directory, by the directory's absolute path.
    fn listings(&self) -> BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Record>> {
        let mut listings: BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Record>> = BTreeMap::new();
        listings.entry(DIRECTORY.to_vec()).or_default();
        for (below, file) in &self.files {
            let whole = absolute(below);
            let mut at = path::parent(&whole);
            let name = path::base_name(&whole).to_vec();
            let info = info(&name, FileMode(0o644), file.content.len(), file.change);
            listings.entry(at.to_vec()).or_default().insert(name, record(info));
            while at != DIRECTORY {
                let name = path::base_name(at).to_vec();
                listings
                    .entry(path::parent(at).to_vec())
                    .or_default()
                    .insert(name.clone(), record(directory_info(&name)));
                at = path::parent(at);
            }
        }
        listings
    }
}

impl Source for MemoryTree {
    fn info(&self) -> Result<SourceInfo, ConnectorError> {
        Ok(SourceInfo { kind: "memory".to_owned(), origin: "test".to_owned(), directory: DIRECTORY.to_vec() })
    }

    fn scan(&self, options: &ScanOptions, sink: &dyn ScanSink) -> Result<(), ConnectorError> {
        sink.ancestors(vec![
            record(directory_info(b"/")),
            record(directory_info(path::base_name(DIRECTORY))),
        ]);
        // Ascending order of paths names every directory before its own listing.
        for (directory, children) in self.listings() {
            if sink.stopped() {
                break;
            }
            let kept = children.into_values().filter(|child| {
                let path = path::join(&directory, &child.info.name);
                !(options.excluded)(&path, child.info.mode.is_directory())
            });
            sink.listing(&directory, kept.collect());
        }
        Ok(())
    }

    fn read(&self, requests: Receiver<ReadRequest>, sink: &dyn ContentSink) -> Result<(), ConnectorError> {
        while let Ok(request) = requests.recv() {
            let below = request.path.strip_prefix(DIRECTORY).and_then(|rest| rest.strip_prefix(b"/"));
            match below.and_then(|below| self.files.get(below)) {
                Some(file) => sink.content(request, &mut Cursor::new(&file.content)),
                None => {
                    let location = String::from_utf8_lossy(&request.path).into_owned();
                    let kind = kloset_connector::ErrorKind::NotFound;
                    sink.failed(request, ConnectorError::new(kind, "open", location, "no such file"));
                }
            }
        }
        Ok(())
    }

    fn ping(&self, _: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {}
}

fn absolute(below: &[u8]) -> Vec<u8> {
    [DIRECTORY, b"/", below].concat()
}

fn record(info: FileInfo) -> Record {
    Record { info, target: None, xattrs: Vec::new(), problem: None }
}

fn directory_info(name: &[u8]) -> FileInfo {
    info(name, FileMode(FileMode::DIRECTORY | 0o755), 0, 0)
}

fn info(name: &[u8], mode: FileMode, size: usize, change: i64) -> FileInfo {
    let mut info = FileInfo::made_up_directory(name);
    info.mode = mode;
    info.size = size as i64;
    info.mod_time = Timestamp { seconds: 1_600_000_000 + change, nanoseconds: 0 };
    info.ino = change.unsigned_abs();
    (info.dev, info.nlink) = (1, 1);
    info
}
