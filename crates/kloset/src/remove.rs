//! Removes snapshots: marks them in one new state; nothing is deleted.

use kloset_format::state::StateWriter;
use kloset_format::{Mac, ResourceType, SnapshotId, Version};

use crate::write::{StateName, changed, publish_state};
use crate::{Error, Repository};

/// Marks `snapshots` as removed. Their blobs stay until maintenance.
pub fn remove(repository: &Repository, snapshots: &[SnapshotId]) -> Result<(), Error> {
    if snapshots.is_empty() {
        return Ok(());
    }
    repository.ensure_writable()?;
    let now = repository.runtime.clock.now().to_nanoseconds();
    let changed = changed(repository)?;
    let present = changed.as_ref().unwrap_or(repository);
    let mut writer = StateWriter::new(present.index.newest_state());
    for snapshot in snapshots {
        writer.coloured(ResourceType::SNAPSHOT, &Mac(snapshot.0), now);
    }
    let plain = writer.finish(Version::V1_1_0, present.state_time_ns(), [0; 16]);
    publish_state(repository, StateName::FromContent, &plain).map(|_| ())
}
