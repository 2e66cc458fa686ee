//! Repair: writes states anew that were lost, from the packfiles that they told of.
//!
//! Two things are mended. Packfile entries may name a state that is gone: it is written again under its
//! name. And packfiles may be in no state at all: they are put into a new one, which takes the name of a
//! lost state if a newer state builds on one. Every packfile is read whole and verified before a state
//! tells of it, and a snapshot becomes visible only if everything that it reaches is there.
//!
//! What a lost state said of removals is lost: a snapshot that was removed may be back.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use kloset_connector::{Listed, StoreFile};
use kloset_format::state::StateWriter;
use kloset_format::{LockId, Mac, PackfileId, ResourceType, SnapshotId, StateId, Version};

use crate::check::packfile::{CheckBuffers, CheckedPackfile, check_packfile};
use crate::maintenance::reach::is_whole;
use crate::repository::VerifiedBlobs;
use crate::write::{LockKind, StateName, StoreLock, publish_state};
use crate::{BlobId, BlobLocation, Error, Event, Monitor, Repository, Snapshot};

/// Bytes of a packfile held in memory while it is verified.
const MEMORY_BYTES: u64 = 64 << 20;

/// What is broken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Broken {
    /// States that packfile entries name and that are gone, with those packfiles.
    pub named_states: BTreeMap<StateId, Vec<PackfileId>>,
    /// States that newer ones build on and that are gone.
    pub lost_parents: Vec<StateId>,
    /// Packfiles that no state tells of.
    pub orphans: Vec<PackfileId>,
}

impl Broken {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// States written.
    pub states: Vec<StateId>,
    /// Packfiles that states tell of again.
    pub packfiles: u64,
    /// Packfiles that cannot be relied on; each was reported.
    pub damaged: u64,
    /// Snapshots that are visible again.
    pub snapshots: Vec<SnapshotId>,
    /// Snapshots whose header was found, but not everything that they need.
    pub incomplete: Vec<SnapshotId>,
}

/// Looks for what [`repair`] would mend; writes nothing.
pub fn inspect(repository: &Repository) -> Result<Broken, Error> {
    let (whole, listed) = repository.refresh_whole()?;
    Ok(find(&whole, &listed))
}

fn find(whole: &Repository, listed: &[Listed]) -> Broken {
    let index = &whole.index;
    let known: HashSet<PackfileId> = index.packfile_list().iter().copied().collect();
    let is_orphan = |id: &PackfileId| {
        !known.contains(id)
            && !index.coloured().contains_key(id)
            // Taken back for good: maintenance did not get to delete the file.
            && !index.deleted_packfiles().contains(id)
    };
    let mut orphans: Vec<PackfileId> =
        listed.iter().map(|file| PackfileId(file.name)).filter(is_orphan).collect();
    orphans.sort_unstable();
    let named_states: BTreeMap<StateId, Vec<PackfileId>> =
        index.missing_states().iter().map(|(state, packfiles)| (*state, packfiles.clone())).collect();
    let mut lost_parents: Vec<StateId> =
        index.missing_parents().iter().copied().filter(|state| !named_states.contains_key(state)).collect();
    lost_parents.sort_unstable();
    Broken { named_states, lost_parents, orphans }
}

/// Writes lost states anew, under the exclusive lock.
pub fn repair(repository: &Arc<Repository>, monitor: &dyn Monitor) -> Result<Repaired, Error> {
    repository.ensure_writable()?;
    let lock = StoreLock::acquire(repository, LockId(repository.runtime.random_name()), LockKind::Exclusive)?;
    let outcome = repair_locked(repository, &lock, monitor);
    match &outcome {
        Ok(_) => lock.release(),
        Err(error) => lock.give_up(error),
    }
    outcome
}

fn repair_locked(
    repository: &Repository,
    lock: &StoreLock,
    monitor: &dyn Monitor,
) -> Result<Repaired, Error> {
    let (whole, listed) = repository.refresh_whole()?;
    let broken = find(&whole, &listed);
    let sizes = listed.iter().filter_map(|file| Some((PackfileId(file.name), file.size?))).collect();
    let (found, done) = (Vec::new(), Repaired::default());
    let mut work = Work { whole: &whole, sizes, lock, monitor, found, done };
    if broken.is_empty() {
        return Ok(work.done);
    }
    monitor.event(Event::Phase("repair"));
    for (state, packfiles) in &broken.named_states {
        let contents = work.read(packfiles)?;
        work.write(*state, StateId::ZERO, &contents)?;
    }
    let damaged_before = work.done.damaged;
    let contents = work.read(&broken.orphans)?;
    let all_are_sound = work.done.damaged == damaged_before;
    match broken.lost_parents.split_first() {
        // Only if nothing is missing may a state stand for the lost one.
        Some((first, others)) if all_are_sound => {
            work.write(*first, StateId::ZERO, &contents)?;
            others.iter().try_for_each(|state| work.write(*state, StateId::ZERO, &[]))?;
        }
        _ if contents.is_empty() => {}
        _ => {
            let name = StateId(work.whole.runtime.random_name());
            work.write(name, work.whole.index.newest_state(), &contents)?;
        }
    }
    work.show_snapshots()?;
    Ok(work.done)
}

/// A sound packfile and the blobs to tell of.
struct Contents {
    packfile: PackfileId,
    /// Padding included: readers that compare index and state expect it in both.
    blobs: Vec<(BlobId, BlobLocation)>,
}

struct Work<'a> {
    whole: &'a Repository,
    sizes: HashMap<PackfileId, u64>,
    lock: &'a StoreLock,
    monitor: &'a dyn Monitor,
    /// Headers of snapshots, not told of yet.
    found: Vec<(SnapshotId, BlobLocation)>,
    done: Repaired,
}

impl Work<'_> {
    /// Verifies packfiles; those that are not sound are reported and left out.
    fn read(&mut self, packfiles: &[PackfileId]) -> Result<Vec<Contents>, Error> {
        let mut buffers = CheckBuffers::default();
        let mut contents = Vec::new();
        for &packfile in packfiles {
            self.whole.runtime().proceed()?;
            let checked = match self.sizes.get(&packfile) {
                Some(&size) => {
                    let none = VerifiedBlobs::default();
                    check_packfile(self.whole, packfile, size, MEMORY_BYTES, &none, &mut buffers)?
                }
                None => CheckedPackfile {
                    problems: vec!["it does not exist".to_owned()],
                    ..CheckedPackfile::default()
                },
            };
            if let Some(problem) = checked.problems.first() {
                self.done.damaged += 1;
                self.monitor.event(Event::Warning(&format!("packfile {packfile}: {problem}")));
                continue;
            }
            let padding = checked.padding.into_iter();
            let mut blobs: Vec<_> =
                padding.map(|(mac, place)| (BlobId::new(ResourceType::RANDOM, mac), place)).collect();
            for checked in checked.blobs {
                match checked.result {
                    Ok(_) if checked.blob.resource == ResourceType::SNAPSHOT => {
                        self.found.push((SnapshotId(checked.blob.mac.0), checked.place));
                    }
                    Ok(_) => blobs.push((checked.blob, checked.place)),
                    Err(problem) => {
                        let blob = checked.blob;
                        let text = format!("packfile {packfile}: {} {}: {problem}", blob.resource, blob.mac);
                        self.monitor.event(Event::Warning(&text));
                    }
                }
            }
            self.done.packfiles += 1;
            contents.push(Contents { packfile, blobs });
        }
        Ok(contents)
    }

    /// Publishes a state, without snapshots. One that others build on has no parent: it may not come after
    /// them.
    fn write(&mut self, name: StateId, parent: StateId, contents: &[Contents]) -> Result<(), Error> {
        let now_ns = self.whole.runtime().clock.now().to_nanoseconds();
        let mut writer = StateWriter::new(parent);
        for one in contents {
            for (blob, place) in &one.blobs {
                writer.location(
                    blob.resource,
                    Version::V1_0_0,
                    &blob.mac,
                    &one.packfile,
                    place.offset,
                    place.length,
                );
            }
        }
        for one in contents {
            writer.packfile(&one.packfile, &name, now_ns);
        }
        self.publish(name, writer)
    }

    fn publish(&mut self, name: StateId, writer: StateWriter) -> Result<(), Error> {
        if !self.lock.is_fresh() {
            return Err(Error::LockLost);
        }
        let plain = writer.finish(Version::V1_1_0, self.whole.state_time_ns(), [0; 16]);
        publish_state(self.whole, StateName::Given(name), &plain)?;
        self.done.states.push(name);
        Ok(())
    }

    /// Publishes the snapshots that are whole, now that states tell of all blobs.
    fn show_snapshots(&mut self) -> Result<(), Error> {
        let now = Arc::new(self.whole.refresh()?);
        let listed: HashSet<[u8; 32]> = now
            .storage()
            .list(StoreFile::Packfile)
            .map_err(Error::Storage)?
            .iter()
            .map(|file| file.name)
            .collect();
        let mut whole = Vec::new();
        for (id, place) in std::mem::take(&mut self.found) {
            let header = BlobId::header(id);
            if now.locate(header).is_some() || whole.iter().any(|(known, _)| *known == id) {
                continue;
            }
            let opened = now.read_blob_at(header, place).and_then(|bytes| Snapshot::decode(&now, id, &bytes));
            match opened.and_then(|snapshot| is_whole(&snapshot, &listed)) {
                Ok(()) => whole.push((id, place)),
                Err(error) if error.is_damage() => {
                    let text = format!("snapshot {} is not brought back: {error}", id.short());
                    self.monitor.event(Event::Warning(&text));
                    self.done.incomplete.push(id);
                }
                Err(error) => return Err(error),
            }
        }
        if whole.is_empty() {
            return Ok(());
        }
        let mut writer = StateWriter::new(now.index.newest_state());
        for (id, place) in &whole {
            let id = Mac(id.0);
            writer.location(
                ResourceType::SNAPSHOT,
                Version::V1_0_0,
                &id,
                &place.packfile,
                place.offset,
                place.length,
            );
        }
        self.publish(StateId(self.whole.runtime.random_name()), writer)?;
        let visible = whole.iter().map(|(id, _)| *id).filter(|id| !now.index.was_removed(*id));
        self.done.snapshots.extend(visible);
        Ok(())
    }
}
