//! The trees of one snapshot: read whole, and their values noted as needed.

use kloset_format::error_entry::ErrorEntry;
use kloset_format::header::Index;
use kloset_format::xattr::XattrEntry;
use kloset_format::{DecodeError, KeyOrder, Mac, ResourceType, Summary, path};

use super::failures::Failures;
use super::needs::Packfiles;
use crate::vfs::OBJECTS_PER_BATCH;
use crate::{BlobId, Error, Snapshot};

/// What the trees of a snapshot hold.
#[derive(Default)]
pub(super) struct Trees {
    /// Digest of paths and entries of the file tree at and below the start, if it could be read.
    pub files: Option<Fingerprint>,
    /// Directories and the objects of their listings.
    pub listings: Vec<Pair>,
    /// Paths and the objects of their extended attributes.
    pub attributes: Vec<Pair>,
}

/// Key and value of a tree.
type Pair = (Vec<u8>, Mac);

/// Receives the decoded value of a key; an `Err` says what is wrong with it.
type Take<'a, T> = &'a mut dyn FnMut(&mut Trees, &[u8], T) -> Result<(), &'static str>;

/// A digest of a set of paths and entries that does not depend on their order.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Fingerprint {
    count: u64,
    sum: [u8; 32],
}

impl Fingerprint {
    /// Adds a path and the name of its entry.
    pub(crate) fn add(&mut self, snapshot: &Snapshot, path: &[u8], entry: Mac) {
        self.count += 1;
        let digest = snapshot.repository().key().mac_parts(&[&entry.0, path]);
        for (sum, byte) in self.sum.iter_mut().zip(digest.0) {
            *sum ^= byte;
        }
    }
}

/// Notes the header, and the signature if there is one.
pub(super) fn need_header(snapshot: &Snapshot, packfiles: &mut Packfiles) {
    let id = Mac(snapshot.id().0);
    let mut need = |resource| packfiles.need(snapshot.repository(), BlobId::new(resource, id));
    need(ResourceType::SNAPSHOT);
    if !snapshot.header().identity.is_nobody() {
        need(ResourceType::SIGNATURE);
    }
}

/// Reads every tree of a snapshot. Damage goes to `failures`; an `Err` is a store that cannot be
/// reached, or the interrupt.
pub(super) fn read_trees(
    snapshot: &Snapshot,
    start: &[u8],
    packfiles: &mut Packfiles,
    failures: &mut Failures<'_>,
) -> Result<Trees, Error> {
    let mut reading = Reading { snapshot, packfiles, failures, trees: Trees::default() };
    reading.files(start)?;
    reading.errors()?;
    reading.attributes(start)?;
    for index in &snapshot.source().indexes {
        reading.index(index, start)?;
    }
    Ok(reading.trees)
}

struct Reading<'a, 'b> {
    snapshot: &'a Snapshot,
    packfiles: &'a mut Packfiles,
    failures: &'a mut Failures<'b>,
    trees: Trees,
}

impl Reading<'_, '_> {
    fn need(&mut self, resource: ResourceType, mac: Mac) {
        self.packfiles.need(self.snapshot.repository(), BlobId::new(resource, mac));
    }

    fn files(&mut self, start: &[u8]) -> Result<(), Error> {
        let snapshot = self.snapshot;
        let mut fingerprint = Fingerprint::default();
        let root = snapshot.source().roots.root;
        let is_whole =
            self.scan(ResourceType::VFS_BTREE, root, KeyOrder::Tree, &mut |reading, key, mac| {
                reading.need(ResourceType::VFS_ENTRY, mac);
                if path::is_within(key, start) {
                    fingerprint.add(snapshot, key, mac);
                }
            })?;
        self.trees.files = is_whole.then_some(fingerprint);
        Ok(())
    }

    fn errors(&mut self) -> Result<(), Error> {
        let root = self.snapshot.source().roots.errors;
        let entries = self.values(ResourceType::ERROR_BTREE, root, ResourceType::ERROR_ENTRY)?;
        self.decode(&entries, ResourceType::ERROR_ENTRY, ErrorEntry::decode, &mut |_, key, entry| {
            (entry.name == key).then_some(()).ok_or("an error is not about the path of its key")
        })
    }

    fn attributes(&mut self, start: &[u8]) -> Result<(), Error> {
        let root = self.snapshot.source().roots.xattrs;
        let entries = self.values(ResourceType::XATTR_BTREE, root, ResourceType::XATTR_ENTRY)?;
        self.decode(&entries, ResourceType::XATTR_ENTRY, XattrEntry::decode, &mut |trees, key, entry| {
            if path::is_within(&entry.path, start) {
                trees.attributes.push((entry.path.clone(), entry.object));
            }
            // Early releases used the bare path as key.
            let is_right = entry.tree_key() == key || entry.path == key;
            is_right.then_some(()).ok_or("an extended attribute is not what its key says")
        })
    }

    fn index(&mut self, index: &Index, start: &[u8]) -> Result<(), Error> {
        if index.kind != *Index::BTREE {
            return Ok(());
        }
        let kind = match index.name.as_bytes() {
            name if name == Index::CONTENT_TYPE.as_bytes() => Some(ResourceType::VFS_ENTRY),
            name if name == Index::SUMMARY.as_bytes() => Some(ResourceType::VFS_SUMMARY),
            _ => None,
        };
        let is_dirpack = index.name == *Index::DIRPACK;
        let mut root_summary = None;
        self.scan(ResourceType::BTREE_ROOT, index.value, KeyOrder::Bytes, &mut |reading, key, mac| {
            if let Some(kind) = kind {
                reading.need(kind, mac);
            }
            if is_dirpack && path::is_within(key, start) {
                reading.trees.listings.push((key.to_vec(), mac));
            }
            if kind == Some(ResourceType::VFS_SUMMARY) && key == b"/" {
                root_summary = Some(mac);
            }
        })?;
        if let Some(mac) = root_summary {
            self.summary(mac)?;
        }
        Ok(())
    }

    /// The header repeats the summary of the root.
    fn summary(&mut self, mac: Mac) -> Result<(), Error> {
        let blob = BlobId::new(ResourceType::VFS_SUMMARY, mac);
        match self.snapshot.decode_blobs(&[blob], Summary::decode).pop() {
            Some(Ok(summary)) if summary != self.snapshot.source().summary => {
                self.failures.object(mac, "the summary of / is not the one in the header");
            }
            Some(Err(error)) => self.failures.error(error)?,
            _ => {}
        }
        Ok(())
    }

    /// Scans one tree; `false` if it could not be read to the end.
    fn scan(
        &mut self,
        record_type: ResourceType,
        record: Mac,
        order: KeyOrder,
        visit: &mut dyn FnMut(&mut Self, &[u8], Mac),
    ) -> Result<bool, Error> {
        self.need(record_type, record);
        let mut nodes = Vec::new();
        let scanned = self.snapshot.tree(record_type, record, order).and_then(|tree| {
            tree.scan_observed(
                &|_| std::cmp::Ordering::Equal,
                &mut |node| nodes.push(node),
                &mut |key, mac| {
                    visit(self, key, mac);
                    Ok(())
                },
            )
        });
        for node in nodes {
            self.packfiles.need(self.snapshot.repository(), node);
        }
        match scanned {
            Ok(()) => Ok(true),
            Err(error) => self.failures.error(error).map(|()| false),
        }
    }

    /// Keys and values of a tree whose values are of one type.
    fn values(
        &mut self,
        record_type: ResourceType,
        record: Mac,
        value_type: ResourceType,
    ) -> Result<Vec<Pair>, Error> {
        let mut values = Vec::new();
        self.scan(record_type, record, KeyOrder::Bytes, &mut |reading, key, mac| {
            reading.need(value_type, mac);
            values.push((key.to_vec(), mac));
        })?;
        Ok(values)
    }

    /// Decodes values in batches and compares each with its key.
    fn decode<T: Send + Sync>(
        &mut self,
        entries: &[Pair],
        resource: ResourceType,
        decode: impl Fn(&[u8]) -> Result<T, DecodeError> + Sync,
        take: Take<'_, T>,
    ) -> Result<(), Error> {
        for batch in entries.chunks(OBJECTS_PER_BATCH) {
            let wanted: Vec<BlobId> = batch.iter().map(|(_, mac)| BlobId::new(resource, *mac)).collect();
            for (value, (key, mac)) in self.snapshot.decode_blobs(&wanted, &decode).into_iter().zip(batch) {
                match value {
                    Ok(value) => {
                        if let Err(reason) = take(&mut self.trees, key, value) {
                            self.failures.object(*mac, reason);
                        }
                    }
                    Err(error) => self.failures.error(error)?,
                }
            }
        }
        Ok(())
    }
}
