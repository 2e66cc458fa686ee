//! How the engine is heard: events for progress, per-path results and warnings.

use kloset_format::mode::FileKind;
use kloset_format::{Mac, SnapshotId};

/// Something that happened. Paths and texts are as stored: escape them before a terminal sees them.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A named stage begins: `scan`, `read`, `index`, `restore`, `check`.
    Phase(&'static str),
    /// Totals known so far; `complete` once the scan or the plan has ended.
    Expected {
        /// Entries.
        entries: u64,
        /// Bytes of file content.
        bytes: u64,
        /// Whether the totals are final.
        complete: bool,
    },
    /// More was done: increments.
    Progress {
        /// Entries finished.
        entries: u64,
        /// Bytes of file content finished.
        bytes: u64,
    },
    /// One path is done.
    PathDone {
        /// Snapshot being written or read.
        snapshot: SnapshotId,
        /// Absolute path inside the snapshot.
        path: &'a [u8],
        /// What it is.
        kind: FileKind,
        /// Whether it was taken over unchanged.
        cached: bool,
    },
    /// One path failed.
    PathFailed {
        /// Snapshot being written or read.
        snapshot: SnapshotId,
        /// Absolute path inside the snapshot.
        path: &'a [u8],
        /// Why.
        reason: &'a str,
    },
    /// One object failed (check).
    ObjectFailed {
        /// Snapshot being read.
        snapshot: SnapshotId,
        /// Name of the object.
        object: Mac,
        /// Why.
        reason: &'a str,
    },
    /// A run ends without a snapshot; this much of its work is recorded for the next one.
    Checkpoint(Stored),
    /// This much of what was wanted had been stored by runs without a snapshot, and was not stored again;
    /// told once, at the end.
    Found(Stored),
    /// Something the user should know.
    Warning(&'a str),
    /// Something that may be shown as an `info:` line.
    Info(&'a str),
}

/// Blobs of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Their number.
    pub blobs: u64,
    /// Their encoded bytes.
    pub bytes: u64,
}

impl Stored {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.blobs += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Receives events, from any thread; must not block for long.
pub trait Monitor: Send + Sync {
    /// One event.
    fn event(&self, event: Event<'_>);
    /// Whether `PathDone` events are wanted; without them the engine saves the work.
    fn wants_paths(&self) -> bool {
        true
    }
}

/// Hears nothing.
pub struct SilentMonitor;

impl Monitor for SilentMonitor {
    fn event(&self, _: Event<'_>) {}
    fn wants_paths(&self) -> bool {
        false
    }
}
