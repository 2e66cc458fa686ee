//! What a run of maintenance is going to do, decided before anything is written.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use kloset_connector::Listed;
use kloset_format::packfile::BlobRecord;
use kloset_format::{PackfileId, ResourceType};

use super::orphans::old_orphans;
use super::reach::{Detail, Reached, reach};
use crate::state::Held;
use crate::write::{FRONT_PADDING_BYTES_MAX, PADDING_BYTES, seal_above_bytes};
use crate::{BlobId, Error, Monitor, Repository};

/// Repacking goes on while more than this part of the bytes that are needed is wasted.
const WASTE_PART_MAX: u64 = 10;
/// Repacking must give back this part of what it reads, and the padding of a packfile: less would be given
/// back again and again.
const GAIN_PART_MIN: u64 = 20;

/// No clock is trusted that is further ahead of ours.
const AHEAD_NS_MAX: i64 = 24 * 3600 * 1_000_000_000;

/// Whether a time is one that only a wrong clock can have told.
pub(super) fn is_ahead(time_ns: i64, now_ns: i64) -> bool {
    time_ns > now_ns.saturating_add(AHEAD_NS_MAX)
}

/// When the grace period of what is over now began at the latest.
pub(super) fn cutoff_ns(now_ns: i64, grace: Duration) -> i64 {
    now_ns.saturating_sub(i64::try_from(grace.as_nanos()).unwrap_or(i64::MAX))
}

/// A packfile whose live blobs move to another one.
pub(super) struct Repack {
    pub(super) packfile: PackfileId,
    /// Live blobs with their encoded lengths, in the order of their places.
    pub(super) blobs: Vec<(BlobId, u32)>,
    pub(super) live_bytes: u64,
    /// Blobs that states tell of, dead ones and copies included.
    pub(super) held_blobs: u64,
}

/// What will be done.
#[derive(Default)]
pub(super) struct Plan {
    /// To be marked: named by states and not used.
    pub(super) unused: Vec<PackfileId>,
    /// To be marked: in no state.
    pub(super) orphans: Vec<PackfileId>,
    /// Of those, marked already by a clock that was far ahead: their time would never come.
    pub(super) misdated: Vec<PackfileId>,
    /// Marked, but used: the mark is taken back.
    pub(super) used_again: Vec<PackfileId>,
    /// Marked before the cutoff and still not used: to be deleted.
    pub(super) doomed: Vec<PackfileId>,
    /// Blobs in doomed packfiles.
    pub(super) doomed_blobs: u64,
    pub(super) repack: Vec<Repack>,
    sizes: HashMap<PackfileId, u64>,
}

impl Plan {
    /// Bytes of packfiles, as far as the listing tells.
    pub(super) fn bytes(&self, packfiles: &[PackfileId]) -> u64 {
        packfiles
            .iter()
            .filter_map(|packfile| self.sizes.get(packfile))
            .fold(0, |sum, &size| sum.saturating_add(size))
    }

    /// Makes the plan from a repository that shows everything and the packfiles in the store.
    pub(super) fn make(
        repository: &Arc<Repository>,
        listed: &[Listed],
        now_ns: i64,
        grace: Duration,
        detail: Detail,
        monitor: &dyn Monitor,
    ) -> Result<Self, Error> {
        let cutoff_ns = cutoff_ns(now_ns, grace);
        let names: HashSet<[u8; 32]> = listed.iter().map(|file| file.name).collect();
        let reached = reach(repository, &names, detail, monitor)?;
        let index = &repository.index;
        let mut plan = Self {
            sizes: listed.iter().filter_map(|file| Some((PackfileId(file.name), file.size?))).collect(),
            ..Self::default()
        };
        let mut known = HashSet::new();
        let held = index.held();
        for ((&packfile, &used), held) in index.packfile_list().iter().zip(&reached.packfiles).zip(&held) {
            known.insert(packfile);
            match (index.coloured().get(&packfile), used) {
                (None, true) => {}
                (None, false) => plan.unused.push(packfile),
                (Some(_), true) => plan.used_again.push(packfile),
                (Some(&when), false) if is_ahead(when, now_ns) => plan.misdated.push(packfile),
                (Some(&when), false) if when <= cutoff_ns => {
                    plan.doomed.push(packfile);
                    plan.doomed_blobs += held.blobs;
                }
                (Some(_), false) => {}
            }
        }
        for (&packfile, &when) in index.coloured().iter().filter(|(packfile, _)| !known.contains(packfile)) {
            if when <= cutoff_ns {
                plan.doomed.push(packfile);
            } else if is_ahead(when, now_ns) && names.contains(&packfile.0) {
                plan.misdated.push(packfile);
            }
        }
        plan.unused.extend(&plan.misdated);
        let is_orphan = |file: &&Listed| {
            let id = PackfileId(file.name);
            !known.contains(&id) && !index.coloured().contains_key(&id)
        };
        let orphans: Vec<Listed> = listed.iter().filter(is_orphan).copied().collect();
        plan.orphans = old_orphans(repository, &orphans, now_ns, cutoff_ns, monitor)?;
        for list in
            [&mut plan.unused, &mut plan.misdated, &mut plan.orphans, &mut plan.used_again, &mut plan.doomed]
        {
            list.sort_unstable();
        }
        if detail == Detail::Blobs {
            plan.choose_repacks(repository, &reached, &held, grace);
        }
        Ok(plan)
    }

    /// Packfiles in use that waste space, the worst first, until what is left over is bearable.
    ///
    /// A packfile with the header of a snapshot moves only if it need not stay for a grace period: until
    /// the old place is taken out of the states there are two, and the reference implementation lists the
    /// snapshot twice.
    fn choose_repacks(&mut self, repository: &Repository, reached: &Reached, held: &[Held], grace: Duration) {
        let index = &repository.index;
        let packfiles = index.packfile_list();
        let mut live = vec![Live::default(); packfiles.len()];
        for (blob, place) in index.places().filter(|(blob, _)| reached.has(*blob)) {
            if let Some(live) = live.get_mut(place.packfile as usize) {
                live.add(blob, place.length);
            }
        }
        let in_use = (0u32..).zip(packfiles.iter().zip(&live)).filter_map(|(at, (packfile, live))| {
            let used = reached.packfiles.get(at as usize).copied().unwrap_or(false);
            let size_bytes = *self.sizes.get(packfile)?;
            (used && (grace.is_zero() || !live.header)).then_some(InUse { at, size_bytes, live: *live })
        });
        // What a sealed packfile holds at least.
        let full_bytes = seal_above_bytes(repository).saturating_sub(FRONT_PADDING_BYTES_MAX);
        let chosen = wasteful(in_use.collect(), full_bytes);
        let mut blobs: HashMap<u32, Vec<(u64, BlobId, u32)>> =
            chosen.iter().map(|one| (one.at, Vec::new())).collect();
        for (blob, place) in index.places() {
            if let Some(blobs) = blobs.get_mut(&place.packfile)
                && reached.has(blob)
            {
                blobs.push((place.offset, blob, place.length));
            }
        }
        for (at, mut blobs) in blobs {
            let Some(&packfile) = packfiles.get(at as usize) else { continue };
            blobs.sort_unstable();
            let live_bytes = blobs.iter().map(|(_, _, length)| u64::from(*length)).sum();
            let blobs = blobs.into_iter().map(|(_, blob, length)| (blob, length)).collect();
            let held_blobs = held.get(at as usize).map_or(0, |held| held.blobs);
            self.repack.push(Repack { packfile, blobs, live_bytes, held_blobs });
        }
        self.repack.sort_unstable_by_key(|one| one.packfile);
    }
}

/// What of a packfile is alive.
#[derive(Clone, Copy, Default, Debug)]
struct Live {
    blobs: u64,
    bytes: u64,
    /// Whether there is anything but contents, which decides where it is moved to.
    metadata: bool,
    /// Whether the header of a snapshot is there.
    header: bool,
}

impl Live {
    fn add(&mut self, blob: BlobId, length: u32) {
        self.blobs += 1;
        self.bytes = self.bytes.saturating_add(u64::from(length));
        self.metadata |= blob.resource != ResourceType::CHUNK;
        self.header |= blob.resource == ResourceType::SNAPSHOT;
    }

    /// Bytes with the rows of the packfile's index.
    fn stored_bytes(&self) -> u64 {
        self.bytes.saturating_add(self.blobs * BlobRecord::SIZE_BYTES as u64)
    }
}

/// A packfile that snapshots use.
#[derive(Clone, Copy, Debug)]
struct InUse {
    at: u32,
    size_bytes: u64,
    live: Live,
}

impl InUse {
    /// Bytes that would not be there if what is alive lay in full packfiles.
    fn waste_bytes(&self, full_bytes: u64) -> u64 {
        let live = u128::from(self.live.stored_bytes());
        let padding = live * u128::from(PADDING_BYTES) / u128::from(full_bytes.max(1));
        u128::from(self.size_bytes).saturating_sub(live + padding) as u64
    }
}

/// Chooses what to repack: the most wasteful packfiles first, until what the others waste is at most a
/// tenth of what all need; nothing if it would gain little.
fn wasteful(mut in_use: Vec<InUse>, full_bytes: u64) -> Vec<InUse> {
    let sum = |bytes: &mut dyn Iterator<Item = u64>| bytes.fold(0u64, u64::saturating_add);
    let mut wasted = sum(&mut in_use.iter().map(|one| one.waste_bytes(full_bytes)));
    let needed = sum(&mut in_use.iter().map(|one| one.size_bytes)).saturating_sub(wasted);
    let share =
        |one: &InUse| u128::from(one.waste_bytes(full_bytes)) * 10_000 / u128::from(one.size_bytes.max(1));
    in_use.sort_unstable_by_key(|one| (Reverse(share(one)), one.at));
    let count = in_use
        .iter()
        .take_while(|one| {
            let waste = one.waste_bytes(full_bytes);
            // The last packfile of each kind will not be full.
            let left = wasted.saturating_add(2 * PADDING_BYTES);
            wasted = wasted.saturating_sub(waste);
            waste > 0 && left > needed / WASTE_PART_MAX
        })
        .count();
    in_use.truncate(count);
    let before = sum(&mut in_use.iter().map(|one| one.size_bytes));
    let after = [false, true].map(|metadata| {
        let of_kind = || in_use.iter().filter(|one| one.live.metadata == metadata).map(|one| &one.live);
        let bytes = sum(&mut of_kind().map(Live::stored_bytes));
        // Every packfile but the last one holds this much at least, so that the gain is certain: a run that
        // only hoped for it would repack the same packfiles again and again.
        let packfiles = bytes.div_ceil(full_bytes.max(1));
        bytes.saturating_add(packfiles.saturating_mul(PADDING_BYTES))
    });
    let gain = before.saturating_sub(sum(&mut after.into_iter()));
    if gain > PADDING_BYTES.max(before / GAIN_PART_MIN) { in_use } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: u64 = 64 << 20;

    fn packfile(at: u32, size_bytes: u64, live_bytes: u64) -> InUse {
        InUse { at, size_bytes, live: Live { blobs: 1, bytes: live_bytes, ..Live::default() } }
    }

    fn chosen(in_use: Vec<InUse>) -> Vec<u32> {
        wasteful(in_use, FULL).into_iter().map(|one| one.at).collect()
    }

    #[test]
    fn full_packfiles_stay_and_the_most_wasteful_ones_move() {
        let full = |at| packfile(at, FULL + PADDING_BYTES, FULL);
        assert!(chosen(vec![full(0), full(1), packfile(2, PADDING_BYTES + 100, 40)]).is_empty());
        let half = packfile(2, FULL, FULL / 2);
        assert_eq!(chosen(vec![full(0), full(1), half, packfile(3, FULL, FULL * 9 / 10)]), [2]);
        // What the third of three wastes is less than a tenth of what all need.
        assert!(chosen(vec![full(0), full(1), packfile(2, FULL, FULL * 8 / 10)]).is_empty());
    }

    #[test]
    fn many_small_packfiles_become_one_and_one_is_left_alone() {
        let small = |at| packfile(at, PADDING_BYTES + 2000, 1000);
        assert_eq!(chosen((0..30).map(small).collect()).len(), 30);
        assert!(chosen(vec![small(0)]).is_empty());
        assert!(chosen(Vec::new()).is_empty());
    }
}
