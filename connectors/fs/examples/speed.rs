//! Files per second of walking, reading and restoring 50,000 small files.
//!
//! `cargo run --release -p connector-fs --example speed [FOLDER [THREADS]]`

#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::io::Read;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use connector_fs::{FsDestination, FsSource};
use kloset_connector::{
    ConnectorContext, ConnectorError, ContentSink, Destination, FileContent, Location, Options, Outcome,
    ReadRequest, Record, ScanOptions, ScanSink, Source, Target,
};
use kloset_format::{FileInfo, FileMode, Timestamp};

const FOLDERS: usize = 5_000;
const FILES: usize = 10;
const BYTES: usize = 4_000;

#[derive(Default)]
struct Found {
    files: Mutex<Vec<ReadRequest>>,
    paths: AtomicU64,
}

impl ScanSink for Found {
    fn ancestors(&self, _: Vec<Record>) {}
    fn listing(&self, directory: &[u8], children: Vec<Record>) {
        self.paths.fetch_add(children.len() as u64, Ordering::Relaxed);
        let mut files = self.files.lock().expect("not poisoned");
        for child in children.iter().filter(|child| child.info.mode.is_regular()) {
            let path = kloset_format::path::join(directory, &child.info.name);
            let token = files.len() as u64;
            files.push(ReadRequest { token, path, size_hint: child.info.size as u64 });
        }
    }
    fn failed(&self, path: &[u8], _: bool, error: ConnectorError) {
        println!("failed: {}: {error}", path.escape_ascii());
    }
    fn stopped(&self) -> bool {
        false
    }
}

#[derive(Default)]
struct Contents {
    bytes: AtomicU64,
}

impl ContentSink for Contents {
    fn content(&self, _: ReadRequest, reader: &mut dyn Read) {
        let mut buffer = [0u8; 64 << 10];
        while let Ok(read) = reader.read(&mut buffer) {
            if read == 0 {
                break;
            }
            self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        }
    }
    fn failed(&self, _: ReadRequest, error: ConnectorError) {
        println!("failed: {error}");
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let temp = match arguments.get(1) {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let temp = temp.expect("temporary folder");
    let source_path = temp.path().join("source");
    testkit::tree::build_small_tree(&source_path, FOLDERS, FILES, BYTES).expect("tree");
    let mut context = ConnectorContext::silent("/".into());
    if let Some(threads) = arguments.get(2).and_then(|text| text.parse().ok()) {
        context.parallelism = threads;
    }
    for round in 0..3 {
        walk_and_read(&source_path, &context);
        restore(&temp.path().join(format!("target{round}")), &context);
    }
}

fn walk_and_read(path: &Path, context: &ConnectorContext) {
    let source = FsSource::with_roots(vec![path.to_owned()], &Options::new(), context).expect("a path");
    let options = ScanOptions { excluded: std::sync::Arc::new(|_, _| false), xattr_values: true };
    let found = Found::default();
    let start = Instant::now();
    source.scan(&options, &found).expect("scan");
    report("walk", found.paths.load(Ordering::Relaxed), start);

    let files = found.files.into_inner().expect("not poisoned");
    let count = files.len() as u64;
    let (sender, receiver) = crossbeam_channel::unbounded();
    for request in files {
        sender.send(request).expect("open");
    }
    drop(sender);
    let contents = Contents::default();
    let start = Instant::now();
    source.read(receiver, &contents).expect("read");
    report("read", count, start);
    assert_eq!(contents.bytes.load(Ordering::Relaxed), count * BYTES as u64);
}

/// Restores as many files as were read, one batch a thread and hundred folders.
fn restore(path: &Path, context: &ConnectorContext) {
    let location = Location::parse(&path.display().to_string());
    let destination = FsDestination::new(&location, &Options::new(), context).expect("a path");
    let name = |folder: usize| format!("dir{folder:05}");
    let folders: Vec<Target> = (0..FOLDERS).map(|folder| target(&name(folder), 0o040_755)).collect();
    let check = |_: usize, outcome: Outcome| drop(outcome.expect("restored"));
    let start = Instant::now();
    destination.prepare().expect("prepare");
    destination.directories(&folders, &check);
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..context.parallelism {
            scope.spawn(|| {
                loop {
                    let first = next.fetch_add(100, Ordering::Relaxed) as usize;
                    if first >= FOLDERS {
                        break;
                    }
                    let batch =
                        (first..first + 100).flat_map(|folder| (0..FILES).map(move |file| (folder, file)));
                    let batch = batch.map(|(folder, file)| FileContent {
                        target: target(&format!("{}/file{file:05}", name(folder)), 0o100_644),
                        pieces: vec![Bytes::from_static(&[b'x'; BYTES])],
                    });
                    destination.files(batch.collect(), &check);
                }
            });
        }
    });
    destination.directory_metadata(&folders, &check);
    report("restore", (FOLDERS * FILES) as u64, start);
    let start = Instant::now();
    destination.finish().expect("flush");
    report("flush", (FOLDERS * FILES) as u64, start);
}

fn target(path: &str, st_mode: u32) -> Target {
    let mut info = FileInfo::made_up_directory(b"");
    info.mode = FileMode::from_st_mode(st_mode);
    info.mod_time = Timestamp { seconds: 1_000_000_000, nanoseconds: 5 };
    info.size = BYTES as i64;
    Target { path: path.as_bytes().to_vec(), info, xattrs: Vec::new(), link: None }
}

fn report(what: &str, count: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what:8} {count:6} in {seconds:.3} s: {:.0} a second", count as f64 / seconds);
}
