//! Gathers what still matters of many states and writes it as one.
//!
//! What was taken back is gone, that it was taken back stays: caches of other clients may have it still.
//! An entry that is not understood in full stops it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kloset_format::state::{StateEntry, StateReader, StateWriter};
use kloset_format::{PackfileId, StateId, Version};

use crate::state::{LoadedState, Merged};
use crate::write::TakenBack;
use crate::{BlobId, OpenError};

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
    /// This one cannot be read.
    Damaged(OpenError),
}

impl<'a> Gatherer<'a> {
    pub(super) fn new(all: &'a Merged) -> Self {
        Self { all, order: HashMap::new() }
    }

    /// Adds what still matters of a state to a part, which then replaces it. States come oldest first.
    pub(super) fn add(&mut self, part: &mut Part, state: &LoadedState) -> Result<(), Refusal> {
        let damaged = |error: kloset_format::DecodeError| {
            Refusal::Damaged(OpenError::DamagedState { state: state.id, reason: error.to_string() })
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
                part.marks.insert(BlobId::new(resource, mac), when_ns);
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
