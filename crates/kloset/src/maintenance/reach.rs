//! What live snapshots reach: the packfiles that hold it, and on demand every blob.
//!
//! Snapshots share most of their trees. What was met once, under the same role, is not entered again,
//! so that a snapshot costs what is new in it. Memory is one compact name a tree node, entry, listing
//! and object.
//!
//! Several snapshots are walked at the same time, since most of a walk is waiting for the next node of a tree.
//!
//! Everything must be there and must be readable: the first thing that is not ends the run.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kloset_format::entry::Entry;
use kloset_format::header::{Index, SourceRecord};
use kloset_format::xattr::XattrEntry;
use kloset_format::{KeyOrder, Mac, ResourceType, SnapshotId};

use super::met::{Met, Names};
use crate::guard::{guard, unwrap_mutex};
use crate::vfs::{DirectoryIndex, FrameReader, ListingStream, OBJECTS_PER_BATCH};
use crate::{BlobId, Error, Event, Monitor, Repository, Snapshot};

/// Key and value of one row of a tree.
type Row = (Box<[u8]>, Mac);

/// Snapshots walked at the same time, at most.
const WALKS_AT_ONCE_MAX: usize = 8;
/// How a blob was met. The same blob can have several roles, and each leads elsewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    FileNode = 1,
    ErrorNode,
    XattrNode,
    ContentTypeNode,
    ListingNode,
    SummaryNode,
    Entry,
    Xattr,
    Listing,
    Content,
}

/// Key and value of a tree; keys only where they matter.
type Pair = (Box<[u8]>, Mac);

/// Whether every blob that is reached is remembered, or only packfiles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Detail {
    Packfiles,
    Blobs,
}

/// What was reached.
pub(super) struct Reached {
    /// By position in the index.
    pub(super) packfiles: Vec<bool>,
    blobs: Option<Names>,
}

impl Reached {
    /// Whether a blob was reached; false for all unless blobs were asked for.
    pub(super) fn has(&self, blob: BlobId) -> bool {
        self.blobs.as_ref().is_some_and(|blobs| blobs.contains(Met::new(blob.resource.0, blob.mac)))
    }
}

/// Walks every snapshot of a repository that shows marked packfiles, too.
pub(super) fn reach(
    repository: &Arc<Repository>,
    listed: &HashSet<[u8; 32]>,
    detail: Detail,
    monitor: &dyn Monitor,
) -> Result<Reached, Error> {
    let walk = Walk::new(repository, listed, detail);
    let mut ids = repository.snapshots();
    ids.sort_unstable();
    monitor.event(Event::Expected { entries: ids.len() as u64, bytes: 0, complete: true });
    let at_once = if repository.runtime().threads > 1 { WALKS_AT_ONCE_MAX } else { 1 };
    // Snapshots share most of what they reach: the others find it met, and read what is theirs.
    let (first, others) = ids.split_at(1.min(ids.len()));
    walk.snapshots(first, 1, monitor)?;
    walk.snapshots(others, at_once, monitor)?;
    let unstored = walk.unstored.load(Ordering::Relaxed);
    if unstored > 0 {
        let text = format!("{unstored} entries are not stored by themselves; their listings have them");
        monitor.event(Event::Warning(&text));
    }
    Ok(Reached { packfiles: walk.used.into_iter().map(AtomicBool::into_inner).collect(), blobs: walk.blobs })
}

/// Fails unless everything that a snapshot reaches, besides its header, is in the store.
pub(crate) fn is_whole(snapshot: &Snapshot, listed: &HashSet<[u8; 32]>) -> Result<(), Error> {
    Walk::new(snapshot.repository(), listed, Detail::Packfiles).sources(snapshot)
}

/// Names the snapshot that stands in the way, unless the store as a whole does.
fn blocked(snapshot: SnapshotId, error: Error) -> Error {
    match error {
        Error::Interrupted | Error::Internal(_) => error,
        error if error.is_out_of_reach() => error,
        error => Error::SnapshotBlocks { snapshot, cause: Box::new(error) },
    }
}

struct Walk<'a> {
    repository: &'a Arc<Repository>,
    /// By position in the index: whether the packfile is in the store.
    present: Vec<bool>,
    met: Names,
    /// Entries that only a listing has.
    unstored: AtomicU64,
    /// By position in the index: whether anything in the packfile was reached.
    used: Vec<AtomicBool>,
    blobs: Option<Names>,
}

impl<'a> Walk<'a> {
    fn new(repository: &'a Arc<Repository>, listed: &HashSet<[u8; 32]>, detail: Detail) -> Self {
        let packfiles = repository.index.packfile_list();
        Self {
            repository,
            present: packfiles.iter().map(|packfile| listed.contains(&packfile.0)).collect(),
            met: Names::new(),
            unstored: AtomicU64::new(0),
            used: packfiles.iter().map(|_| AtomicBool::new(false)).collect(),
            blobs: (detail == Detail::Blobs).then(Names::new),
        }
    }

    /// Walks snapshots, so many at the same time.
    fn snapshots(&self, ids: &[SnapshotId], at_once: usize, monitor: &dyn Monitor) -> Result<(), Error> {
        for batch in ids.chunks(OBJECTS_PER_BATCH) {
            let opened = Snapshot::open_many(self.repository, batch);
            let waiting = Mutex::new(batch.iter().zip(opened));
            let failure = Mutex::new(None);
            let work = || {
                while guard(&failure).is_none() {
                    let next = guard(&waiting).next();
                    let Some((&id, snapshot)) = next else { return };
                    match snapshot.and_then(|snapshot| self.snapshot(&snapshot)) {
                        Ok(()) => monitor.event(Event::Progress { entries: 1, bytes: 0 }),
                        Err(error) => _ = guard(&failure).get_or_insert(blocked(id, error)),
                    }
                }
            };
            std::thread::scope(|scope| (0..at_once.min(batch.len())).for_each(|_| drop(scope.spawn(work))));
            if let Some(error) = unwrap_mutex(failure) {
                return Err(error);
            }
        }
        Ok(())
    }

    fn snapshot(&self, snapshot: &Snapshot) -> Result<(), Error> {
        self.repository.runtime().proceed()?;
        let id = Mac(snapshot.id().0);
        self.reach(BlobId::new(ResourceType::SNAPSHOT, id))?;
        let signature = BlobId::new(ResourceType::SIGNATURE, id);
        if self.repository.locate(signature).is_some() {
            self.reach(signature)?;
        }
        self.sources(snapshot)
    }

    fn sources(&self, snapshot: &Snapshot) -> Result<(), Error> {
        snapshot.header().sources.iter().try_for_each(|source| self.source(snapshot, source))
    }

    fn source(&self, snapshot: &Snapshot, source: &SourceRecord) -> Result<(), Error> {
        // Listings first: they hold the entries, which need not be looked up or read again then.
        let (listings, others): (Vec<_>, Vec<_>) =
            source.indexes.iter().partition(|index| index.name == *Index::DIRPACK);
        listings.into_iter().chain(others).try_for_each(|index| self.index(snapshot, index))?;
        let roots = source.roots;
        let errors = self.tree(snapshot, ResourceType::ERROR_BTREE, roots.errors, Role::ErrorNode)?;
        for (_, mac) in errors {
            self.reach(BlobId::new(ResourceType::ERROR_ENTRY, mac))?;
        }
        let attributes = self.tree(snapshot, ResourceType::XATTR_BTREE, roots.xattrs, Role::XattrNode)?;
        self.attributes(snapshot, &attributes)?;
        let entries = self.tree(snapshot, ResourceType::VFS_BTREE, roots.root, Role::FileNode)?;
        self.entries(snapshot, &entries)
    }

    fn index(&self, snapshot: &Snapshot, index: &Index) -> Result<(), Error> {
        let role = match index.name.as_bytes() {
            name if name == Index::CONTENT_TYPE.as_bytes() => Role::ContentTypeNode,
            name if name == Index::DIRPACK.as_bytes() => Role::ListingNode,
            name if name == Index::SUMMARY.as_bytes() => Role::SummaryNode,
            _ => {
                let name = index.name.escape_ascii().to_string();
                return Err(snapshot.damaged(format!("nobody knows what its index \"{name}\" holds")));
            }
        };
        if index.kind != *Index::BTREE {
            return Err(snapshot.damaged("an index of it is not a tree"));
        }
        let values = self.tree(snapshot, ResourceType::BTREE_ROOT, index.value, role)?;
        match role {
            Role::ListingNode => self.listings(snapshot, values),
            Role::SummaryNode => values
                .iter()
                .try_for_each(|(_, mac)| self.reach(BlobId::new(ResourceType::VFS_SUMMARY, *mac))),
            _ => values.iter().try_for_each(|(_, mac)| self.entry_unless_met(*mac)),
        }
    }

    /// Reaches the nodes of a tree that were not met; returns keys and values of the new leaves.
    fn tree(
        &self,
        snapshot: &Snapshot,
        record_type: ResourceType,
        record: Mac,
        role: Role,
    ) -> Result<Vec<Row>, Error> {
        self.reach(BlobId::new(record_type, record))?;
        let order = if record_type == ResourceType::VFS_BTREE { KeyOrder::Tree } else { KeyOrder::Bytes };
        let tree = snapshot.tree(record_type, record, order)?;
        // Keys matter for messages about listings only.
        let with_keys = role == Role::ListingNode;
        let mut values = Vec::new();
        tree.scan_pruned(
            &mut |node| {
                self.reach(node)?;
                Ok(self.is_new(role, node.mac))
            },
            &mut |key, mac| {
                values.push((if with_keys { key.into() } else { Box::default() }, mac));
                Ok(())
            },
        )?;
        Ok(values)
    }

    /// Reaches new listings and what their entries name.
    fn listings(&self, snapshot: &Snapshot, mut rows: Vec<Pair>) -> Result<(), Error> {
        rows.retain(|(_, mac)| self.is_new(Role::Listing, *mac));
        rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let macs: Vec<Mac> = rows.iter().map(|(_, mac)| *mac).collect();
        self.objects(snapshot, &macs)?;
        let index = DirectoryIndex::of_rows(rows.clone());
        let mut stream = ListingStream::new(snapshot, &index, 0..index.len());
        let mut contents = Vec::new();
        for (directory, _) in &rows {
            let missing = || Error::Internal("a listing was not delivered".to_owned());
            let mut frames = FrameReader::new(stream.next().unwrap_or_else(|| Err(missing()))?);
            while let Some(frame) = frames.next(snapshot, directory) {
                let (named, _) = frame?;
                if self.is_new(Role::Entry, named.mac) {
                    self.entry_if_stored(named.mac)?;
                    self.content(&named.entry, &mut contents);
                }
            }
            if contents.len() >= OBJECTS_PER_BATCH {
                self.objects(snapshot, &std::mem::take(&mut contents))?;
            }
        }
        self.objects(snapshot, &contents)
    }

    /// Reaches the entries of the file tree; those that no listing had are read.
    fn entries(&self, snapshot: &Snapshot, entries: &[Pair]) -> Result<(), Error> {
        let mut unread = Vec::new();
        for (_, mac) in entries {
            if self.is_new(Role::Entry, *mac) {
                self.reach(BlobId::new(ResourceType::VFS_ENTRY, *mac))?;
                unread.push(BlobId::new(ResourceType::VFS_ENTRY, *mac));
            }
        }
        for batch in unread.chunks(OBJECTS_PER_BATCH) {
            let mut contents = Vec::new();
            for entry in snapshot.decode_blobs(batch, Entry::decode) {
                self.content(&entry?, &mut contents);
            }
            self.objects(snapshot, &contents)?;
        }
        Ok(())
    }

    fn attributes(&self, snapshot: &Snapshot, values: &[Pair]) -> Result<(), Error> {
        let mut unread = Vec::new();
        for (_, mac) in values {
            let blob = BlobId::new(ResourceType::XATTR_ENTRY, *mac);
            self.reach(blob)?;
            if self.is_new(Role::Xattr, *mac) {
                unread.push(blob);
            }
        }
        for batch in unread.chunks(OBJECTS_PER_BATCH) {
            let mut contents = Vec::new();
            for entry in snapshot.decode_blobs(batch, XattrEntry::decode) {
                let object = entry?.object;
                if !object.is_zero() && self.is_new(Role::Content, object) {
                    contents.push(object);
                }
            }
            self.objects(snapshot, &contents)?;
        }
        Ok(())
    }

    /// Notes the content of an entry, if it is new.
    fn content(&self, entry: &Entry, contents: &mut Vec<Mac>) {
        if !entry.object.is_zero() && self.is_new(Role::Content, entry.object) {
            contents.push(entry.object);
        }
    }

    /// Reaches objects and their chunks.
    fn objects(&self, snapshot: &Snapshot, macs: &[Mac]) -> Result<(), Error> {
        for batch in macs.chunks(OBJECTS_PER_BATCH) {
            self.repository.runtime().proceed()?;
            for (object, &mac) in snapshot.objects(batch).into_iter().zip(batch) {
                self.reach(BlobId::new(ResourceType::OBJECT, mac))?;
                for chunk in object?.chunks {
                    self.reach(BlobId::new(ResourceType::CHUNK, chunk.mac))?;
                }
            }
        }
        Ok(())
    }

    /// Reaches an entry of another tree. A file that comes or goes moves the rows of all that follow it to
    /// other nodes: most rows of new nodes are of entries that were reached before.
    fn entry_unless_met(&self, mac: Mac) -> Result<(), Error> {
        if self.met.contains(Met::new(Role::Entry as u8, mac)) { Ok(()) } else { self.entry_if_stored(mac) }
    }

    /// The reference implementation leaves entries behind that only a listing has.
    fn entry_if_stored(&self, mac: Mac) -> Result<(), Error> {
        let blob = BlobId::new(ResourceType::VFS_ENTRY, mac);
        match self.reach(blob) {
            Err(Error::BlobMissing { .. }) => {
                self.unstored.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Marks the packfile of a blob.
    fn reach(&self, blob: BlobId) -> Result<(), Error> {
        let missing = || Error::BlobMissing { resource: blob.resource, mac: blob.mac };
        let at = self.repository.index.place(blob).ok_or_else(missing)?.packfile as usize;
        if !self.present.get(at).copied().unwrap_or(false) {
            let packfile = self.repository.locate(blob).ok_or_else(missing)?.packfile;
            let reason = "its packfile is not in the store".to_owned();
            return Err(Error::BlobDamaged { resource: blob.resource, mac: blob.mac, packfile, reason });
        }
        if let Some(used) = self.used.get(at) {
            used.store(true, Ordering::Relaxed);
        }
        if let Some(blobs) = &self.blobs {
            blobs.insert(Met::new(blob.resource.0, blob.mac));
        }
        Ok(())
    }

    fn is_new(&self, role: Role, mac: Mac) -> bool {
        self.met.insert(Met::new(role as u8, mac))
    }
}
