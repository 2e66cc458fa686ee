//! Gathers what still matters of many states and writes it as one.
//!
//! What was taken back is gone, that it was taken back stays: caches of other clients may have it still.
//! An entry that is not understood in full stops it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kloset_format::state::{StateEntry, StateReader, StateWriter};
use kloset_format::{PackfileId, ResourceType, StateId, Version};

use crate::state::{LoadedState, Merged};
use crate::write::TakenBack;
use crate::{BlobId, Error, OpenError};

/// Size of most entries, with their heads.
const ENTRY_BYTES: usize = 85 + 5;

/// What a new state will say.
#[derive(Default)]
pub(super) struct Part {
    replaced: BTreeSet<StateId>,
    taken_back: TakenBack,
    /// By the order in which packfiles were told of first.
    packfiles: BTreeMap<u32, (PackfileId, i64)>,
    places: Vec<Place>,
    marks: BTreeMap<BlobId, i64>,
    /// Bytes of the entries, about.
    bytes: usize,
}

/// Where a blob lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// Position of the packfile.
    at: u32,
    blob: BlobId,
    /// The first of several in one packfile holds.
    nth: u32,
    version: Version,
    packfile: PackfileId,
    offset: u64,
    length: u32,
}

/// Gathers what still matters of states.
pub(super) struct Gatherer<'a> {
    all: &'a Merged,
    /// Positions of packfiles in the order in which they were told of first.
    order: HashMap<PackfileId, u32>,
}

/// Why states are left as they are.
pub(super) enum Refusal {
    /// This state says something that is not understood in full.
    Strange(StateId),
    /// One cannot be read, or a new one not be written.
    Failed(Error),
}

impl From<OpenError> for Refusal {
    fn from(error: OpenError) -> Self {
        Self::Failed(error.into())
    }
}

impl<'a> Gatherer<'a> {
    pub(super) fn new(all: &'a Merged) -> Self {
        Self { all, order: HashMap::new() }
    }

    /// Adds what still matters of a state to a part, which then replaces it. States come oldest first.
    pub(super) fn add(&mut self, part: &mut Part, state: &LoadedState) -> Result<(), Refusal> {
        let damaged = |error: kloset_format::DecodeError| {
            Refusal::from(OpenError::DamagedState { state: state.id, reason: error.to_string() })
        };
        let mut reader = StateReader::new(&state.plain, state.version).map_err(damaged)?;
        for entry in reader.by_ref() {
            let entry = entry.map_err(damaged)?;
            if self.all.still_matters(&entry) && !self.add_entry(part, entry) {
                return Err(Refusal::Strange(state.id));
            }
        }
        if reader.skipped() > 0 {
            return Err(Refusal::Strange(state.id));
        }
        part.replaced.insert(state.id);
        part.bytes += ENTRY_BYTES;
        Ok(())
    }

    /// Whether the entry is understood in full.
    fn add_entry(&mut self, part: &mut Part, entry: StateEntry) -> bool {
        part.bytes += ENTRY_BYTES;
        let replaced = entry.replaced();
        match entry {
            StateEntry::Location { resource, version, mac, packfile, offset, length, flags: 0 } => {
                let (blob, nth) = (BlobId::new(resource, mac), part.places.len() as u32);
                let at = self.position(packfile);
                part.places.push(Place { at, blob, nth, version, packfile, offset, length });
            }
            StateEntry::Packfile { packfile, timestamp_ns, .. } => {
                let at = self.position(packfile);
                part.packfiles.entry(at).or_insert((packfile, timestamp_ns));
            }
            StateEntry::Coloured { resource, mac, when_ns } => {
                let marked = BlobId::new(resource, mac);
                part.marks.insert(marked, when_ns);
                // Of several marks the first holds, and it must not be another one once the state of the
                // first has gone.
                if resource == ResourceType::PACKFILE {
                    part.taken_back.marks.insert(marked);
                }
            }
            StateEntry::Delete { .. } if replaced.is_some() => part.replaced.extend(replaced),
            StateEntry::Delete { entry_type, resource, mac, packfile } => {
                part.taken_back.add(entry_type, BlobId::new(resource, mac), packfile);
            }
            StateEntry::Location { .. } | StateEntry::Configuration { .. } => return false,
        }
        true
    }

    fn position(&mut self, packfile: PackfileId) -> u32 {
        let next = self.order.len() as u32;
        *self.order.entry(packfile).or_insert(next)
    }
}

impl Part {
    /// Size of the new state, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The new state, decoded.
    pub(super) fn write(mut self, name: StateId, parent: StateId, time_ns: i64) -> Vec<u8> {
        let mut writer = StateWriter::new(parent);
        self.replaced.iter().for_each(|state| writer.replaces(state));
        self.taken_back.write(&mut writer);
        self.places.sort_unstable();
        self.places.dedup_by_key(|place| (place.at, place.blob));
        self.places.sort_unstable_by_key(|place| (place.at, place.offset, place.blob));
        for place in &self.places {
            let Place { blob, version, packfile, offset, length, .. } = place;
            writer.location(blob.resource, *version, &blob.mac, packfile, *offset, *length);
        }
        for (blob, when_ns) in &self.marks {
            writer.coloured(blob.resource, &blob.mac, *when_ns);
        }
        for (packfile, timestamp_ns) in self.packfiles.values() {
            writer.packfile(packfile, &name, *timestamp_ns);
        }
        writer.finish(Version::V1_1_0, time_ns, [0; 16])
    }
}

#[cfg(test)]
mod tests {
    use kloset_format::Mac;

    use super::*;
    use crate::state::Merger;

    /// Random numbers below a bound.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, bound: u8) -> u8 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 33) % u64::from(bound)) as u8
        }
    }

    fn random_state(dice: &mut Dice, id: u8, parent: u8) -> LoadedState {
        let name = StateId([id; 32]);
        let mut writer = StateWriter::new(if parent == 0 { StateId::ZERO } else { StateId([parent; 32]) });
        for _ in 0..dice.below(12) {
            let (mac, packfile) = (Mac([dice.below(5); 32]), PackfileId([100 + dice.below(8); 32]));
            let offset = u64::from(mac.0[0]);
            let resource =
                [ResourceType::SNAPSHOT, ResourceType::CHUNK, ResourceType::RANDOM][dice.below(3) as usize];
            match dice.below(12) {
                0..=4 => writer.location(resource, Version::V1_0_0, &mac, &packfile, offset, 7),
                5..=7 => writer.packfile(&packfile, &name, i64::from(id)),
                8 => writer.coloured(ResourceType::PACKFILE, &Mac(packfile.0), i64::from(dice.below(3))),
                9 => writer.coloured(ResourceType::SNAPSHOT, &mac, i64::from(dice.below(3))),
                10 => match dice.below(4) {
                    0 => writer.delete_packfile(&packfile),
                    1 => writer.delete_location(resource, &mac, &packfile),
                    _ => writer.delete_coloured(ResourceType::PACKFILE, &Mac(packfile.0)),
                },
                _ => writer.delete_coloured(ResourceType::SNAPSHOT, &mac),
            }
        }
        let plain = writer.finish(Version::V1_1_0, i64::from(id), [0; 16]);
        LoadedState { id: name, version: Version::V1_1_0, plain }
    }

    fn merged<'a>(states: impl IntoIterator<Item = &'a LoadedState>) -> Merged {
        let mut merger = Merger::new(Merged::default());
        states.into_iter().for_each(|state| merger.add(state).unwrap());
        merger.finish().unwrap()
    }

    /// The states written anew, so many into one.
    fn anew(all: &Merged, states: &[LoadedState], into_one: usize, first: u8) -> Vec<LoadedState> {
        let mut gatherer = Gatherer::new(all);
        let (mut parts, mut parent) = (Vec::new(), states.last().unwrap().id);
        for (id, some) in (first..).zip(states.chunks(into_one)) {
            let mut part = Part::default();
            for state in some {
                assert!(gatherer.add(&mut part, state).is_ok());
            }
            let name = StateId([id; 32]);
            let plain = part.write(name, parent, i64::from(id));
            parts.push(LoadedState { id: name, version: Version::V1_1_0, plain });
            parent = name;
        }
        parts
    }

    #[test]
    fn states_written_anew_say_the_same_alone_and_with_the_last_of_the_old_ones() {
        for seed in 0..400 {
            let mut dice = Dice(seed);
            let states: Vec<LoadedState> = (1..10).map(|id| random_state(&mut dice, id, id - 1)).collect();
            let all = merged(&states);
            for into_one in [1, 4, 9] {
                let parts = anew(&all, &states, into_one, 200);
                for left in 0..=states.len() {
                    let now = merged(states[left..].iter().chain(&parts));
                    assert!(all.says_the_same(&now), "seed {seed}, {into_one} into one, {left} gone");
                    assert_eq!(now.replaced().count(), states.len() - left);
                    assert!(now.missing_parents().is_empty() && now.loose().is_empty());
                }
                // And so do states written anew from those.
                let alone = merged(&parts);
                let again = anew(&alone, &parts, into_one, 220);
                let now = merged(&again);
                assert!(all.says_the_same(&now), "seed {seed}, again");
                assert_eq!(now.replacements().count(), states.len() + parts.len());
            }
        }
    }

    #[test]
    fn what_says_less_is_told_apart() {
        let mut different = 0;
        for seed in 0..200 {
            let mut dice = Dice(seed);
            let states: Vec<LoadedState> = (1..6).map(|id| random_state(&mut dice, id, id - 1)).collect();
            let (all, less) = (merged(&states), merged(&states[1..]));
            assert!(all.says_the_same(&all) && all.says_the_same(&less) == less.says_the_same(&all));
            different += u32::from(!all.says_the_same(&less));
        }
        assert!(different > 100, "{different}");
    }
}
