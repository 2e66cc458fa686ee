//! Encoding of states, always in the newest version.

use super::entry_type;
use crate::{Mac, PackfileId, ResourceType, StateId, Version};

/// Builds one state in memory.
///
/// The reference implementation writes deletes, locations, coloured entries and packfiles in
/// this order; any order reads.
#[derive(Clone, Debug)]
pub struct StateWriter {
    out: Vec<u8>,
}

impl StateWriter {
    /// Starts a state whose writer knew `parent` as the newest one.
    pub fn new(parent: StateId) -> Self {
        Self { out: parent.0.to_vec() }
    }

    /// Says that a blob lies in a packfile.
    pub fn location(
        &mut self,
        resource: ResourceType,
        version: Version,
        mac: &Mac,
        packfile: &PackfileId,
        offset: u64,
        length: u32,
    ) {
        self.head(entry_type::LOCATION, 85);
        self.out.push(resource.0);
        self.out.extend_from_slice(&version.0.to_le_bytes());
        self.out.extend_from_slice(&mac.0);
        self.out.extend_from_slice(&packfile.0);
        self.out.extend_from_slice(&offset.to_le_bytes());
        self.out.extend_from_slice(&length.to_le_bytes());
        self.out.extend_from_slice(&0u32.to_le_bytes());
    }

    /// Marks a snapshot as removed or a packfile as waiting for maintenance.
    pub fn coloured(&mut self, resource: ResourceType, mac: &Mac, when_ns: i64) {
        self.head(entry_type::COLOURED, 41);
        self.out.push(resource.0);
        self.out.extend_from_slice(&mac.0);
        self.out.extend_from_slice(&when_ns.to_le_bytes());
    }

    /// Says that a packfile is complete; `state` must be the name this state is stored under.
    pub fn packfile(&mut self, packfile: &PackfileId, state: &StateId, timestamp_ns: i64) {
        self.head(entry_type::PACKFILE, 72);
        self.out.extend_from_slice(&packfile.0);
        self.out.extend_from_slice(&state.0);
        self.out.extend_from_slice(&timestamp_ns.to_le_bytes());
    }

    /// Takes a location back.
    pub fn delete_location(&mut self, resource: ResourceType, mac: &Mac, packfile: &PackfileId) {
        self.delete(entry_type::LOCATION, resource, mac, packfile);
    }

    /// Takes a deletion mark back.
    pub fn delete_coloured(&mut self, resource: ResourceType, mac: &Mac) {
        self.delete(entry_type::COLOURED, resource, mac, &PackfileId::ZERO);
    }

    /// Takes a packfile and all its locations back.
    pub fn delete_packfile(&mut self, packfile: &PackfileId) {
        self.delete(entry_type::PACKFILE, ResourceType(0), &Mac::ZERO, packfile);
    }

    /// Declares that this state replaces another one; see [`super::StateEntry::replaced`].
    pub fn replaces(&mut self, state: &StateId) {
        self.delete_location(ResourceType::RANDOM, &Mac(state.0), &PackfileId::ZERO);
    }

    /// Takes an entry back, in the raw form of the format.
    pub fn delete(&mut self, entry_type: u8, resource: ResourceType, mac: &Mac, packfile: &PackfileId) {
        self.head(self::entry_type::DELETE, 66);
        self.out.extend_from_slice(&[entry_type, resource.0]);
        self.out.extend_from_slice(&mac.0);
        self.out.extend_from_slice(&packfile.0);
    }

    /// Number of bytes so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether no entry was added.
    pub fn is_empty(&self) -> bool {
        self.out.len() == 32
    }

    /// Ends the state and returns its plain bytes.
    pub fn finish(mut self, version: Version, timestamp_ns: i64, serial: [u8; 16]) -> Vec<u8> {
        self.out.push(entry_type::METADATA);
        self.out.extend_from_slice(&version.0.to_le_bytes());
        self.out.extend_from_slice(&timestamp_ns.to_le_bytes());
        self.out.extend_from_slice(&serial);
        self.out
    }

    fn head(&mut self, kind: u8, length: u32) {
        self.out.push(kind);
        self.out.extend_from_slice(&length.to_le_bytes());
    }
}
