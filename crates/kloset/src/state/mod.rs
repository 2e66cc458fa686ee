//! The merged view of all states: which blobs and snapshots exist, and where.

use kloset_format::{PackfileId, SnapshotId, StateId};

use crate::{BlobId, BlobLocation};

/// The index of a store.
#[derive(Default)]
pub(crate) struct Index {
    states: Vec<StateId>,
}

impl Index {
    pub(crate) fn snapshots(&self) -> Vec<SnapshotId> {
        todo!()
    }

    pub(crate) fn find(&self, blob: BlobId) -> Option<BlobLocation> {
        let _ = blob;
        todo!()
    }

    pub(crate) fn packfiles(&self) -> Vec<PackfileId> {
        todo!()
    }

    pub(crate) fn states(&self) -> &[StateId] {
        &self.states
    }
}
