//! A snapshot opened for reading, and how snapshots are found by prefix.

use std::sync::{Arc, OnceLock};

use kloset_format::header::{Header, SourceRecord};
use kloset_format::{PackfileId, ResourceType, SnapshotId};

use crate::repository::DecodeOn;
use crate::vfs::SnapshotTrees;
use crate::{BlobId, Error, Repository};

/// A snapshot opened for reading. Its header has at least one source.
pub struct Snapshot {
    repository: Arc<Repository>,
    header: Header,
    trees: SnapshotTrees,
}

impl Snapshot {
    /// Reads and checks the header of a snapshot.
    pub fn open(repository: &Arc<Repository>, id: SnapshotId) -> Result<Self, Error> {
        let bytes = repository.read_blob(header_blob(id))?;
        Self::decode(repository, id, &bytes)
    }

    /// Reads many headers at once; the result has the order of `ids`.
    pub fn open_many(repository: &Arc<Repository>, ids: &[SnapshotId]) -> Vec<Result<Self, Error>> {
        let wanted: Vec<BlobId> = ids.iter().map(|&id| header_blob(id)).collect();
        let slots: Vec<OnceLock<Result<Self, Error>>> = ids.iter().map(|_| OnceLock::new()).collect();
        repository.read_blobs(&wanted, DecodeOn::AllCores, &|at, result| {
            if let (Some(slot), Some(&id)) = (slots.get(at), ids.get(at)) {
                let _ = slot.set(result.and_then(|bytes| Self::decode(repository, id, &bytes)));
            }
        });
        let undelivered = || Err(Error::Internal("a header was not delivered".to_owned()));
        slots.into_iter().map(|slot| slot.into_inner().unwrap_or_else(undelivered)).collect()
    }

    /// The one snapshot whose id starts with `prefix` (lower-case hexadecimal digits, may be empty).
    pub fn find(repository: &Arc<Repository>, prefix: &str) -> Result<Self, Error> {
        let matching: Vec<SnapshotId> =
            repository.snapshots().into_iter().filter(|id| has_prefix(id, prefix)).collect();
        match matching.as_slice() {
            [] => Err(Error::SnapshotUnknown(prefix.to_owned())),
            [id] => Self::open(repository, *id),
            several => Err(Error::SnapshotAmbiguous { prefix: prefix.to_owned(), count: several.len() }),
        }
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Identifier.
    pub fn id(&self) -> SnapshotId {
        self.header.identifier
    }

    /// The repository it lies in.
    pub fn repository(&self) -> &Arc<Repository> {
        &self.repository
    }

    /// The first source, the only one that any program reads.
    pub fn source(&self) -> &SourceRecord {
        self.header.sources.first().expect("a header without sources is refused when it is opened")
    }

    pub(crate) fn trees(&self) -> &SnapshotTrees {
        &self.trees
    }

    /// Damage of this snapshot as a whole.
    pub(crate) fn damaged(&self, reason: impl Into<String>) -> Error {
        Error::SnapshotDamaged { snapshot: self.id(), reason: reason.into() }
    }

    /// The same snapshot as a writer without indexes would have made it.
    #[cfg(test)]
    pub(crate) fn without_indexes(mut self) -> Self {
        self.header.sources.iter_mut().for_each(|source| source.indexes.clear());
        self
    }

    pub(crate) fn decode(repository: &Arc<Repository>, id: SnapshotId, bytes: &[u8]) -> Result<Self, Error> {
        let damaged = |reason: String| Error::SnapshotDamaged { snapshot: id, reason };
        let header = Header::decode(bytes).map_err(|error| damaged(error.to_string()))?;
        // A header is not named by its MAC: this comparison is what ties it to its name.
        if header.identifier != id {
            return Err(damaged(format!("its header says that it is {}", header.identifier)));
        }
        if header.sources.is_empty() {
            return Err(damaged("its header names no source".to_owned()));
        }
        Ok(Self { repository: Arc::clone(repository), header, trees: SnapshotTrees::default() })
    }
}

fn header_blob(id: SnapshotId) -> BlobId {
    BlobId::new(ResourceType::SNAPSHOT, kloset_format::Mac(id.0))
}

/// Whether `prefix` is made of the first lower-case hexadecimal digits of `id`.
fn has_prefix(id: &SnapshotId, prefix: &str) -> bool {
    let digits = |byte: u8| [byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]);
    prefix.len() <= 64 && prefix.bytes().zip(id.0.iter().flat_map(|&byte| digits(byte))).all(|(a, b)| a == b)
}

/// Damage of a blob whose bytes match its name but do not mean anything.
pub(crate) fn damaged_blob(repository: &Repository, blob: BlobId, reason: &str) -> Error {
    let packfile = repository.locate(blob).map_or(PackfileId::ZERO, |place| place.packfile);
    Error::BlobDamaged { resource: blob.resource, mac: blob.mac, packfile, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_lower_case_hexadecimal_of_any_length() {
        let id = SnapshotId(std::array::from_fn(|i| 0xa0 + i as u8));
        let full = id.to_string();
        for length in 0..=64 {
            assert!(has_prefix(&id, &full[..length]));
        }
        assert!(!has_prefix(&id, "A0"));
        assert!(!has_prefix(&id, "a1"));
        assert!(!has_prefix(&id, "xyz"));
        assert!(!has_prefix(&id, &format!("{full}0")));
    }
}
