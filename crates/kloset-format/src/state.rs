//! State files: what one transaction added to or removed from a store.
//!
//! ```text
//! parent 32 (not in 1.0.0) | (type u8 | length u32 | body)* | 1u8 | version u32 | timestamp i64 ns | serial 16
//! ```
//!
//! All numbers are little endian. This module reads and writes single states; merging them is
//! the engine's business. Configuration entries are read but never written: the reference
//! implementation cannot take them in.

mod read;
mod write;

pub use read::StateReader;
pub use write::StateWriter;

use crate::{Mac, PackfileId, ResourceType, StateId, Version};

/// Numbers of the entry types.
pub(crate) mod entry_type {
    pub(crate) const METADATA: u8 = 1;
    pub(crate) const LOCATION: u8 = 2;
    pub(crate) const COLOURED: u8 = 3;
    pub(crate) const PACKFILE: u8 = 4;
    pub(crate) const CONFIGURATION: u8 = 5;
    pub(crate) const DELETE: u8 = 6;
}

/// One thing that a state says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateEntry {
    /// A blob lies in a packfile.
    Location {
        /// Type of the blob.
        resource: ResourceType,
        /// Version of the blob.
        version: Version,
        /// Name of the blob.
        mac: Mac,
        /// The packfile that holds it.
        packfile: PackfileId,
        /// Start inside the payload of the packfile.
        offset: u64,
        /// Encoded length.
        length: u32,
        /// Always 0 nowadays.
        flags: u32,
    },
    /// A deletion mark: a snapshot is removed, or a packfile waits for maintenance.
    Coloured {
        /// Type of what is marked: snapshot or packfile.
        resource: ResourceType,
        /// Its name.
        mac: Mac,
        /// When it was marked, in nanoseconds since 1970.
        when_ns: i64,
    },
    /// A packfile is complete; without this entry its blobs do not count.
    Packfile {
        /// Name of the packfile.
        packfile: PackfileId,
        /// Name of the state that first told of it.
        state: StateId,
        /// When its upload finished, in nanoseconds since 1970.
        timestamp_ns: i64,
    },
    /// A setting of the store; nothing writes these.
    Configuration {
        /// Name of the setting.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
        /// When it was set, in nanoseconds since 1970.
        created_ns: i64,
    },
    /// An earlier entry no longer holds.
    Delete {
        /// Number of the entry type that is taken back: 2 location, 3 coloured, 4 packfile.
        entry_type: u8,
        /// Blob type, 0 for packfiles.
        resource: ResourceType,
        /// Name of the blob or of what was coloured, zero for packfiles.
        mac: Mac,
        /// The packfile, for locations and packfiles.
        packfile: PackfileId,
    },
}

impl StateEntry {
    /// The state that this entry declares replaced: what it says is said by the state with this entry, too,
    /// and its file may be gone.
    ///
    /// Written as a location that is taken back, of padding of that name in the packfile zero: there is none,
    /// so other readers have nothing to do.
    pub fn replaced(&self) -> Option<StateId> {
        match self {
            Self::Delete {
                entry_type: entry_type::LOCATION,
                resource: ResourceType::RANDOM,
                mac,
                packfile,
            } if packfile.is_zero() => Some(StateId(mac.0)),
            _ => None,
        }
    }
}

/// The end of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateMetadata {
    /// Version of the state.
    pub version: Version,
    /// When it was written, in nanoseconds since 1970.
    pub timestamp_ns: i64,
    /// Never interpreted; zero in practice.
    pub serial: [u8; 16],
}

impl StateMetadata {
    /// Size of the metadata, without the mark before it.
    pub const SIZE_BYTES: usize = 28;
}
