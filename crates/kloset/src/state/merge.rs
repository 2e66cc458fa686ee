//! Merges states into an [`Index`].
//!
//! States are applied parents first, ties broken by their own timestamp. Packfile names never
//! recur, so deleting one is final whatever the order; colours may come and go, the last one wins.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use kloset_format::state::{StateEntry, StateReader};
use kloset_format::{DecodeError, Mac, PackfileId, ResourceType, StateId, Version};

use super::{Held, Index, Place};
use crate::{BlobId, OpenError};

/// Entry type numbers that a delete entry can aim at.
const AIMS_AT_LOCATION: u8 = 2;
const AIMS_AT_COLOURED: u8 = 3;
const AIMS_AT_PACKFILE: u8 = 4;

/// A state file whose trailer was verified and whose payload was decoded.
pub(crate) struct LoadedState {
    pub(crate) id: StateId,
    /// Version in the envelope: chooses the layout.
    pub(crate) version: Version,
    pub(crate) plain: Vec<u8>,
}

/// What passes over all states collect before any location is looked at.
#[derive(Default)]
struct Marks {
    packfiles: Vec<PackfileId>,
    deleted_packfiles: HashSet<PackfileId>,
    deleted_locations: HashSet<(BlobId, PackfileId)>,
    /// When each was marked first.
    coloured: HashMap<BlobId, i64>,
    /// The state that each packfile entry names.
    named_states: Vec<(PackfileId, StateId)>,
    locations: usize,
}

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
    /// How little the copies of blobs in a packfile count.
    fn rank(self, packfile: PackfileId, is_coloured: bool) -> Rank {
        match self {
            Self::Everything { listed } if !listed.contains(&packfile) => Rank::Absent,
            _ if is_coloured => Rank::Coloured,
            _ => Rank::Live,
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

/// Builds the index of a store from all of its states.
pub(crate) fn build(states: Vec<LoadedState>, view: View<'_>) -> Result<Index, OpenError> {
    let order = application_order(&states)?;
    let mut marks = Marks::default();
    for &at in &order {
        collect_marks(&states[at], &mut marks)?;
    }

    let mut index = Index { states: order.iter().map(|&at| states[at].id).collect(), ..Index::default() };
    index.missing_parents = missing_parents(&states)?;
    let mut positions: HashMap<PackfileId, u32> = HashMap::with_capacity(marks.packfiles.len());
    let mut ranks = Vec::with_capacity(marks.packfiles.len());
    for packfile in marks.packfiles {
        let is_coloured = marks.coloured.contains_key(&BlobId::new(ResourceType::PACKFILE, Mac(packfile.0)));
        if marks.deleted_packfiles.contains(&packfile)
            || (is_coloured && matches!(view, View::Live))
            || positions.contains_key(&packfile)
        {
            continue;
        }
        positions.insert(packfile, index.packfiles.len() as u32);
        index.packfiles.push(packfile);
        ranks.push(view.rank(packfile, is_coloured));
    }
    for (blob, when_ns) in marks.coloured {
        match blob.resource {
            ResourceType::SNAPSHOT => _ = index.removed_snapshots.insert(blob.mac),
            ResourceType::PACKFILE => _ = index.coloured.insert(PackfileId(blob.mac.0), when_ns),
            _ => {}
        }
    }
    index.deleted_packfiles = marks.deleted_packfiles;
    let known: HashSet<StateId> = index.states.iter().copied().collect();
    for (packfile, state) in marks.named_states {
        if !known.contains(&state) && positions.contains_key(&packfile) {
            index.missing_states.entry(state).or_default().push(packfile);
        }
    }
    index.held = vec![Held::default(); index.packfiles.len()];

    index.places.reserve(marks.locations);
    for &at in &order {
        let state = &states[at];
        for entry in reader(state)? {
            let StateEntry::Location { resource, mac, packfile, offset, length, .. } =
                entry.map_err(|error| damaged(state.id, error))?
            else {
                continue;
            };
            let Some(&position) = positions.get(&packfile) else { continue };
            let blob = BlobId::new(resource, mac);
            if resource == ResourceType::RANDOM
                || (!marks.deleted_locations.is_empty()
                    && marks.deleted_locations.contains(&(blob, packfile)))
            {
                continue;
            }
            let held = &mut index.held[position as usize];
            held.blobs += 1;
            held.bytes = held.bytes.saturating_add(u64::from(length));
            // A blob is stored again only where its packfile was missing or its place not known: the
            // newest copy is the one to rely on. In one packfile the first place holds.
            let place = Place { offset, packfile: position, length };
            let best = index.places.entry(blob).or_insert(place);
            if best.packfile != position && ranks[position as usize] <= ranks[best.packfile as usize] {
                *best = place;
            }
        }
    }
    index.places.shrink_to_fit();
    Ok(index)
}

fn missing_parents(states: &[LoadedState]) -> Result<HashSet<StateId>, OpenError> {
    let known: HashSet<StateId> = states.iter().map(|state| state.id).collect();
    let mut missing = HashSet::new();
    for state in states {
        let parent = reader(state)?.parent();
        if !parent.is_zero() && !known.contains(&parent) {
            missing.insert(parent);
        }
    }
    Ok(missing)
}

fn collect_marks(state: &LoadedState, marks: &mut Marks) -> Result<(), OpenError> {
    for entry in reader(state)? {
        match entry.map_err(|error| damaged(state.id, error))? {
            StateEntry::Location { .. } => marks.locations += 1,
            StateEntry::Coloured { resource, mac, when_ns } => {
                marks.coloured.entry(BlobId::new(resource, mac)).or_insert(when_ns);
            }
            StateEntry::Packfile { packfile, state, .. } => {
                marks.packfiles.push(packfile);
                marks.named_states.push((packfile, state));
            }
            StateEntry::Configuration { .. } => {}
            StateEntry::Delete { entry_type, resource, mac, packfile } => match entry_type {
                AIMS_AT_LOCATION => {
                    marks.deleted_locations.insert((BlobId::new(resource, mac), packfile));
                }
                AIMS_AT_COLOURED => {
                    marks.coloured.remove(&BlobId::new(resource, mac));
                }
                AIMS_AT_PACKFILE => {
                    marks.deleted_packfiles.insert(packfile);
                }
                other => {
                    return Err(OpenError::DamagedState {
                        state: state.id,
                        reason: format!("delete entry aims at entry type {other}"),
                    });
                }
            },
        }
    }
    Ok(())
}

/// Positions of the states, parents before children, older before newer otherwise.
fn application_order(states: &[LoadedState]) -> Result<Vec<usize>, OpenError> {
    let known: HashMap<StateId, usize> =
        states.iter().enumerate().map(|(at, state)| (state.id, at)).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); states.len()];
    let mut times = Vec::with_capacity(states.len());
    let mut ready = BinaryHeap::new();
    for (at, state) in states.iter().enumerate() {
        let metadata = StateReader::metadata_of(&state.plain).map_err(|error| damaged(state.id, error))?;
        times.push(metadata.timestamp_ns);
        match known.get(&reader(state)?.parent()) {
            Some(&parent) if parent != at => children[parent].push(at),
            _ => ready.push(Reverse((metadata.timestamp_ns, state.id, at))),
        }
    }
    let mut order = Vec::with_capacity(states.len());
    while let Some(Reverse((_, _, at))) = ready.pop() {
        order.push(at);
        for &child in &children[at] {
            ready.push(Reverse((times[child], states[child].id, child)));
        }
    }
    if order.len() != states.len() {
        let stuck =
            (0..states.len()).find(|at| !order.contains(at)).map_or(StateId::ZERO, |at| states[at].id);
        return Err(OpenError::DamagedState { state: stuck, reason: "its parents form a loop".to_owned() });
    }
    Ok(order)
}

fn reader(state: &LoadedState) -> Result<StateReader<'_>, OpenError> {
    StateReader::new(&state.plain, state.version).map_err(|error| damaged(state.id, error))
}

fn damaged(state: StateId, error: DecodeError) -> OpenError {
    OpenError::DamagedState { state, reason: error.to_string() }
}
