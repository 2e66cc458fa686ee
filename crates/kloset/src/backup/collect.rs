//! Receives what the scan finds and the contents that are read, and turns both into entries.

use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_channel::Sender;
use kloset_connector::{ConnectorError, ContentSink, ReadRequest, Record, ScanSink};
use kloset_format::entry::{Entry, NOT_REGULAR_CONTENT_TYPE};
use kloset_format::xattr::XattrEntry;
use kloset_format::{FileInfo, ResourceType, SnapshotId, Version, path};

use super::content::{ContentError, ContentWriter, write_bytes};
use super::tree::{Child, Tree, store_entry};
use crate::guard::guard;
use crate::vfs::parent::{ParentEntry, ParentTree};
use crate::write::{Packer, Transaction};
use crate::{BlobId, Error, Event, Monitor, Repository};

/// Totals of a backup in progress.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) entries: AtomicU64,
    pub(super) files: AtomicU64,
    pub(super) files_unchanged: AtomicU64,
    pub(super) content_bytes: AtomicU64,
    pub(super) read_bytes: AtomicU64,
    expected_entries: AtomicU64,
    expected_bytes: AtomicU64,
}

/// What is the same for every path of one backup.
pub(super) struct Setting<'a> {
    pub(super) repository: &'a Repository,
    pub(super) transaction: &'a Transaction,
    pub(super) monitor: &'a dyn Monitor,
    pub(super) snapshot: SnapshotId,
    pub(super) parent: Option<ParentTree>,
    /// The directory that is backed up.
    pub(super) directory: Vec<u8>,
    /// The source tells neither owners nor links of old snapshots made by the reference
    /// implementation: they count as unknown when they are all zero.
    pub(super) lenient_owners: bool,
    pub(super) xattr_values: bool,
}

/// Both sinks of a source.
pub(super) struct Collector<'a> {
    pub(super) setting: Setting<'a>,
    pub(super) tree: Tree,
    pub(super) totals: Totals,
    pub(super) contents: ContentWriter<'a>,
    /// Closed when the scan has ended.
    requests: Mutex<Option<Sender<ReadRequest>>>,
    /// Listings of directories above or beside the one that is backed up; they may come in pieces.
    outside: Mutex<BTreeMap<Vec<u8>, Vec<Record>>>,
    stopped: AtomicBool,
    failure: Mutex<Option<Error>>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(setting: Setting<'a>, requests: Sender<ReadRequest>) -> Self {
        Self {
            contents: ContentWriter::new(setting.repository, setting.transaction),
            setting,
            tree: Tree::default(),
            totals: Totals::default(),
            requests: Mutex::new(Some(requests)),
            outside: Mutex::default(),
            stopped: AtomicBool::new(false),
            failure: Mutex::default(),
        }
    }

    /// The scan has ended: handles what lies outside the directory, then closes the queue of
    /// wanted contents.
    pub(super) fn scan_ended(&self) {
        if guard(&self.failure).is_none() {
            let result = self.close_outside();
            self.keep(result);
        }
        *guard(&self.requests) = None;
        self.expect(0, 0, true);
    }

    /// Stops everything; only the first reason is kept.
    pub(super) fn fail(&self, error: Error) {
        guard(&self.failure).get_or_insert(error);
        self.stopped.store(true, Ordering::Relaxed);
        // Without the queue the source's readers come to an end.
        *guard(&self.requests) = None;
    }

    /// The source is lost: no more contents are asked for, and those asked for are not waited for.
    pub(super) fn stop_reading(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        *guard(&self.requests) = None;
    }

    /// The reason for stopping, if there was one.
    pub(super) fn take_failure(&self) -> Option<Error> {
        guard(&self.failure).take()
    }

    fn keep(&self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.fail(error);
        }
    }

    fn handle_listing(&self, directory: &[u8], mut children: Vec<Record>) -> Result<(), Error> {
        children.sort_by(|a, b| a.info.name.cmp(&b.info.name));
        children.dedup_by(|later, first| later.info.name == first.info.name);
        let parent = self.setting.parent.as_ref().and_then(|parent| parent.directory(directory));
        if let Some(error) = self.setting.parent.as_ref().and_then(ParentTree::take_loss) {
            return Err(error);
        }
        let mut slots = Vec::with_capacity(children.len());
        let mut wanted: Vec<(usize, u64)> = Vec::new();
        let mut bytes_expected = 0;
        {
            let mut packer = self.setting.transaction.packer();
            let mut scratch = Vec::with_capacity(512);
            for record in children {
                let path = path::join(directory, &record.info.name);
                if !is_plain_name(&record.info.name) {
                    self.path_failed(path, "its name cannot be stored".to_owned());
                    continue;
                }
                self.store_xattrs(&mut packer, &path, &record)?;
                if let Some(problem) = &record.problem {
                    self.path_failed(path.clone(), problem.clone());
                }
                bytes_expected +=
                    if record.info.mode.is_regular() { record.info.size.max(0) as u64 } else { 0 };
                let old = parent.as_ref().and_then(|entries| find(entries, &record.info.name));
                match self.entry_without_reading(directory, record, old) {
                    Ok((entry, cached)) => {
                        self.path_done(&path, &entry, cached);
                        slots.push(store_entry(&mut packer, entry, &mut scratch)?);
                    }
                    Err(record) => {
                        wanted.push((slots.len(), record.info.size.max(0) as u64));
                        slots.push(Child::Waiting(record));
                    }
                }
            }
        }
        self.expect(slots.len() as u64, bytes_expected, false);
        let names: Vec<Vec<u8>> = wanted
            .iter()
            .map(|&(at, _)| match &slots[at] {
                Child::Waiting(record) => path::join(directory, &record.info.name),
                _ => Vec::new(),
            })
            .collect();
        let (number, open) = self.tree.open(directory.to_vec(), slots);
        for ((child, size_hint), path) in wanted.into_iter().zip(names) {
            let token = u64::from(number) << 32 | child as u64;
            // Cloned, so that nobody waits for the lock while this thread waits for the queue.
            let queue = guard(&self.requests).clone();
            let sent = queue.is_some_and(|queue| queue.send(ReadRequest { token, path, size_hint }).is_ok());
            if !sent {
                return Ok(());
            }
        }
        if open.one_less() {
            let mut packer = self.setting.transaction.packer();
            self.tree.complete(self.setting.repository, &mut packer, number, &open)?;
        }
        Ok(())
    }

    /// The entry of everything that is not a regular file, or that is unchanged since the parent;
    /// gives the record back if its content must be read.
    fn entry_without_reading(
        &self,
        directory: &[u8],
        record: Record,
        old: Option<&ParentEntry>,
    ) -> Result<(Entry, bool), Box<Record>> {
        if !record.info.mode.is_regular() {
            let mut entry = new_entry(directory, &record, record.info.clone());
            if !record.info.mode.is_directory() {
                entry.content_type = NOT_REGULAR_CONTENT_TYPE.to_owned();
                entry.symlink_target = record.target.unwrap_or_default();
            }
            return Ok((entry, false));
        }
        let Some(old) = old.filter(|old| self.is_unchanged(&record.info, &old.entry)) else {
            return Err(Box::new(record));
        };
        let mut info = record.info.clone();
        // A source that cannot tell sizes says -1; the parent knows.
        info.size = old.entry.info.size;
        let mut entry = new_entry(directory, &record, info);
        entry.object = old.entry.object;
        entry.content_type.clone_from(&old.entry.content_type);
        entry.entropy = old.entry.entropy;
        entry.chunks = old.entry.chunks;
        self.totals.files_unchanged.fetch_add(1, Ordering::Relaxed);
        Ok((entry, true))
    }

    fn is_unchanged(&self, now: &FileInfo, old: &Entry) -> bool {
        let then = &old.info;
        let same_owner = now.nlink == then.nlink
            && now.uid == then.uid
            && now.gid == then.gid
            && now.username == then.username
            && now.groupname == then.groupname;
        let owner_unknown = self.setting.lenient_owners
            && then.uid == 0
            && then.gid == 0
            && then.nlink == 0
            && then.username.is_empty()
            && then.groupname.is_empty();
        (now.size == then.size || now.size < 0)
            && now.mode == then.mode
            && now.mod_time == then.mod_time
            && now.dev == then.dev
            && now.ino == then.ino
            && now.flags == then.flags
            && (same_owner || owner_unknown)
            && !old.object.is_zero()
            && self.setting.transaction.has(BlobId::new(ResourceType::OBJECT, old.object))
    }

    fn store_xattrs(&self, packer: &mut Packer, path: &[u8], record: &Record) -> Result<(), Error> {
        if !self.setting.xattr_values {
            return Ok(());
        }
        for attribute in &record.xattrs {
            let content = write_bytes(self.setting.repository, packer, &attribute.value)?;
            let entry = XattrEntry {
                version: Version::V1_0_0,
                path: path.to_vec(),
                name: attribute.name.clone(),
                size: attribute.value.len() as i64,
                kind: XattrEntry::EXTENDED_ATTRIBUTE,
                object: content.object,
            };
            let mut bytes = Vec::new();
            entry.encode(&mut bytes);
            let mac = packer.store(ResourceType::XATTR_ENTRY, &bytes)?;
            guard(&self.tree.xattrs).push((entry.tree_key(), mac));
        }
        Ok(())
    }

    fn settle(&self, token: u64, outcome: impl FnOnce(&Record, &[u8]) -> Result<Option<Entry>, Error>) {
        let (number, child) = ((token >> 32) as u32, (token & 0xffff_ffff) as usize);
        let Some(directory) = self.tree.directory(number) else { return };
        let Some(record) = directory.take_waiting(child) else { return };
        let path = path::join(&directory.path, &record.info.name);
        let result = outcome(&record, &path).and_then(|entry| {
            let child_outcome = match entry {
                None => Child::Failed,
                Some(entry) => {
                    self.path_done(&path, &entry, false);
                    store_entry(&mut self.setting.transaction.packer(), entry, &mut Vec::with_capacity(512))?
                }
            };
            if directory.settle(child, child_outcome) {
                let mut packer = self.setting.transaction.packer();
                self.tree.complete(self.setting.repository, &mut packer, number, &directory)?;
            }
            Ok(())
        });
        self.keep(result);
    }

    fn path_done(&self, path: &[u8], entry: &Entry, cached: bool) {
        let mut bytes = 0;
        if entry.info.mode.is_regular() {
            bytes = entry.info.size.max(0) as u64;
            self.totals.files.fetch_add(1, Ordering::Relaxed);
            self.totals.content_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        self.totals.entries.fetch_add(1, Ordering::Relaxed);
        let monitor = self.setting.monitor;
        monitor.event(Event::Progress { entries: 1, bytes });
        if monitor.wants_paths() {
            let kind = entry.info.mode.kind();
            monitor.event(Event::PathDone { snapshot: self.setting.snapshot, path, kind, cached });
        }
    }

    fn path_failed(&self, path: Vec<u8>, reason: String) {
        self.setting.monitor.event(Event::PathFailed {
            snapshot: self.setting.snapshot,
            path: &path,
            reason: &reason,
        });
        self.tree.fail(path, reason);
    }

    fn expect(&self, entries: u64, bytes: u64, complete: bool) {
        let entries = self.totals.expected_entries.fetch_add(entries, Ordering::Relaxed) + entries;
        let bytes = self.totals.expected_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.setting.monitor.event(Event::Expected { entries, bytes, complete });
    }

    /// Turns the listings outside the directory into complete ones, down from `/`; ancestors that
    /// no source described are made up.
    fn close_outside(&self) -> Result<(), Error> {
        let mut outside = std::mem::take(&mut *guard(&self.outside));
        let mut known: HashSet<Vec<u8>> = HashSet::new();
        for (directory, children) in &outside {
            known.extend(children.iter().map(|child| path::join(directory, &child.info.name)));
        }
        for directory in outside.keys().cloned().collect::<Vec<_>>() {
            let mut at = directory.as_slice();
            while at != b"/" && !known.contains(at) {
                known.insert(at.to_vec());
                let info = FileInfo::made_up_directory(path::base_name(at));
                let record = Record { info, target: None, xattrs: Vec::new(), problem: None };
                at = path::parent(at);
                outside.entry(at.to_vec()).or_default().push(record);
            }
        }
        outside.into_iter().try_for_each(|(directory, children)| self.handle_listing(&directory, children))
    }
}

impl ScanSink for Collector<'_> {
    fn ancestors(&self, chain: Vec<Record>) {
        let mut at = b"/".to_vec();
        let mut outside = guard(&self.outside);
        for (depth, record) in chain.into_iter().enumerate() {
            if depth > 0 {
                let child = path::join(&at, &record.info.name);
                outside.entry(std::mem::replace(&mut at, child)).or_default().push(record);
                continue;
            }
            let mut info = record.info.clone();
            info.name = b"/".to_vec();
            let entry = new_entry(b"/", &record, info);
            let mut packer = self.setting.transaction.packer();
            let stored = self
                .store_xattrs(&mut packer, b"/", &record)
                .and_then(|()| store_entry(&mut packer, entry.clone(), &mut Vec::new()));
            drop(packer);
            match stored {
                Ok(Child::Ready { mac, .. }) => {
                    *guard(&self.tree.root) = Some(mac);
                    self.path_done(b"/", &entry, false);
                }
                Ok(_) => {}
                Err(error) => self.fail(error),
            }
        }
    }

    fn listing(&self, directory: &[u8], children: Vec<Record>) {
        if self.stopped() {
            return;
        }
        if !path::is_within(directory, &self.setting.directory) {
            guard(&self.outside).entry(directory.to_vec()).or_default().extend(children);
            return;
        }
        let result = self.handle_listing(directory, children);
        self.keep(result);
    }

    fn failed(&self, path: &[u8], _directory: bool, error: ConnectorError) {
        self.path_failed(path.to_vec(), error.message);
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
            || self.setting.transaction.has_failed()
            || self.setting.repository.runtime.interrupted.load(Ordering::Relaxed)
    }
}

impl ContentSink for Collector<'_> {
    fn content(&self, request: ReadRequest, reader: &mut dyn Read) {
        if self.stopped() {
            return;
        }
        self.settle(request.token, |record, path| match self.contents.write(reader) {
            Ok(content) => {
                self.totals.read_bytes.fetch_add(content.size, Ordering::Relaxed);
                let mut info = record.info.clone();
                info.size = content.size as i64;
                let mut entry = new_entry(path::parent(path), record, info);
                entry.object = content.object;
                entry.content_type = content.content_type;
                entry.entropy = content.entropy;
                entry.chunks = content.chunks;
                Ok(Some(entry))
            }
            Err(ContentError::Unreadable(error)) => {
                self.path_failed(path.to_vec(), error.message);
                Ok(None)
            }
            Err(ContentError::Fatal(error)) => Err(error),
        });
    }

    fn failed(&self, request: ReadRequest, error: ConnectorError) {
        self.settle(request.token, |_, path| {
            self.path_failed(path.to_vec(), error.message);
            Ok(None)
        });
    }
}

fn new_entry(directory: &[u8], record: &Record, info: FileInfo) -> Entry {
    let mut entry = Entry::new(directory.to_vec(), info);
    entry.extended_attributes = record.xattrs.iter().map(|attribute| attribute.name.clone()).collect();
    entry
}

fn is_plain_name(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && !name.iter().any(|&byte| byte == b'/' || byte == 0)
}

fn find<'p>(entries: &'p [ParentEntry], name: &[u8]) -> Option<&'p ParentEntry> {
    let at = entries.binary_search_by(|entry| entry.entry.info.name.as_slice().cmp(name)).ok()?;
    entries.get(at)
}
