//! Takes back what states said, whatever the order in which they are applied.
//!
//! A state that takes something back comes after those that it builds on, and only after those: the
//! reference implementation applies branches (`state/branches.rs`) in any order, and would believe again in a
//! packfile that is gone, or lose one that is used. So what a branch said is taken back once more, by a
//! state that builds on that branch.

use std::collections::BTreeSet;

use kloset_format::state::{StateEntry, StateReader, StateWriter};
use kloset_format::{PackfileId, StateId, Version};

use super::publish::{StateName, publish_state};
use crate::repository::read_states;
use crate::state::{AIMS_AT_COLOURED, AIMS_AT_LOCATION};
use crate::{BlobId, Error, OpenError, Repository};

/// What a state takes back.
#[derive(Default)]
pub(crate) struct TakenBack {
    /// Packfiles with all that lies in them.
    pub(crate) packfiles: BTreeSet<PackfileId>,
    /// Marks.
    pub(crate) marks: BTreeSet<BlobId>,
    /// Places of blobs.
    pub(crate) places: BTreeSet<(BlobId, PackfileId)>,
}

impl TakenBack {
    pub(crate) fn is_empty(&self) -> bool {
        self.packfiles.is_empty() && self.marks.is_empty() && self.places.is_empty()
    }

    /// Adds what a delete entry takes back.
    pub(crate) fn add(&mut self, entry_type: u8, blob: BlobId, packfile: PackfileId) {
        match entry_type {
            AIMS_AT_LOCATION => _ = self.places.insert((blob, packfile)),
            AIMS_AT_COLOURED => _ = self.marks.insert(blob),
            _ => _ = self.packfiles.insert(packfile),
        }
    }

    /// Writes it into a state.
    pub(crate) fn write(&self, writer: &mut StateWriter) {
        for packfile in &self.packfiles {
            writer.delete_packfile(packfile);
        }
        for (blob, packfile) in &self.places {
            writer.delete_location(blob.resource, &blob.mac, packfile);
        }
        for mark in &self.marks {
            writer.delete_coloured(mark.resource, &mark.mac);
        }
    }

    /// Takes it back on the branches beside `newest` that said any of it; returns the states written.
    pub(crate) fn publish_on_branches(
        &self,
        repository: &Repository,
        newest: StateId,
        time_ns: i64,
    ) -> Result<Vec<StateId>, Error> {
        let mut published = Vec::new();
        if self.is_empty() {
            return Ok(published);
        }
        for branch in repository.index.branches_beside(newest) {
            let mut said = Self::default();
            read_states(repository, &branch, &mut |state| {
                self.add_what_is_said(&mut said, &state.plain, state.version)
                    .map_err(|reason| OpenError::DamagedState { state: state.id, reason })
            })?;
            let Some(tip) = branch.last().filter(|_| !said.is_empty()) else { continue };
            let mut writer = StateWriter::new(*tip);
            said.write(&mut writer);
            let name = StateId(repository.runtime().random_name());
            let plain = writer.finish(Version::V1_1_0, time_ns, [0; 16]);
            publish_state(repository, StateName::Given(name), &plain)?;
            published.push(name);
        }
        Ok(published)
    }

    /// Adds to `said` what a state says of this.
    fn add_what_is_said(&self, said: &mut Self, plain: &[u8], version: Version) -> Result<(), String> {
        for entry in StateReader::new(plain, version).map_err(|error| error.to_string())? {
            match entry.map_err(|error| error.to_string())? {
                StateEntry::Location { resource, mac, packfile, .. } => {
                    let place = (BlobId::new(resource, mac), packfile);
                    said.places.extend(self.places.get(&place));
                    said.packfiles.extend(self.packfiles.get(&packfile));
                }
                StateEntry::Packfile { packfile, .. } => said.packfiles.extend(self.packfiles.get(&packfile)),
                StateEntry::Coloured { resource, mac, .. } => {
                    said.marks.extend(self.marks.get(&BlobId::new(resource, mac)));
                }
                StateEntry::Configuration { .. } | StateEntry::Delete { .. } => {}
            }
        }
        Ok(())
    }
}
