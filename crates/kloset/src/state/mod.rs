//! The merged view of all states: which blobs and snapshots exist, and where.
//!
//! An [`Index`] is immutable once built; what the running command adds is kept by the writer.
//! A location counts only if its packfile has a packfile entry and is neither marked for
//! deletion nor deleted.

pub(crate) mod local;
mod merge;

pub(crate) use merge::{LoadedState, View, build};

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use kloset_format::{Mac, PackfileId, ResourceType, SnapshotId, StateId};

use crate::{BlobId, BlobLocation};

/// The index of a store.
#[derive(Default)]
pub(crate) struct Index {
    /// States it was built from, oldest first.
    states: Vec<StateId>,
    /// Live packfiles; places refer to them by position.
    packfiles: Vec<PackfileId>,
    places: HashMap<BlobId, Place, BuildHasherDefault<MacHasher>>,
    removed_snapshots: HashSet<Mac>,
    /// Named as parents, but not among the states.
    missing_parents: HashSet<StateId>,
    /// Named by packfile entries, but not among the states; with those packfiles.
    missing_states: HashMap<StateId, Vec<PackfileId>>,
    /// Packfiles marked for deletion, with the time of the mark; some are in no state.
    coloured: HashMap<PackfileId, i64>,
    deleted_packfiles: HashSet<PackfileId>,
    /// What each of the packfiles holds.
    held: Vec<Held>,
}

/// Blobs of one packfile that states tell of, padding left out.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Held {
    pub(crate) blobs: u64,
    /// Encoded.
    pub(crate) bytes: u64,
}

/// A blob's place, with the packfile as a position in [`Index::packfiles`]: 16 bytes instead of 44.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) packfile: u32,
    pub(crate) length: u32,
}

impl Index {
    /// Snapshots whose header is reachable and that were not removed.
    pub(crate) fn snapshots(&self) -> Vec<SnapshotId> {
        self.places
            .keys()
            .filter(|blob| {
                blob.resource == ResourceType::SNAPSHOT && !self.removed_snapshots.contains(&blob.mac)
            })
            .map(|blob| SnapshotId(blob.mac.0))
            .collect()
    }

    /// Whether a snapshot was removed.
    pub(crate) fn was_removed(&self, snapshot: SnapshotId) -> bool {
        self.removed_snapshots.contains(&Mac(snapshot.0))
    }

    /// Where a blob lies.
    pub(crate) fn find(&self, blob: BlobId) -> Option<BlobLocation> {
        let place = self.place(blob)?;
        let packfile = *self.packfiles.get(place.packfile as usize)?;
        Some(BlobLocation { packfile, offset: place.offset, length: place.length })
    }

    /// As [`Index::find`], with the packfile as a position.
    pub(crate) fn place(&self, blob: BlobId) -> Option<Place> {
        self.places.get(&blob).copied()
    }

    /// Live packfiles.
    pub(crate) fn packfiles(&self) -> Vec<PackfileId> {
        self.packfiles.clone()
    }

    /// Live packfiles, borrowed.
    pub(crate) fn packfile_list(&self) -> &[PackfileId] {
        &self.packfiles
    }

    /// Names of the states the index was built from, oldest first.
    pub(crate) fn states(&self) -> &[StateId] {
        &self.states
    }

    /// States that others name as their parents and that are not there.
    pub(crate) fn missing_parents(&self) -> &HashSet<StateId> {
        &self.missing_parents
    }

    /// States that packfile entries name and that are not there, with those packfiles.
    pub(crate) fn missing_states(&self) -> &HashMap<StateId, Vec<PackfileId>> {
        &self.missing_states
    }

    /// Packfiles marked for deletion, with the time of the mark in nanoseconds since 1970.
    pub(crate) fn coloured(&self) -> &HashMap<PackfileId, i64> {
        &self.coloured
    }

    /// Packfiles that were taken back for good.
    pub(crate) fn deleted_packfiles(&self) -> &HashSet<PackfileId> {
        &self.deleted_packfiles
    }

    /// What each packfile of [`Index::packfile_list`] holds.
    pub(crate) fn held(&self) -> &[Held] {
        &self.held
    }

    /// Every blob with its place.
    pub(crate) fn places(&self) -> impl Iterator<Item = (BlobId, Place)> + '_ {
        self.places.iter().map(|(blob, place)| (*blob, *place))
    }

    /// The state that a new one names as its parent: the newest applied one.
    pub(crate) fn newest_state(&self) -> StateId {
        self.states.last().copied().unwrap_or(StateId::ZERO)
    }
}

/// Hashes a blob id by the first bytes of its MAC, which is uniform already.
#[derive(Default)]
pub(crate) struct MacHasher(u64);

impl Hasher for MacHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(8) {
            let mut word = [0u8; 8];
            word[..piece.len()].copy_from_slice(piece);
            self.0 = self.0.rotate_left(5) ^ u64::from_le_bytes(word);
        }
        self.0 = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u8(&mut self, byte: u8) {
        self.0 ^= u64::from(byte) << 56;
    }

    fn write_usize(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests;
