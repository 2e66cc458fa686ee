//! Backup: the only place that knows the stages and the queues between them.

use std::sync::Arc;
use std::time::Duration;

use kloset_connector::Source;
use kloset_format::{SnapshotId, Timestamp};

use crate::{Error, Monitor, Repository};

/// Settings of one backup.
#[derive(Clone, Default)]
pub struct BackupOptions {
    /// Header field; the command line sets `default`.
    pub name: String,
    /// Header field.
    pub category: String,
    /// Header field.
    pub environment: String,
    /// Header field.
    pub perimeter: String,
    /// Header field.
    pub job: String,
    /// Tags, order and duplicates kept.
    pub tags: Vec<String>,
    /// Forced time of the snapshot, in the past.
    pub timestamp: Option<Timestamp>,
    /// Free text pairs for the header, in order (Hostname, Username, …).
    pub context: Vec<(String, String)>,
    /// Gitignore patterns, in order.
    pub ignore: Vec<String>,
    /// Do not store values of extended attributes.
    pub skip_xattr_values: bool,
    /// Read every file again instead of trusting the parent snapshot.
    pub ignore_parent: bool,
    /// Keep what arrived when the source is lost for good.
    pub allow_partial: bool,
    /// Local folder of the store itself, left out of the backup.
    pub store_directory: Option<Vec<u8>>,
}

/// What a backup did.
#[derive(Clone, Debug)]
pub struct BackupReport {
    /// The new snapshot.
    pub snapshot: SnapshotId,
    /// Paths in it.
    pub entries: u64,
    /// Regular files in it.
    pub files: u64,
    /// Files taken over from the parent without reading.
    pub files_unchanged: u64,
    /// Bytes of file content in it.
    pub content_bytes: u64,
    /// Bytes of file content read from the source.
    pub read_bytes: u64,
    /// Paths that could not be read.
    pub errors: u64,
    /// Snapshot whose unchanged files were taken over.
    pub parent: Option<SnapshotId>,
    /// Whether the source was lost and `allow_partial` kept the rest.
    pub partial: bool,
    /// Wall time.
    pub elapsed: Duration,
}

/// Makes a snapshot of `source`.
///
/// When this returns, the snapshot is durable and listed; on `Err` no snapshot exists.
pub fn backup(
    repository: &Arc<Repository>,
    source: &dyn Source,
    options: &BackupOptions,
    monitor: &dyn Monitor,
) -> Result<BackupReport, Error> {
    let _ = (repository, source, options, monitor);
    todo!()
}

/// What a dry run would read: every path, without reading contents or writing anything.
///
/// Returns (entries, bytes, paths that could not be listed).
pub fn dry_run(
    source: &dyn Source,
    options: &BackupOptions,
    monitor: &dyn Monitor,
) -> Result<(u64, u64, u64), Error> {
    let _ = (source, options, monitor);
    todo!()
}
