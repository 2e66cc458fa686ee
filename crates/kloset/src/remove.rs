//! Removes snapshots: marks them in one new state; nothing is deleted.

use kloset_format::SnapshotId;

use crate::{Error, Repository};

/// Marks `snapshots` as removed.
pub fn remove(repository: &Repository, snapshots: &[SnapshotId]) -> Result<(), Error> {
    let _ = (repository, snapshots);
    todo!()
}
