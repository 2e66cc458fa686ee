//! Restore: plan by packfile and offset, fetch, verify, write; directory metadata last.

use std::collections::BTreeMap;
use std::time::Duration;

use kloset_connector::{Destination, Limitation};

use crate::{Error, Monitor, Snapshot};

/// Settings of one restore.
#[derive(Clone, Debug, Default)]
pub struct RestoreOptions {
    /// Leave modes, owners and extended attributes as the destination makes them; times are set.
    pub skip_permissions: bool,
}

/// What a restore did.
#[derive(Clone, Debug, Default)]
pub struct RestoreReport {
    /// Entries restored.
    pub entries: u64,
    /// Entries that were already right.
    pub kept: u64,
    /// Bytes of content written.
    pub bytes: u64,
    /// Entries that were tried and failed.
    pub failed: u64,
    /// What the target could not express, with counts.
    pub limitations: BTreeMap<Limitation, u64>,
    /// Wall time.
    pub elapsed: Duration,
}

/// Restores what lies at and below `path` (clean, absolute, links resolved) into `destination`.
///
/// A directory's contents land directly in the destination's root, which gets the directory's
/// metadata; a file lands there under its own name.
pub fn restore(
    snapshot: &Snapshot,
    path: &[u8],
    destination: &dyn Destination,
    options: &RestoreOptions,
    monitor: &dyn Monitor,
) -> Result<RestoreReport, Error> {
    let _ = (snapshot, path, destination, options, monitor);
    todo!()
}
