//! An opened store: its settings, its keys, and the index of its blobs.

mod create;
mod keys;
mod memory;
mod open;
mod read_log;
mod reader;
mod states;

pub(crate) use create::new_archive_config;
pub use create::{CreateOptions, create, create_and_remember};
pub use memory::Acceptance;
pub use open::{LockedStore, OpenOptions};
pub(crate) use read_log::{ReadLog, VerifiedBlobs};
pub use reader::DecodeOn;
pub(crate) use states::{damaged_states, decode_state, read_states};

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use kloset_codec::{chunk::Chunker, codec::Codec, hash::MacKey};
use kloset_connector::Storage;
use kloset_format::config::{Config, RepositoryId};
use kloset_format::{Mac, PackfileId, ResourceType, SnapshotId, StateId};

use self::memory::StoreMemory;
use crate::Error;
use crate::monitor::Monitor;
use crate::runtime::Runtime;
use crate::state::Index;

/// Type and name of a blob.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BlobId {
    /// What it is.
    pub resource: ResourceType,
    /// Its name under that type.
    pub mac: Mac,
}

impl BlobId {
    /// Puts the two together.
    pub fn new(resource: ResourceType, mac: Mac) -> Self {
        Self { resource, mac }
    }

    /// The header of a snapshot; a mark of this name removes the snapshot.
    pub(crate) fn header(snapshot: SnapshotId) -> Self {
        Self::new(ResourceType::SNAPSHOT, Mac(snapshot.0))
    }

    /// What a mark for the deletion of a packfile is about.
    pub(crate) fn packfile(packfile: PackfileId) -> Self {
        Self::new(ResourceType::PACKFILE, Mac(packfile.0))
    }
}

/// Where the encoded bytes of a blob lie.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct BlobLocation {
    /// The packfile.
    pub packfile: PackfileId,
    /// Offset in the packfile's payload, in bytes.
    pub offset: u64,
    /// Encoded length in bytes.
    pub length: u32,
}

/// An opened store.
pub struct Repository {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) config: Config,
    pub(crate) key: MacKey,
    pub(crate) codec: Arc<Codec>,
    pub(crate) chunker: Arc<Chunker>,
    pub(crate) monitor: Arc<dyn Monitor>,
    pub(crate) runtime: Runtime,
    pub(crate) index: Index,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) memory: Option<StoreMemory>,
    pub(crate) suspicions: Vec<String>,
    /// Made by the first whole check, and filled from then on.
    pub(crate) read_log: OnceLock<ReadLog>,
}

impl Repository {
    /// Settings of the store.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Identity of the store.
    pub fn id(&self) -> RepositoryId {
        RepositoryId(self.config.repository_id)
    }

    /// The files below.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// What may be used of the machine.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The keyed hash that names everything in this store.
    pub fn key(&self) -> &MacKey {
        &self.key
    }

    /// Every snapshot that was not removed, in no order.
    pub fn snapshots(&self) -> Vec<SnapshotId> {
        self.index.snapshots()
    }

    /// What speaks against the store: differences from what this client saw before. A store with
    /// any of them is read, but not written.
    pub fn suspicions(&self) -> &[String] {
        &self.suspicions
    }

    /// Fails if the store must not be written.
    pub(crate) fn ensure_writable(&self) -> Result<(), Error> {
        if !self.storage.info().writable {
            return Err(Error::ReadOnlyStore);
        }
        if self.suspicions.is_empty() { Ok(()) } else { Err(Error::StoreChanged(self.suspicions.join("; "))) }
    }

    /// Time of a state that is written now: after every state that was looked at, whatever the clocks of
    /// the machines that wrote them said, so that what it takes back stays taken back.
    pub(crate) fn state_time_ns(&self) -> i64 {
        self.runtime.clock.now().to_nanoseconds().max(self.index.newest_ns().saturating_add(1))
    }

    /// Where a blob lies, if any live packfile holds it.
    pub fn locate(&self, blob: BlobId) -> Option<BlobLocation> {
        self.index.find(blob)
    }

    /// Every live packfile named by a state.
    pub fn packfiles(&self) -> Vec<PackfileId> {
        self.index.packfiles()
    }

    /// Names of the states that the index was built from.
    pub fn states(&self) -> &[StateId] {
        self.index.states()
    }
}
