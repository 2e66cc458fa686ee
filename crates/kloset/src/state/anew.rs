//! States written anew: what of all that they say still matters, and whether others say the same.

use std::collections::{HashMap, HashSet};

use kloset_format::state::StateEntry;
use kloset_format::{PackfileId, ResourceType, StateId};

use super::Place;
use super::merge::{AIMS_AT_COLOURED, AIMS_AT_LOCATION, Extent, Merged};
use super::records::key_of;
use crate::{BlobId, BlobLocation};

/// Sizes of entries with their heads: the lengths of the format, and 5.
const LOCATION_BYTES: u64 = 85 + 5;
const MARK_BYTES: u64 = 41 + 5;
const PACKFILE_BYTES: u64 = 72 + 5;
const DELETE_BYTES: u64 = 66 + 5;
/// What a state costs besides its entries: frame, checksum, wrapped key, parent, metadata.
const STATE_BYTES: u64 = 200;
/// Padding of a packfile is told of, but not merged: one in front and one at the end.
const PADDINGS: u64 = 2;
/// States are written anew if they are larger than what still matters of them by this part of it,
const WASTE_PART_MAX: u64 = 10;
/// and by this much.
const WASTE_BYTES_MIN: u64 = 16 << 10;

impl Merged {
    /// States that no other one replaces, oldest first.
    pub(crate) fn unreplaced(&self) -> impl Iterator<Item = (StateId, Extent)> + '_ {
        self.history().filter(|(id, _)| !self.replaced.contains_key(id))
    }

    /// States that are still there although others replace them, oldest first.
    pub(crate) fn replaced(&self) -> impl Iterator<Item = (StateId, Extent)> + '_ {
        self.history().filter(|(id, _)| self.replaced.contains_key(id))
    }

    /// States that others replace, present or not, and for each the first that does.
    pub(crate) fn replacements(&self) -> impl Iterator<Item = (StateId, StateId)> + '_ {
        self.replaced.iter().map(|(state, by)| (*state, *by))
    }

    /// Named as parents, neither there nor replaced.
    pub(crate) fn missing_parents(&self) -> &HashSet<StateId> {
        &self.missing_parents
    }

    /// Every state, oldest first.
    pub(crate) fn history(&self) -> impl Iterator<Item = (StateId, Extent)> + '_ {
        self.states.iter().copied().zip(self.extents.iter().copied())
    }

    /// The state that a new one names as its parent: the one that most states come before, those that it
    /// replaces included, and of several the newest. A writer that looked too long ago leaves a branch that
    /// is short, and nobody shall go on from there.
    pub(crate) fn newest(&self) -> StateId {
        let mut replaced: HashMap<StateId, u64> = HashMap::new();
        self.replaced.values().for_each(|by| *replaced.entry(*by).or_default() += 1);
        let mut before: HashMap<StateId, u64> = HashMap::with_capacity(self.states.len());
        let mut best = (0, StateId::ZERO);
        for (id, parent) in self.states.iter().zip(&self.parents) {
            let others = before.get(parent).copied().unwrap_or(0) + replaced.get(id).copied().unwrap_or(0);
            before.insert(*id, others + 1);
            if others + 1 >= best.0 {
                best = (others + 1, *id);
            }
        }
        best.1
    }

    /// States whose writers looked last before others were merged: they build on one that was replaced and is
    /// gone, so that other readers apply them before or after what replaced it; and what builds on them.
    pub(crate) fn loose(&self) -> HashSet<StateId> {
        let mut loose = HashSet::new();
        if self.replaced.is_empty() {
            return loose;
        }
        let present: HashSet<StateId> = self.states.iter().copied().collect();
        let replacing: HashSet<StateId> = self.replaced.values().copied().collect();
        for (id, parent) in self.states.iter().zip(&self.parents) {
            let builds_on_what_is_gone = !present.contains(parent) && self.replaced.contains_key(parent);
            // What is replaced and what replaces it have their place.
            let has_a_place = self.replaced.contains_key(id) || replacing.contains(id);
            if loose.contains(parent) || (builds_on_what_is_gone && !has_a_place) {
                loose.insert(*id);
            }
        }
        loose
    }

    /// Whether the states are much larger than what will still matter of them when some packfiles have gone
    /// and so many blobs of those have moved elsewhere.
    pub(crate) fn are_wasteful(&self, leaving: &HashSet<PackfileId>, moved_blobs: u64) -> bool {
        let said: u64 = self.unreplaced().map(|(_, extent)| extent.plain_bytes + STATE_BYTES).sum();
        let needed = self.needed_bytes(leaving) + moved_blobs * LOCATION_BYTES + STATE_BYTES;
        said > needed + (needed / WASTE_PART_MAX).max(WASTE_BYTES_MIN)
    }

    /// Bytes of what still matters, in one state.
    fn needed_bytes(&self, leaving: &HashSet<PackfileId>) -> u64 {
        let is_lost = |id: PackfileId| self.is_deleted(id) || leaving.contains(&id);
        let lost: Vec<bool> = self.packfiles.iter().map(|one| is_lost(one.id)).collect();
        let is_lost = |place: Place| lost.get(place.packfile as usize).copied().unwrap_or(true);
        let layers = [&self.new, &self.old];
        let places = layers.into_iter().flat_map(|records| records.iter());
        let places = places.filter(|(_, place)| !is_lost(*place)).count() as u64;
        let packfiles = lost.iter().filter(|lost| !**lost).count() as u64;
        let deletes =
            self.deleted_packfiles.len() + leaving.len() + self.deleted_locations.len() + self.replaced.len();
        let states = self.unreplaced().count();
        places * LOCATION_BYTES
            + packfiles * (PACKFILE_BYTES + PADDINGS * LOCATION_BYTES)
            + self.coloured.len() as u64 * MARK_BYTES
            + (deletes + states) as u64 * DELETE_BYTES
    }

    fn is_deleted(&self, packfile: PackfileId) -> bool {
        self.deleted_packfiles.contains(&packfile)
    }

    /// Whether neither a packfile nor the place of a blob in it was taken back.
    fn holds(&self, blob: BlobId, packfile: PackfileId) -> bool {
        !self.is_deleted(packfile) && !self.deleted_locations.contains(&(blob, packfile))
    }

    /// Whether an entry of one of the states still matters.
    ///
    /// What was taken back need not be said, but that it was: caches of other clients may still have it.
    pub(crate) fn still_matters(&self, entry: &StateEntry) -> bool {
        match entry {
            StateEntry::Location { resource, mac, packfile, .. } => {
                self.holds(BlobId::new(*resource, *mac), *packfile)
            }
            StateEntry::Packfile { packfile, .. } => !self.is_deleted(*packfile),
            StateEntry::Coloured { resource, mac, when_ns } => {
                self.coloured.get(&BlobId::new(*resource, *mac)) == Some(when_ns)
            }
            StateEntry::Delete { entry_type: AIMS_AT_LOCATION, packfile, .. } => !self.is_deleted(*packfile),
            StateEntry::Delete { entry_type: AIMS_AT_COLOURED, resource, mac, .. } => {
                *resource != ResourceType::PACKFILE || !self.is_deleted(PackfileId(mac.0))
            }
            StateEntry::Delete { .. } | StateEntry::Configuration { .. } => true,
        }
    }

    /// Whether `other` says the same about blobs, packfiles and marks.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let deleted_places = |merged: &Self| -> HashSet<(BlobId, PackfileId)> {
            let all = merged.deleted_locations.iter().copied();
            all.filter(|(_, packfile)| !merged.is_deleted(*packfile)).collect()
        };
        self.deleted_packfiles == other.deleted_packfiles
            && self.marks() == other.marks()
            && self.told_packfiles() == other.told_packfiles()
            && deleted_places(self) == deleted_places(other)
            && self.told_places().eq(other.told_places())
    }

    /// What is marked; of packfiles, it matters since when.
    fn marks(&self) -> HashMap<BlobId, Option<i64>> {
        let since = |(blob, when_ns): (&BlobId, &i64)| {
            (*blob, (blob.resource == ResourceType::PACKFILE).then_some(*when_ns))
        };
        self.coloured.iter().map(since).collect()
    }

    /// Packfiles that count.
    fn told_packfiles(&self) -> HashSet<PackfileId> {
        self.packfiles.iter().filter(|packfile| self.tells_of(packfile)).map(|packfile| packfile.id).collect()
    }

    /// Every blob with its places in packfiles that are not deleted.
    fn told_places(&self) -> impl Iterator<Item = (BlobId, Vec<BlobLocation>)> + '_ {
        let (mut new, mut old) = (self.new.iter().peekable(), self.old.iter().peekable());
        std::iter::from_fn(move || {
            loop {
                let next = [new.peek(), old.peek()].into_iter().flatten();
                let blob = next.map(|(blob, _)| *blob).min_by_key(|blob| key_of(*blob))?;
                let mut places = Vec::new();
                for records in [&mut new, &mut old] {
                    while let Some((_, place)) = records.next_if(|(other, _)| *other == blob) {
                        places.extend(self.told_place(blob, place));
                    }
                }
                places.sort_unstable();
                if !places.is_empty() {
                    return Some((blob, places));
                }
            }
        })
    }

    fn told_place(&self, blob: BlobId, place: Place) -> Option<BlobLocation> {
        let packfile = self.packfiles.get(place.packfile as usize)?.id;
        self.holds(blob, packfile).then_some(BlobLocation {
            packfile,
            offset: place.offset,
            length: place.length,
        })
    }
}
