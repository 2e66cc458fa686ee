//! The merged view of all states: which blobs and snapshots exist, and where.
//!
//! An [`Index`] is immutable once built; what the running command adds is kept by the writer.
//! A location counts only if its packfile has a packfile entry and is neither marked for
//! deletion nor deleted. Places are sorted arrays ([`records`]); what was merged is kept in the local
//! cache ([`saved`]), so that only states that came since are read.

mod anew;
mod branches;
pub(crate) mod local;
mod merge;
mod records;
pub(crate) mod saved;

pub(crate) use merge::{AIMS_AT_COLOURED, AIMS_AT_LOCATION, LoadedState, Merged, Merger};

use std::collections::{HashMap, HashSet};
use std::hash::Hasher;

use kloset_format::{PackfileId, ResourceType, SnapshotId, StateId};

use self::records::Records;
use crate::{BlobId, BlobLocation};

/// How much of the states an index shows.
#[derive(Clone, Copy)]
pub(crate) enum View<'a> {
    /// What counts: nothing that is marked for deletion.
    Live,
    /// Marked packfiles, too, for maintenance. Of several copies of a blob the one in a packfile that
    /// is `listed` counts, and before all the one in a packfile that is not marked.
    Everything {
        /// Packfiles in the store.
        listed: &'a HashSet<PackfileId>,
    },
}

impl View<'_> {
    /// How little the copies of blobs in a packfile count; `None` if they do not at all.
    fn rank(self, packfile: PackfileId, is_coloured: bool) -> Option<Rank> {
        match self {
            Self::Live if is_coloured => None,
            Self::Everything { listed } if !listed.contains(&packfile) => Some(Rank::Absent),
            _ if is_coloured => Some(Rank::Coloured),
            _ => Some(Rank::Live),
        }
    }
}

/// Copies of lower rank are preferred.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Live,
    Coloured,
    Absent,
}

/// How a mentioned packfile is shown.
#[derive(Clone, Copy)]
struct Shown {
    /// Position in [`Index::packfiles`].
    position: u32,
    rank: Rank,
}

/// The index of a store.
#[derive(Default)]
pub(crate) struct Index {
    merged: Merged,
    /// Packfiles that count; places refer to them by position.
    packfiles: Vec<PackfileId>,
    /// By position among all packfiles that are mentioned.
    shown: Vec<Option<Shown>>,
    /// Named by packfile entries, but not among the states; with those packfiles.
    missing_states: HashMap<StateId, Vec<PackfileId>>,
    /// Packfiles marked for deletion, with the time of the mark; some are in no state.
    coloured: HashMap<PackfileId, i64>,
}

/// Blobs of one packfile that states tell of, padding left out.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Held {
    pub(crate) blobs: u64,
    /// Encoded.
    pub(crate) bytes: u64,
}

/// A blob's place, with the packfile as a position: 16 bytes instead of 44.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) packfile: u32,
    pub(crate) length: u32,
}

impl Index {
    /// Shows what states say.
    pub(crate) fn new(merged: Merged, view: View<'_>) -> Self {
        let marked = merged.coloured.iter().filter(|(blob, _)| blob.resource == ResourceType::PACKFILE);
        let coloured: HashMap<PackfileId, i64> =
            marked.map(|(blob, &when_ns)| (PackfileId(blob.mac.0), when_ns)).collect();
        let mut packfiles = Vec::new();
        let mut shown = Vec::with_capacity(merged.packfiles.len());
        for packfile in &merged.packfiles {
            let rank = view.rank(packfile.id, coloured.contains_key(&packfile.id));
            let rank = rank.filter(|_| merged.tells_of(packfile));
            shown.push(rank.map(|rank| Shown { position: packfiles.len() as u32, rank }));
            packfiles.extend(rank.map(|_| packfile.id));
        }
        let mut missing_states: HashMap<StateId, Vec<PackfileId>> = HashMap::new();
        if !merged.strange.is_empty() {
            let known: HashSet<&PackfileId> = packfiles.iter().collect();
            for (packfile, state) in merged.strange.iter().filter(|(packfile, _)| known.contains(packfile)) {
                missing_states.entry(*state).or_default().push(*packfile);
            }
        }
        Self { merged, packfiles, shown, missing_states, coloured }
    }

    /// What the states say, to go on from.
    pub(crate) fn merged(&self) -> &Merged {
        &self.merged
    }

    /// Snapshots whose header is reachable and that were not removed.
    pub(crate) fn snapshots(&self) -> Vec<SnapshotId> {
        let mut found: Vec<SnapshotId> = self
            .layers()
            .into_iter()
            .flat_map(Records::iter)
            .filter(|(blob, _)| blob.resource == ResourceType::SNAPSHOT)
            .map(|(blob, _)| SnapshotId(blob.mac.0))
            .collect();
        found.sort_unstable();
        found.dedup();
        found.retain(|id| self.has_snapshot(*id));
        found
    }

    /// Whether a snapshot is listed.
    pub(crate) fn has_snapshot(&self, snapshot: SnapshotId) -> bool {
        self.place(BlobId::header(snapshot)).is_some() && !self.was_removed(snapshot)
    }

    /// Whether a snapshot was removed.
    pub(crate) fn was_removed(&self, snapshot: SnapshotId) -> bool {
        self.merged.coloured.contains_key(&BlobId::header(snapshot))
    }

    /// Where a blob lies.
    pub(crate) fn find(&self, blob: BlobId) -> Option<BlobLocation> {
        let place = self.place(blob)?;
        let packfile = *self.packfiles.get(place.packfile as usize)?;
        Some(BlobLocation { packfile, offset: place.offset, length: place.length })
    }

    /// As [`Index::find`], with the packfile as a position.
    ///
    /// A blob is stored again only where its packfile was missing or its place not known: the newest
    /// copy is the one to rely on.
    pub(crate) fn place(&self, blob: BlobId) -> Option<Place> {
        let mut best: Option<(Rank, Place)> = None;
        for copy in self.layers().into_iter().flat_map(|records| records.copies(blob)) {
            if let Some((rank, place)) = self.show(blob, copy)
                && best.is_none_or(|(least, _)| rank < least)
            {
                best = Some((rank, place));
            }
        }
        best.map(|(_, place)| place)
    }

    /// All places of a blob in packfiles that states name, those marked for deletion included.
    pub(crate) fn copies(&self, blob: BlobId) -> Vec<BlobLocation> {
        let merged = &self.merged;
        let copies = self.layers().into_iter().flat_map(|records| records.copies(blob));
        copies
            .filter_map(|copy| {
                let at = copy.packfile as usize;
                let packfile = merged.packfiles.get(at)?;
                let counts = merged.tells_of(packfile) && !merged.has_lost(blob, at)?;
                let place = BlobLocation { packfile: packfile.id, offset: copy.offset, length: copy.length };
                counts.then_some(place)
            })
            .collect()
    }

    /// Newer places first.
    fn layers(&self) -> [&Records; 2] {
        [&self.merged.new, &self.merged.old]
    }

    /// A copy with its packfile as a position, if it counts.
    fn show(&self, blob: BlobId, copy: Place) -> Option<(Rank, Place)> {
        let at = copy.packfile as usize;
        let shown = (*self.shown.get(at)?)?;
        if self.merged.has_lost(blob, at)? {
            return None;
        }
        Some((shown.rank, Place { packfile: shown.position, ..copy }))
    }

    /// By position among the packfiles: whether it was left behind by a run that published no snapshot.
    /// A run of another client that is at work looks the same. Empty if there is none.
    pub(crate) fn left_behind(&self) -> Vec<bool> {
        let left = &self.merged.left_behind;
        let any = self.packfiles.iter().any(|id| left.contains(id));
        if any { self.packfiles.iter().map(|id| left.contains(id)).collect() } else { Vec::new() }
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
        &self.merged.states
    }

    /// The latest time that any of the states gives for itself.
    pub(crate) fn newest_ns(&self) -> i64 {
        self.merged.newest_ns
    }

    /// States that others name as their parents and that are not there.
    pub(crate) fn missing_parents(&self) -> &HashSet<StateId> {
        self.merged.missing_parents()
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
        &self.merged.deleted_packfiles
    }

    /// What each packfile of [`Index::packfile_list`] holds; copies count.
    pub(crate) fn held(&self) -> Vec<Held> {
        let mut held = vec![Held::default(); self.packfiles.len()];
        for (blob, copy) in self.layers().into_iter().flat_map(Records::iter) {
            if let Some((_, place)) = self.show(blob, copy)
                && let Some(held) = held.get_mut(place.packfile as usize)
            {
                held.blobs += 1;
                held.bytes = held.bytes.saturating_add(u64::from(place.length));
            }
        }
        held
    }

    /// Every blob with its place.
    pub(crate) fn places(&self) -> impl Iterator<Item = (BlobId, Place)> + '_ {
        let [new, old] = self.layers();
        let new_ones = distinct(new);
        let others = distinct(old).filter(move |blob| new.copies(*blob).next().is_none());
        new_ones.chain(others).filter_map(|blob| Some((blob, self.place(blob)?)))
    }

    /// States that `newest` does not build on, branch by branch, the oldest of each first.
    pub(crate) fn branches_beside(&self, newest: StateId) -> Vec<Vec<StateId>> {
        branches::beside(newest, &self.merged.states, &self.merged.parents)
    }

    /// The state that a new one names as its parent.
    pub(crate) fn newest_state(&self) -> StateId {
        self.merged.newest()
    }
}

/// Each blob of some records once.
fn distinct(records: &Records) -> impl Iterator<Item = BlobId> + '_ {
    let mut last = None;
    records.iter().map(|(blob, _)| blob).filter(move |blob| last.replace(*blob) != Some(*blob))
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
