//! Merges states: what all of them together say.
//!
//! States are applied parents first, ties broken by their own timestamp. Packfile names never recur, so
//! deleting one is final whatever the order, and so is deleting a location; marks may come and go, the
//! last one wins. States are read one at a time: only what they say is kept.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use kloset_format::state::{StateEntry, StateReader};
use kloset_format::{DecodeError, PackfileId, ResourceType, StateId, Version};

use super::Place;
use super::records::{Records, encode};
use crate::{BlobId, OpenError};

/// Entry type numbers that a delete entry can aim at.
pub(crate) const AIMS_AT_LOCATION: u8 = 2;
pub(crate) const AIMS_AT_COLOURED: u8 = 3;
const AIMS_AT_PACKFILE: u8 = 4;

/// A state file whose trailer was verified and whose payload was decoded.
pub(crate) struct LoadedState {
    pub(crate) id: StateId,
    /// Version in the envelope: chooses the layout.
    pub(crate) version: Version,
    pub(crate) plain: Vec<u8>,
}

/// A packfile that some state speaks of.
#[derive(Clone, Copy)]
pub(super) struct Mentioned {
    pub(super) id: PackfileId,
    /// Whether it has a packfile entry: without one its blobs do not count.
    pub(super) complete: bool,
}

/// What merging states anew depends on.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Extent {
    /// Decoded size.
    pub(crate) plain_bytes: u64,
    /// When it was written, by itself.
    pub(crate) written_ns: i64,
}

/// What states say together, before anybody decides what of it counts.
#[derive(Clone, Default)]
pub(crate) struct Merged {
    /// The states, oldest first.
    pub(super) states: Vec<StateId>,
    /// What each of them builds on.
    pub(super) parents: Vec<StateId>,
    /// The same states' size and time.
    pub(super) extents: Vec<Extent>,
    /// States that others replace, present or not, with the first that does.
    pub(super) replaced: HashMap<StateId, StateId>,
    /// The latest time that any of them gives for itself.
    pub(super) newest_ns: i64,
    /// Places refer to these by position.
    pub(super) packfiles: Vec<Mentioned>,
    /// Places that were merged and saved before.
    pub(super) old: Arc<Records>,
    /// Places that came since; they are newer than all of `old`.
    pub(super) new: Arc<Records>,
    /// States that `new` is made of.
    pub(super) new_states: usize,
    pub(super) deleted_packfiles: HashSet<PackfileId>,
    pub(super) deleted_locations: HashSet<(BlobId, PackfileId)>,
    /// When each was marked first.
    pub(super) coloured: HashMap<BlobId, i64>,
    /// Named as parents, but not among the states.
    pub(super) missing_parents: HashSet<StateId>,
    /// Packfile entries that name states that are not there.
    pub(super) strange: Vec<(PackfileId, StateId)>,
    /// Packfiles of the checkpoints that no snapshot was published after.
    pub(super) left_behind: HashSet<PackfileId>,
}

/// What a state says, places apart.
enum Mark {
    Coloured(BlobId, i64),
    Packfile(PackfileId, StateId),
    NoLocation(BlobId, PackfileId),
    NotColoured(BlobId),
    NoPackfile(PackfileId),
    /// The first state is replaced by the second, which says so.
    Replaced(StateId, StateId),
}

/// A state that is being merged.
struct Pending {
    id: StateId,
    parent: StateId,
    timestamp_ns: i64,
    extent: Extent,
    marks: Vec<Mark>,
    role: Role,
}

/// What a state means for what was stored without a snapshot.
enum Role {
    /// It tells of a snapshot.
    Publishes,
    /// It only tells of blobs, in these packfiles: whoever wrote it had no snapshot yet.
    Checkpoint(Vec<PackfileId>),
    /// A removal, or work of maintenance.
    Other,
}

impl Role {
    fn of(tells_of_snapshot: bool, marks: &[Mark]) -> Self {
        let packfiles = marks.iter().map(|mark| match mark {
            Mark::Packfile(packfile, _) => Some(*packfile),
            _ => None,
        });
        let replaces = marks.iter().any(|mark| matches!(mark, Mark::Replaced(..)));
        match packfiles.collect() {
            _ if replaces => Self::Other,
            _ if tells_of_snapshot => Self::Publishes,
            Some(packfiles) => Self::Checkpoint(packfiles),
            None => Self::Other,
        }
    }
}

/// A place that a pending state tells of.
struct Added {
    blob: BlobId,
    /// Position of the state among the pending ones; in their order later.
    state: u32,
    place: Place,
}

/// Adds states to what was merged before.
pub(crate) struct Merger {
    base: Merged,
    /// Positions of the packfiles.
    numbers: HashMap<PackfileId, u32>,
    pending: Vec<Pending>,
    added: Vec<Added>,
}

impl Merger {
    pub(crate) fn new(base: Merged) -> Self {
        let numbers = (0u32..).zip(&base.packfiles).map(|(at, one)| (one.id, at)).collect();
        Self { base, numbers, pending: Vec::new(), added: Vec::new() }
    }

    /// Reads one state.
    pub(crate) fn add(&mut self, state: &LoadedState) -> Result<(), OpenError> {
        let damaged =
            |error: DecodeError| OpenError::DamagedState { state: state.id, reason: error.to_string() };
        let mut reader = StateReader::new(&state.plain, state.version).map_err(damaged)?;
        let position = self.pending.len() as u32;
        let mut marks = Vec::new();
        let mut tells_of_snapshot = false;
        let mut last = (PackfileId::ZERO, None);
        for entry in reader.by_ref() {
            let entry = entry.map_err(damaged)?;
            let StateEntry::Location { resource, mac, packfile, offset, length, .. } = entry else {
                marks.extend(mark(state.id, entry)?);
                continue;
            };
            if resource == ResourceType::RANDOM {
                continue;
            }
            tells_of_snapshot |= resource == ResourceType::SNAPSHOT;
            // Places come by packfile.
            let number = match last {
                (id, Some(number)) if id == packfile => number,
                _ => self.number(packfile),
            };
            last = (packfile, Some(number));
            let place = Place { offset, packfile: number, length };
            self.added.push(Added { blob: BlobId::new(resource, mac), state: position, place });
        }
        let parent = reader.parent();
        let timestamp_ns = reader.metadata().map_or(0, |metadata| metadata.timestamp_ns);
        let role = Role::of(tells_of_snapshot, &marks);
        let extent = Extent { plain_bytes: state.plain.len() as u64, written_ns: timestamp_ns };
        self.pending.push(Pending { id: state.id, parent, timestamp_ns, extent, marks, role });
        Ok(())
    }

    /// Whether all states that were read come after those that were merged before.
    pub(crate) fn continues(&self) -> bool {
        let base = &self.base;
        base.states.is_empty()
            || self.pending.iter().all(|state| {
                state.timestamp_ns > base.newest_ns
                    && !base.missing_parents.contains(&state.id)
                    && !base.strange.iter().any(|(_, missing)| *missing == state.id)
            })
    }

    /// Applies the states in their order.
    pub(crate) fn finish(mut self) -> Result<Merged, OpenError> {
        if self.pending.is_empty() {
            return Ok(self.base);
        }
        let order = application_order(&self.pending)?;
        let mut ranks = vec![0u32; self.pending.len()];
        let mut roles = Vec::with_capacity(order.len());
        for (rank, &at) in (0u32..).zip(&order) {
            if let Some(slot) = ranks.get_mut(at) {
                *slot = rank;
            }
            let Some(state) = self.pending.get_mut(at) else { continue };
            self.base.states.push(state.id);
            self.base.parents.push(state.parent);
            self.base.extents.push(state.extent);
            self.base.newest_ns = self.base.newest_ns.max(state.timestamp_ns);
            roles.push(std::mem::replace(&mut state.role, Role::Other));
            for mark in std::mem::take(&mut state.marks) {
                self.apply(mark);
            }
        }
        self.base.new_states += order.len();
        let known: HashSet<StateId> = self.base.states.iter().copied().collect();
        let Merged { strange, missing_parents, replaced, .. } = &mut self.base;
        let is_missing = |state: &StateId| !known.contains(state) && !replaced.contains_key(state);
        strange.retain(|(_, state)| is_missing(state));
        let parents = self.pending.iter().map(|state| state.parent);
        missing_parents.extend(parents.filter(|parent| !parent.is_zero()));
        missing_parents.retain(is_missing);
        self.take_places(&ranks, &mut roles)?;
        for role in roles {
            match role {
                Role::Publishes => self.base.left_behind.clear(),
                Role::Checkpoint(packfiles) => self.base.left_behind.extend(packfiles),
                Role::Other => {}
            }
        }
        Ok(self.base)
    }

    fn apply(&mut self, mark: Mark) {
        match mark {
            Mark::Coloured(blob, when_ns) => _ = self.base.coloured.entry(blob).or_insert(when_ns),
            Mark::NotColoured(blob) => _ = self.base.coloured.remove(&blob),
            Mark::NoLocation(blob, packfile) => _ = self.base.deleted_locations.insert((blob, packfile)),
            Mark::NoPackfile(packfile) => _ = self.base.deleted_packfiles.insert(packfile),
            Mark::Replaced(state, by) => _ = self.base.replaced.entry(state).or_insert(by),
            Mark::Packfile(packfile, state) => {
                let number = self.number(packfile);
                if let Some(packfile) = self.base.packfiles.get_mut(number as usize) {
                    packfile.complete = true;
                }
                self.base.strange.push((packfile, state));
            }
        }
    }

    fn number(&mut self, packfile: PackfileId) -> u32 {
        let next = self.base.packfiles.len() as u32;
        let number = *self.numbers.entry(packfile).or_insert(next);
        if number == next {
            self.base.packfiles.push(Mentioned { id: packfile, complete: false });
        }
        number
    }

    /// Sorts the places in, the newest copies first: those of the newest states, and in one state those in
    /// the packfiles that were told of last. In one packfile the first place holds. States that
    /// tell of copies only are no checkpoints: maintenance moves blobs.
    fn take_places(&mut self, ranks: &[u32], roles: &mut [Role]) -> Result<(), OpenError> {
        let mut added = std::mem::take(&mut self.added);
        for one in &mut added {
            one.state = ranks.get(one.state as usize).copied().unwrap_or(0);
        }
        added.sort_unstable_by(|a, b| {
            let by_key = a.blob.mac.cmp(&b.blob.mac).then_with(|| a.blob.resource.cmp(&b.blob.resource));
            let age = |one: &Added| (one.state, one.place.packfile, one.place.offset);
            by_key.then_with(|| age(b).cmp(&age(a)))
        });
        let mut bytes = Vec::new();
        let mut adds = vec![false; roles.len()];
        for copies in added.chunk_by(|a, b| a.blob == b.blob) {
            if let Some(first) = copies.last()
                && let Some(slot) = adds.get_mut(first.state as usize)
                && !*slot
            {
                *slot = !self.base.knows(first.blob);
            }
            for (at, one) in copies.iter().enumerate() {
                let same = |place: Place| place.packfile == one.place.packfile;
                let again = copies.get(at + 1..).unwrap_or_default().iter().any(|older| same(older.place))
                    || self.base.new.copies(one.blob).any(same)
                    || self.base.old.copies(one.blob).any(same);
                if !again {
                    encode(one.blob, one.place, &mut bytes);
                }
            }
        }
        drop(added);
        for (role, _) in roles.iter_mut().zip(adds).filter(|(_, adds)| !adds) {
            if matches!(role, Role::Checkpoint(_)) {
                *role = Role::Other;
            }
        }
        let too_many = || OpenError::DamagedState {
            state: self.base.states.last().copied().unwrap_or(StateId::ZERO),
            reason: "the states tell of more blobs than can be held".to_owned(),
        };
        let added = Records::new(bytes).ok_or_else(too_many)?;
        let new = Records::merged(&added, &self.base.new, &|_, _| true).ok_or_else(too_many)?;
        self.base.new = Arc::new(new);
        Ok(())
    }
}

impl Merged {
    /// States that it is made of.
    pub(crate) fn states(&self) -> &[StateId] {
        &self.states
    }

    /// Whether any state tells of a blob.
    fn knows(&self, blob: BlobId) -> bool {
        self.new.copies(blob).chain(self.old.copies(blob)).next().is_some()
    }

    /// Whether a packfile counts: a state tells of it as a whole, and none has taken it back.
    pub(super) fn tells_of(&self, packfile: &Mentioned) -> bool {
        packfile.complete && !self.deleted_packfiles.contains(&packfile.id)
    }

    /// Whether the place of a blob in the packfile at this position was taken back; `None` if there is no
    /// such packfile.
    pub(super) fn has_lost(&self, blob: BlobId, at: usize) -> Option<bool> {
        let deleted = &self.deleted_locations;
        if deleted.is_empty() {
            Some(false)
        } else {
            Some(deleted.contains(&(blob, self.packfiles.get(at)?.id)))
        }
    }

    /// Makes one array of all places, without those that are deleted for good.
    pub(super) fn compact(&mut self) {
        let lost: Vec<bool> =
            self.packfiles.iter().map(|packfile| self.deleted_packfiles.contains(&packfile.id)).collect();
        let keep = |blob: BlobId, place: Place| {
            let at = place.packfile as usize;
            !lost.get(at).copied().unwrap_or(true) && self.has_lost(blob, at) == Some(false)
        };
        if let Some(all) = Records::merged(&self.new, &self.old, &keep) {
            self.old = Arc::new(all);
            self.new = Arc::default();
            self.new_states = 0;
        }
    }
}

/// What an entry that is no location says.
fn mark(state: StateId, entry: StateEntry) -> Result<Option<Mark>, OpenError> {
    if let Some(replaced) = entry.replaced() {
        return Ok(Some(Mark::Replaced(replaced, state)));
    }
    Ok(Some(match entry {
        StateEntry::Coloured { resource, mac, when_ns } => {
            Mark::Coloured(BlobId::new(resource, mac), when_ns)
        }
        StateEntry::Packfile { packfile, state, .. } => Mark::Packfile(packfile, state),
        StateEntry::Delete { entry_type, resource, mac, packfile } => match entry_type {
            AIMS_AT_LOCATION => Mark::NoLocation(BlobId::new(resource, mac), packfile),
            AIMS_AT_COLOURED => Mark::NotColoured(BlobId::new(resource, mac)),
            AIMS_AT_PACKFILE => Mark::NoPackfile(packfile),
            other => {
                let reason = format!("delete entry aims at entry type {other}");
                return Err(OpenError::DamagedState { state, reason });
            }
        },
        StateEntry::Location { .. } | StateEntry::Configuration { .. } => return Ok(None),
    }))
}

/// Positions of the states, parents before children, older before newer otherwise.
fn application_order(states: &[Pending]) -> Result<Vec<usize>, OpenError> {
    let known: HashMap<StateId, usize> =
        states.iter().enumerate().map(|(at, state)| (state.id, at)).collect();
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut ready = BinaryHeap::new();
    let turn = |at: usize| states.get(at).map(|state| Reverse((state.timestamp_ns, state.id, at)));
    for (at, state) in states.iter().enumerate() {
        match known.get(&state.parent) {
            Some(&parent) if parent != at => children.entry(parent).or_default().push(at),
            _ => ready.extend(turn(at)),
        }
    }
    let mut order = Vec::with_capacity(states.len());
    while let Some(Reverse((_, _, at))) = ready.pop() {
        order.push(at);
        ready.extend(children.remove(&at).into_iter().flatten().filter_map(turn));
    }
    match children.keys().filter_map(|&at| states.get(at)).map(|state| state.id).min() {
        None => Ok(order),
        Some(state) => Err(OpenError::DamagedState { state, reason: "its parents form a loop".to_owned() }),
    }
}
