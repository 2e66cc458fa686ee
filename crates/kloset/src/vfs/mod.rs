//! The tree of files in a snapshot: lookup, listing, walking, reading contents.
//!
//! Directories are read through the `dirpack` index where the snapshot has one (an object per
//! directory with all its entries), else through the file tree, entry by entry. A dirpack that is
//! damaged is replaced by the file tree too, and the other way round.

mod content;
mod listing;
mod lookup;
mod open;
pub mod parent;
#[cfg(test)]
mod tests;
mod walk;
mod xattrs;

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use kloset_format::entry::Entry;
use kloset_format::error_entry::ErrorEntry;
use kloset_format::{KeyOrder, Mac, ResourceType, path};

use crate::btree::Tree;
use crate::{BlobId, Error, Snapshot};

pub(crate) use content::OBJECTS_PER_BATCH;
pub(crate) use content::read_chunks;
pub(crate) use listing::{DirectoryIndex, FrameReader, ListingStream, children_from_tree};
pub use open::OpenFile;
pub use parent::{ParentEntry, ParentTree};
pub(crate) use walk::{Step, walk_steps};
pub use xattrs::{NamedValue, XattrTable};

/// A path of a snapshot and what is there.
#[derive(Clone, Debug)]
pub struct Found {
    /// Absolute clean path.
    pub path: Vec<u8>,
    /// The entry.
    pub entry: Entry,
}

/// An entry with the name of its blob.
#[derive(Clone, Debug)]
pub(crate) struct NamedEntry {
    pub entry: Entry,
    pub mac: Mac,
}

/// What a snapshot remembers of its trees between calls.
#[derive(Default)]
pub(crate) struct SnapshotTrees {
    /// The part of the dirpack index that the first walk loaded, and the directory it is below.
    directories: OnceLock<(Vec<u8>, Arc<DirectoryIndex>)>,
    nodes: crate::btree::NodeCache,
    /// The path that was looked up last: who finds a path most often goes on with it.
    last_found: Mutex<Option<(Vec<u8>, NamedEntry)>>,
}

impl SnapshotTrees {
    fn found(&self, path: &[u8]) -> Option<NamedEntry> {
        let last = self.last_found.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(have, _)| have == path).map(|(_, entry)| entry.clone())
    }

    fn remember(&self, path: &[u8], entry: &NamedEntry) {
        let mut last = self.last_found.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((path.to_vec(), entry.clone()));
    }
}

impl Snapshot {
    /// Paths that could not be read when the snapshot was made, in byte order.
    pub fn errors(&self) -> Result<Vec<ErrorEntry>, Error> {
        let tree = self.tree(ResourceType::ERROR_BTREE, self.source().roots.errors, KeyOrder::Bytes)?;
        let mut wanted = Vec::new();
        tree.scan(&mut |_, mac| {
            wanted.push(BlobId::new(ResourceType::ERROR_ENTRY, mac));
            Ok(())
        })?;
        let mut entries = Vec::with_capacity(wanted.len());
        for batch in wanted.chunks(OBJECTS_PER_BATCH) {
            for entry in self.decode_blobs(batch, ErrorEntry::decode) {
                entries.push(entry?);
            }
        }
        Ok(entries)
    }

    pub(crate) fn tree(
        &self,
        record_type: ResourceType,
        record: Mac,
        order: KeyOrder,
    ) -> Result<Tree<'_>, Error> {
        Tree::open(self.repository(), &self.trees().nodes, record_type, record, order)
    }

    pub(crate) fn file_tree(&self) -> Result<Tree<'_>, Error> {
        self.tree(ResourceType::VFS_BTREE, self.source().roots.root, KeyOrder::Tree)
    }

    /// The dirpack index at and below `directory`, if the snapshot has one. The first one loaded is
    /// kept.
    pub(crate) fn directory_index(&self, directory: &[u8]) -> Result<Option<Arc<DirectoryIndex>>, Error> {
        if let Some((base, index)) = self.trees().directories.get()
            && base == directory
        {
            return Ok(Some(Arc::clone(index)));
        }
        let Some(index) = DirectoryIndex::load(self, directory)?.map(Arc::new) else { return Ok(None) };
        let _ = self.trees().directories.set((directory.to_vec(), Arc::clone(&index)));
        Ok(Some(index))
    }

    /// The index of this name, if the snapshot has it.
    pub(crate) fn index_tree(&self, name: &str) -> Result<Option<Tree<'_>>, Error> {
        match self.source().indexes.iter().find(|index| index.name == *name && index.kind == *"btree") {
            Some(index) => self.tree(ResourceType::BTREE_ROOT, index.value, KeyOrder::Bytes).map(Some),
            None => Ok(None),
        }
    }
}

/// Orders paths as a walk meets them: like bytes, but with the slash before everything else.
pub(crate) fn walk_order(a: &[u8], b: &[u8]) -> Ordering {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    match (a.get(same), b.get(same)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(b'/'), Some(_)) => Ordering::Less,
        (Some(_), Some(b'/')) => Ordering::Greater,
        (Some(a), Some(b)) => a.cmp(b),
    }
}

/// Where `key` stands relative to the paths at and below `directory`, in byte order. Paths in
/// between that do not belong there (`/a-b` between `/a` and `/a/c`) count as inside.
pub(crate) fn position_below(directory: &[u8], key: &[u8]) -> Ordering {
    if directory == b"/" || path::is_within(key, directory) {
        return Ordering::Equal;
    }
    if key < directory {
        return Ordering::Less;
    }
    let rest = key.strip_prefix(directory);
    if rest.is_some_and(|rest| rest.first() < Some(&b'/')) { Ordering::Equal } else { Ordering::Greater }
}
