//! Drives sources and destinations the way the engine does, keeping everything in memory.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;

use bytes::Bytes;
use kloset_connector::{
    Applied, ConnectorError, ContentSink, Destination, ErrorKind, FileContent, HardLink, Limitation, Outcome,
    ReadRequest, Record, ScanOptions, ScanSink, Source, Target,
};
use kloset_format::path::join;

use crate::tree::{Node, Tree};

/// What a scan delivered.
#[derive(Default)]
pub struct Scanned {
    /// The chain down to the directory.
    pub chain: Vec<Record>,
    /// Listings by directory, in the order of arrival.
    pub listings: Vec<(Vec<u8>, Vec<Record>)>,
    /// Paths that failed, and whether they are directories.
    pub failed: Vec<(Vec<u8>, bool, ErrorKind)>,
}

impl Scanned {
    /// All records of listings by path; panics if a path came twice.
    pub fn records(&self) -> BTreeMap<Vec<u8>, Record> {
        let mut records = BTreeMap::new();
        for (directory, children) in &self.listings {
            for record in children {
                let path = join(directory, &record.info.name);
                let before = records.insert(path, record.clone());
                assert!(before.is_none(), "{} came twice", record.info.name.escape_ascii());
            }
        }
        records
    }
}

/// Collects a scan; gives up after `listings_max` listings.
struct ScanCollector {
    listings_max: usize,
    scanned: Mutex<Scanned>,
}

impl ScanSink for ScanCollector {
    fn ancestors(&self, chain: Vec<Record>) {
        let mut scanned = self.scanned.lock().expect("not poisoned");
        assert!(scanned.chain.is_empty() && scanned.listings.is_empty(), "the chain comes once, first");
        scanned.chain = chain;
    }

    fn listing(&self, directory: &[u8], children: Vec<Record>) {
        self.scanned.lock().expect("not poisoned").listings.push((directory.to_vec(), children));
    }

    fn failed(&self, path: &[u8], directory: bool, error: ConnectorError) {
        self.scanned.lock().expect("not poisoned").failed.push((path.to_vec(), directory, error.kind));
    }

    fn stopped(&self) -> bool {
        self.scanned.lock().expect("not poisoned").listings.len() >= self.listings_max
    }
}

/// Scans until the end, or until `listings_max` listings have come.
pub fn scan(
    source: &dyn Source,
    options: &ScanOptions,
    listings_max: usize,
) -> Result<Scanned, ConnectorError> {
    let (scanned, result) = scan_partly(source, options, listings_max);
    result.map(|()| scanned)
}

/// As [`scan`], keeping what came before an error.
pub fn scan_partly(
    source: &dyn Source,
    options: &ScanOptions,
    listings_max: usize,
) -> (Scanned, Result<(), ConnectorError>) {
    let collector = ScanCollector { listings_max, scanned: Mutex::default() };
    let result = source.scan(options, &collector);
    (collector.scanned.into_inner().expect("not poisoned"), result)
}

/// Contents by path, or the kind of what went wrong.
pub type Contents = BTreeMap<Vec<u8>, Result<Vec<u8>, ErrorKind>>;

#[derive(Default)]
struct ContentCollector {
    contents: Mutex<Contents>,
}

impl ContentCollector {
    fn add(&self, path: Vec<u8>, content: Result<Vec<u8>, ErrorKind>) {
        let before = self.contents.lock().expect("not poisoned").insert(path, content);
        assert!(before.is_none(), "a content was delivered twice");
    }
}

impl ContentSink for ContentCollector {
    fn content(&self, request: ReadRequest, reader: &mut dyn Read) {
        let mut content = Vec::new();
        let result = reader.read_to_end(&mut content);
        let result = result.map_err(|error| ConnectorError::from_io("read", "content", error).kind);
        self.add(request.path, result.map(|_| content));
    }

    fn failed(&self, request: ReadRequest, error: ConnectorError) {
        self.add(request.path, Err(error.kind));
    }
}

/// Reads paths with their size hints through a short queue.
pub fn read(source: &dyn Source, wanted: &[(Vec<u8>, u64)]) -> Result<Contents, ConnectorError> {
    let collector = ContentCollector::default();
    let (sender, receiver) = crossbeam_channel::bounded(16);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for (token, (path, size_hint)) in wanted.iter().enumerate() {
                let request = ReadRequest { token: token as u64, path: path.clone(), size_hint: *size_hint };
                if sender.send(request).is_err() {
                    break;
                }
            }
        });
        source.read(receiver, &collector)
    })?;
    Ok(collector.contents.into_inner().expect("not poisoned"))
}

/// Outcomes of a restore by path; the last one of each path counts.
pub type Outcomes = BTreeMap<Vec<u8>, Outcome>;

/// Contents from this size on are restored as large files.
const LARGE_BYTES: usize = 1 << 20;

/// Restores a whole tree in the engine's order.
pub fn restore(destination: &dyn Destination, tree: &Tree) -> Outcomes {
    destination.prepare().expect("prepare");
    let mut outcomes = Outcomes::new();
    let directories = targets(tree, |_, node| node.info.mode.is_directory());
    let mut batch = |targets: &[Target], work: &dyn Fn(&[Target], &Collect)| {
        let collect = Collect::new(targets.len());
        work(targets, &collect);
        outcomes.extend(targets.iter().map(|target| target.path.clone()).zip(collect.finish()));
    };
    batch(&directories, &|targets, collect| destination.directories(targets, &collect.report()));

    let is_link = |path: &[u8], node: &Node| node.content.is_some() && node.first_name != path;
    let files = targets(tree, |path, node| node.content.is_some() && !is_link(path, node));
    let content = |target: &Target| tree[&target.path].content.clone().expect("a regular file");
    let (large, small): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|target| content(target).len() >= LARGE_BYTES);
    batch(&small, &|targets, collect| {
        let files = targets.iter().map(|target| FileContent {
            target: target.clone(),
            pieces: pieces(&content(target)).into_iter().map(|(_, piece)| piece).collect(),
        });
        destination.files(files.collect(), &collect.report());
    });
    batch(&large, &|targets, collect| {
        for (index, target) in targets.iter().enumerate() {
            collect.report()(index, write_large(destination, target, &content(target)));
        }
    });
    let nodes = targets(tree, |_, node| !node.info.mode.is_directory() && node.content.is_none());
    batch(&nodes, &|targets, collect| destination.nodes(targets, &collect.report()));
    let links = targets(tree, is_link);
    batch(&links, &|targets, collect| {
        let links: Vec<HardLink> = targets
            .iter()
            .map(|target| HardLink {
                path: target.path.clone(),
                original: tree[&target.path].first_name.clone(),
            })
            .collect();
        destination.hard_links(&links, &collect.report());
    });
    let mut deepest_first = directories;
    deepest_first.reverse();
    batch(&deepest_first, &|targets, collect| destination.directory_metadata(targets, &collect.report()));
    destination.finish().expect("finish");
    outcomes
}

/// Targets of the nodes that match, in byte order of their paths: parents first.
fn targets(tree: &Tree, wanted: impl Fn(&[u8], &Node) -> bool) -> Vec<Target> {
    tree.iter()
        .filter(|(path, node)| wanted(path, node))
        .map(|(path, node)| Target {
            path: path.clone(),
            info: node.info.clone(),
            xattrs: node.xattrs.clone(),
            link: node.link.clone(),
        })
        .collect()
}

/// A content in pieces of uneven length, with their offsets.
pub fn pieces(content: &[u8]) -> Vec<(u64, Bytes)> {
    let mut offset = 0;
    let mut pieces = Vec::new();
    for piece in content.chunks(200_003) {
        pieces.push((offset, Bytes::copy_from_slice(piece)));
        offset += piece.len() as u64;
    }
    pieces
}

/// Writes a large file from two threads, last piece first.
pub fn write_large(destination: &dyn Destination, target: &Target, content: &[u8]) -> Outcome {
    let sink = destination.open_file(target)?;
    let pieces = pieces(content);
    let (first, second) = pieces.split_at(pieces.len() / 2);
    std::thread::scope(|scope| {
        let write = |pieces: &[(u64, Bytes)]| {
            let mut backwards = pieces.iter().rev();
            backwards.try_for_each(|(offset, piece)| sink.write_at(*offset, piece.clone()))
        };
        let helper = scope.spawn(move || write(first));
        write(second).and(helper.join().expect("no panic"))
    })?;
    sink.finish()
}

/// Collects the outcomes of one batch.
pub struct Collect {
    outcomes: Mutex<Vec<Option<Outcome>>>,
}

impl Collect {
    /// Waits for this many outcomes.
    pub fn new(count: usize) -> Self {
        Self { outcomes: Mutex::new((0..count).map(|_| None).collect()) }
    }

    /// Where a batch reports to.
    pub fn report(&self) -> impl Fn(usize, Outcome) + Sync + '_ {
        |index, outcome| {
            let mut outcomes = self.outcomes.lock().expect("not poisoned");
            let slot = outcomes.get_mut(index).expect("an index of the batch");
            assert!(slot.replace(outcome).is_none(), "item {index} was reported twice");
        }
    }

    /// All outcomes; panics if one is missing.
    pub fn finish(self) -> Vec<Outcome> {
        let outcomes = self.outcomes.into_inner().expect("not poisoned");
        outcomes.into_iter().map(|outcome| outcome.expect("every item is reported")).collect()
    }
}

/// Panics unless everything succeeded, with these limitations at most.
pub fn assert_restored(outcomes: &Outcomes, allowed: &[Limitation]) {
    for (path, outcome) in outcomes {
        match outcome {
            Ok(Applied { limitations, .. }) => {
                let unexpected = limitations.iter().find(|limitation| !allowed.contains(limitation));
                assert_eq!(unexpected, None, "{}", path.escape_ascii());
            }
            Err(error) => panic!("{}: {error}", path.escape_ascii()),
        }
    }
}
