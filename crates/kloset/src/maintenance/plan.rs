//! What a run of maintenance is going to do, decided before anything is written.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use kloset_connector::Listed;
use kloset_format::PackfileId;

use super::orphans::old_orphans;
use super::reach::{Detail, Reached, reach};
use crate::{BlobId, Error, Monitor, Repository};
use std::sync::Arc;

/// A packfile whose live blobs move to another one.
pub(super) struct Repack {
    pub(super) packfile: PackfileId,
    /// Live blobs with their encoded lengths, in the order of their places.
    pub(super) blobs: Vec<(BlobId, u32)>,
    pub(super) live_bytes: u64,
}

/// What will be done.
#[derive(Default)]
pub(super) struct Plan {
    /// To be marked: named by states and not used.
    pub(super) unused: Vec<PackfileId>,
    /// To be marked: in no state.
    pub(super) orphans: Vec<PackfileId>,
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
        let grace_ns = i64::try_from(grace.as_nanos()).unwrap_or(i64::MAX);
        let cutoff_ns = now_ns.saturating_sub(grace_ns);
        let names: HashSet<[u8; 32]> = listed.iter().map(|file| file.name).collect();
        let reached = reach(repository, &names, detail, monitor)?;
        let index = &repository.index;
        let mut plan = Self {
            sizes: listed.iter().filter_map(|file| Some((PackfileId(file.name), file.size?))).collect(),
            ..Self::default()
        };
        let mut known = HashSet::new();
        for ((&packfile, &used), held) in
            index.packfile_list().iter().zip(&reached.packfiles).zip(index.held())
        {
            known.insert(packfile);
            match (index.coloured().get(&packfile), used) {
                (None, true) => {}
                (None, false) => plan.unused.push(packfile),
                (Some(_), true) => plan.used_again.push(packfile),
                (Some(&when), false) if when <= cutoff_ns => {
                    plan.doomed.push(packfile);
                    plan.doomed_blobs += held.blobs;
                }
                (Some(_), false) => {}
            }
        }
        for (&packfile, &when) in index.coloured() {
            if !known.contains(&packfile) && when <= cutoff_ns {
                plan.doomed.push(packfile);
            }
        }
        let is_orphan = |file: &&Listed| {
            let id = PackfileId(file.name);
            !known.contains(&id) && !index.coloured().contains_key(&id)
        };
        let orphans: Vec<Listed> = listed.iter().filter(is_orphan).copied().collect();
        plan.orphans = old_orphans(repository, &orphans, cutoff_ns, monitor)?;
        for list in [&mut plan.unused, &mut plan.orphans, &mut plan.used_again, &mut plan.doomed] {
            list.sort_unstable();
        }
        if detail == Detail::Blobs {
            plan.choose_repacks(repository, &reached);
        }
        Ok(plan)
    }

    /// Packfiles in use of which less than half, in bytes of blobs, is alive.
    fn choose_repacks(&mut self, repository: &Repository, reached: &Reached) {
        let index = &repository.index;
        let packfiles = index.packfile_list();
        let mut live = vec![0u64; packfiles.len()];
        for (blob, place) in index.places() {
            if let Some(bytes) = live.get_mut(place.packfile as usize)
                && reached.has(blob)
            {
                *bytes += u64::from(place.length);
            }
        }
        let mut chosen: HashMap<u32, Vec<(u64, BlobId, u32)>> = HashMap::new();
        for (at, (packfile, held)) in (0u32..).zip(packfiles.iter().zip(index.held())) {
            let used = reached.packfiles.get(at as usize).copied().unwrap_or(false);
            let live = live.get(at as usize).copied().unwrap_or(0);
            if used && live.saturating_mul(2) < held.bytes && !index.coloured().contains_key(packfile) {
                chosen.insert(at, Vec::new());
            }
        }
        for (blob, place) in index.places() {
            if let Some(blobs) = chosen.get_mut(&place.packfile)
                && reached.has(blob)
            {
                blobs.push((place.offset, blob, place.length));
            }
        }
        for (at, mut blobs) in chosen {
            let Some(&packfile) = packfiles.get(at as usize) else { continue };
            blobs.sort_unstable();
            let live_bytes = blobs.iter().map(|(_, _, length)| u64::from(*length)).sum();
            let blobs = blobs.into_iter().map(|(_, blob, length)| (blob, length)).collect();
            self.repack.push(Repack { packfile, blobs, live_bytes });
        }
        self.repack.sort_unstable_by_key(|one| one.packfile);
    }
}
