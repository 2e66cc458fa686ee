//! Copies one snapshot: errors, attributes, entries directory by directory, trees, header.
//!
//! One thread walks the source a segment ahead of the threads that copy. The walk hands out
//! directories whole, because a listing is made of all of its entries.

use std::sync::Mutex;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

use kloset_format::entry::Entry;
use kloset_format::header::SourceRecord;
use kloset_format::xattr::XattrEntry;
use kloset_format::{KeyOrder, Mac, ResourceType, SnapshotId, path};

use super::contents::{Contents, in_parallel};
use super::{Fault, Run, SnapshotSync, Waiting};
use crate::backup::index::{Trees, write_trees};
use crate::backup::tree::Tree;
use crate::check::trees::Fingerprint;
use crate::guard::guard;
use crate::vfs::{OBJECTS_PER_BATCH, Step, walk_steps};
use crate::write::Stream;
use crate::{BlobId, Error, Event, Snapshot};

/// Entries handed over at once: enough to sort their contents by place. Two segments are in memory.
const ENTRIES_PER_SEGMENT: usize = 8_192;

/// A directory with all of its entries, as they are in the source.
struct Directory {
    path: Vec<u8>,
    children: Vec<Entry>,
}

/// Directories that the walk has left.
#[derive(Default)]
struct Segment {
    directories: Vec<Directory>,
    entries: usize,
    /// The entry of `/`, which no directory holds.
    root: Option<Entry>,
}

/// Totals of one snapshot.
#[derive(Default)]
struct Totals {
    entries: u64,
    content_bytes: u64,
}

impl Run<'_> {
    /// Stores everything of a snapshot but its header.
    pub(super) fn copy(&self, snapshot: &Snapshot) -> Result<Waiting, Fault> {
        let started = Instant::now();
        self.expect(snapshot);
        let contents = Contents::new(snapshot, self.target, &self.transaction, &self.translations);
        let tree = Tree::default();
        for error in snapshot.errors().map_err(Fault::reading)? {
            guard(&tree.errors).push((error.name, error.error));
        }
        self.copy_attributes(snapshot, &contents, &tree)?;
        let totals = self.copy_entries(snapshot, &contents, &tree)?;
        let mut parts = tree.into_parts();
        parts.xattrs.sort_unstable();
        parts.xattrs.dedup_by(|later, first| later.0 == first.0);
        let trees = write_trees(self.target, &mut self.transaction.packer(), parts).map_err(Fault::Target)?;
        let header = self.header(snapshot, trees, started);
        let done = SnapshotSync {
            snapshot: snapshot.id(),
            entries: totals.entries,
            content_bytes: totals.content_bytes,
            elapsed: started.elapsed(),
        };
        Ok(Waiting { done, header })
    }

    fn expect(&self, snapshot: &Snapshot) {
        let summary = &snapshot.source().summary;
        let entries = summary.directory.children.saturating_add(summary.below.children).saturating_add(1);
        let bytes = summary.directory.size.saturating_add(summary.below.size);
        self.monitor.event(Event::Expected { entries, bytes, complete: true });
    }

    fn copy_attributes(
        &self,
        snapshot: &Snapshot,
        contents: &Contents<'_>,
        tree: &Tree,
    ) -> Result<(), Fault> {
        let mut wanted = Vec::new();
        snapshot
            .tree(ResourceType::XATTR_BTREE, snapshot.source().roots.xattrs, KeyOrder::Bytes)
            .and_then(|tree| {
                tree.scan(&mut |_, mac| {
                    wanted.push(BlobId::new(ResourceType::XATTR_ENTRY, mac));
                    Ok(())
                })
            })
            .map_err(Fault::reading)?;
        for batch in wanted.chunks(OBJECTS_PER_BATCH) {
            let entries = snapshot.decode_blobs(batch, XattrEntry::decode);
            let entries: Vec<XattrEntry> =
                entries.into_iter().collect::<Result<_, _>>().map_err(Fault::reading)?;
            // Beside the metadata: the reference implementation keeps no packfile for values alone.
            contents.translate(entries.iter().map(|entry| entry.object), Stream::Metadata)?;
            let mut packer = self.transaction.packer();
            let mut bytes = Vec::new();
            for mut entry in entries {
                entry.object = self.translated(entry.object)?.object;
                bytes.clear();
                entry.encode(&mut bytes);
                let mac = packer.store(ResourceType::XATTR_ENTRY, &bytes).map_err(Fault::Target)?;
                guard(&tree.xattrs).push((entry.tree_key(), mac));
            }
        }
        Ok(())
    }

    fn copy_entries(
        &self,
        snapshot: &Snapshot,
        contents: &Contents<'_>,
        tree: &Tree,
    ) -> Result<Totals, Fault> {
        let mut totals = Totals::default();
        let walked = std::thread::scope(|scope| {
            let (send, receive) = sync_channel(0);
            let walk = scope.spawn(move || Walk::new(self, snapshot).run(&send));
            for segment in receive {
                self.copy_segment(snapshot.id(), segment, contents, tree, &mut totals)?;
            }
            walk.join()
                .unwrap_or_else(|_| Err(Error::Internal("the walk died".to_owned())))
                .map_err(Fault::reading)
        })?;
        let mut in_tree = Fingerprint::default();
        snapshot
            .file_tree()
            .and_then(|files| {
                files.scan(&mut |key, mac| {
                    in_tree.add(snapshot, key, mac);
                    Ok(())
                })
            })
            .map_err(Fault::reading)?;
        if in_tree != walked {
            return Err(Fault::Snapshot(snapshot.damaged("its listings and its file tree differ")));
        }
        Ok(totals)
    }

    fn copy_segment(
        &self,
        id: SnapshotId,
        segment: Segment,
        contents: &Contents<'_>,
        tree: &Tree,
        totals: &mut Totals,
    ) -> Result<(), Fault> {
        let Segment { directories, root, .. } = segment;
        let entries = directories.iter().flat_map(|directory| &directory.children);
        let objects = entries.clone().map(|entry| entry.object).filter(|object| !object.is_zero());
        contents.translate(objects, Stream::Content)?;
        for entry in entries.chain(&root) {
            totals.entries += 1;
            if entry.info.mode.is_regular() {
                totals.content_bytes += u64::try_from(entry.info.size).unwrap_or(0);
            }
        }
        if let Some(root) = root {
            let stored = self.store_entry(id, b"/", root)?;
            *guard(&tree.root) = Some(stored.1);
        }
        let directories: Vec<Mutex<Option<Directory>>> =
            directories.into_iter().map(|directory| Mutex::new(Some(directory))).collect();
        in_parallel(self.target.runtime().threads, directories.len(), &|at| {
            let Some(directory) = directories.get(at).and_then(|slot| guard(slot).take()) else {
                return Ok(());
            };
            self.copy_directory(id, directory, tree)
        })
    }

    fn copy_directory(&self, id: SnapshotId, directory: Directory, tree: &Tree) -> Result<(), Fault> {
        let Directory { path, children } = directory;
        let stored: Vec<(Box<Entry>, Mac)> = children
            .into_iter()
            .map(|entry| {
                let path = path::join(&path, &entry.info.name);
                self.store_entry(id, &path, entry)
            })
            .collect::<Result<_, _>>()?;
        let mut packer = self.transaction.packer();
        tree.finish(self.target, &mut packer, path, stored.into_iter()).map_err(Fault::Target)
    }

    /// Stores an entry with its content's new name.
    fn store_entry(
        &self,
        snapshot: SnapshotId,
        path: &[u8],
        mut entry: Entry,
    ) -> Result<(Box<Entry>, Mac), Fault> {
        if !entry.object.is_zero() {
            let content = self.translated(entry.object)?;
            entry.object = content.object;
            if let Some((chunks, entropy)) = content.cut_anew {
                entry.chunks = chunks;
                entry.entropy = entropy;
            }
        }
        let mut bytes = Vec::with_capacity(512);
        entry.encode(&mut bytes);
        let stored = self.transaction.packer().store(ResourceType::VFS_ENTRY, &bytes);
        let mac = stored.map_err(Fault::Target)?;
        let is_regular = entry.info.mode.is_regular();
        let size = if is_regular { u64::try_from(entry.info.size).unwrap_or(0) } else { 0 };
        self.monitor.event(Event::Progress { entries: 1, bytes: size });
        if self.monitor.wants_paths() {
            let kind = entry.info.mode.kind();
            self.monitor.event(Event::PathDone { snapshot, path, kind, cached: false });
        }
        Ok((Box::new(entry), mac))
    }

    fn translated(&self, object: Mac) -> Result<super::contents::Translated, Fault> {
        let missing = || Fault::Target(Error::Internal(format!("object {object} was not copied")));
        self.translations.of(object).ok_or_else(missing)
    }

    fn header(&self, snapshot: &Snapshot, trees: Trees, started: Instant) -> Vec<u8> {
        let mut header = snapshot.header().clone();
        if !header.identity.is_nobody() {
            // A signature covers the bytes of the header, which change; an identity without its
            // signature would make every other program refuse the snapshot.
            let text = format!("{}: its signature is not copied", snapshot.id().short());
            self.monitor.event(Event::Warning(&text));
            header.identity = kloset_format::header::Identity::default();
        }
        header.duration_ns = self.target.runtime.duration_ns(started);
        let source = snapshot.source();
        header.sources = vec![SourceRecord {
            importer: source.importer.clone(),
            context: source.context.clone(),
            roots: trees.roots,
            indexes: trees.indexes,
            summary: trees.summary,
        }];
        header.encode()
    }
}

/// The walk through the source.
struct Walk<'a> {
    run: &'a Run<'a>,
    snapshot: &'a Snapshot,
    /// Directories on the way down.
    open: Vec<Directory>,
    segment: Segment,
    seen: Fingerprint,
}

impl<'a> Walk<'a> {
    fn new(run: &'a Run<'a>, snapshot: &'a Snapshot) -> Self {
        let (open, segment) = (Vec::new(), Segment::default());
        Self { run, snapshot, open, segment, seen: Fingerprint::default() }
    }

    /// Hands out the whole snapshot; ends early when nobody listens.
    fn run(mut self, send: &SyncSender<Segment>) -> Result<Fingerprint, Error> {
        let snapshot = self.snapshot;
        walk_steps(snapshot, b"/", &mut |step| match step {
            Step::Found { path, entry } => {
                self.seen.add(snapshot, &path, entry.mac);
                self.found(path, entry.entry)?;
                if self.segment.entries < ENTRIES_PER_SEGMENT {
                    return Ok(());
                }
                send.send(std::mem::take(&mut self.segment)).map_err(|_| Error::Interrupted)
            }
            Step::Damaged { path, error, recovered: true } => {
                let path = String::from_utf8_lossy(&path).into_owned();
                let text =
                    format!("{}: {path}: {error}; the file tree has its entries", snapshot.id().short());
                self.run.monitor.event(Event::Warning(&text));
                Ok(())
            }
            Step::Damaged { error, recovered: false, .. } => Err(error),
        })?;
        while let Some(directory) = self.open.pop() {
            self.leave(directory)?;
        }
        send.send(self.segment).map_err(|_| Error::Interrupted)?;
        Ok(self.seen)
    }

    fn found(&mut self, path: Vec<u8>, entry: Entry) -> Result<(), Error> {
        let shown = || String::from_utf8_lossy(&path).into_owned();
        if entry.info.mode.is_regular() && entry.object.is_zero() {
            return Err(self.snapshot.damaged(format!("{}: its content is not recorded", shown())));
        }
        if entry.parent_path != path::parent(&path) {
            return Err(self.snapshot.damaged(format!("{}: its entry names another directory", shown())));
        }
        let is_directory = entry.info.mode.is_directory();
        if path == b"/" {
            self.segment.root = Some(entry);
        } else {
            let parent = path::parent(&path);
            while let Some(left) = self.open.pop_if(|directory| directory.path != parent) {
                self.leave(left)?;
            }
            match self.open.last_mut() {
                Some(directory) => directory.children.push(entry),
                None => return Err(self.snapshot.damaged(format!("{}: it is in no directory", shown()))),
            }
        }
        if is_directory {
            self.open.push(Directory { path, children: Vec::new() });
        }
        Ok(())
    }

    /// All entries of a directory are known.
    fn leave(&mut self, mut directory: Directory) -> Result<(), Error> {
        directory.children.sort_by(|a, b| a.info.name.cmp(&b.info.name));
        let pairs = directory.children.iter().zip(directory.children.iter().skip(1));
        if pairs.into_iter().any(|(a, b)| a.info.name == b.info.name) {
            let path = String::from_utf8_lossy(&directory.path).into_owned();
            return Err(self.snapshot.damaged(format!("{path}: two entries have the same name")));
        }
        self.segment.entries += directory.children.len() + 1;
        self.segment.directories.push(directory);
        Ok(())
    }
}
