//! Check: reads and verifies everything that snapshots rely on.

use std::sync::Arc;
use std::time::Duration;

use kloset_format::SnapshotId;

use crate::{Error, Monitor, Repository};

/// Settings of one check.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions {
    /// Read only what a recursive listing needs.
    pub fast: bool,
}

/// Result for one snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotCheck {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Paths and objects found damaged or missing.
    pub errors: u64,
    /// Wall time spent on it.
    pub elapsed: Duration,
}

/// Verifies `targets` (snapshot and clean absolute path to start from), reporting per path to the
/// monitor. Packfiles and objects that several snapshots share are read once.
pub fn check(
    repository: &Arc<Repository>,
    targets: &[(SnapshotId, Vec<u8>)],
    options: CheckOptions,
    monitor: &dyn Monitor,
    done: &mut dyn FnMut(SnapshotCheck),
) -> Result<(), Error> {
    let _ = (repository, targets, options, monitor, done);
    todo!()
}
