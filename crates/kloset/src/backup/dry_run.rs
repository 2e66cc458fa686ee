//! What a backup would read: a scan without reading contents or writing anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kloset_connector::{ConnectorError, Record, ScanOptions, ScanSink, Source};
use kloset_format::{SnapshotId, path};

use super::BackupOptions;
use crate::exclude::Exclude;
use crate::{Error, Event, Monitor};

/// Totals of a dry run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DryRun {
    /// Paths that would be stored.
    pub entries: u64,
    /// Bytes of file content that would be looked at.
    pub bytes: u64,
    /// Paths that could not be listed.
    pub errors: u64,
}

struct Counter<'a> {
    monitor: &'a dyn Monitor,
    entries: AtomicU64,
    bytes: AtomicU64,
    errors: AtomicU64,
}

/// Walks `source` as a backup would, reporting each path under the all-zero snapshot id.
pub fn dry_run(source: &dyn Source, options: &BackupOptions, monitor: &dyn Monitor) -> Result<DryRun, Error> {
    let info = source.info().map_err(Error::Source)?;
    let exclude = Exclude::new(&options.ignore, std::slice::from_ref(&info.directory))?;
    let left_out = options.left_out.clone();
    let scan = ScanOptions {
        excluded: Arc::new(move |path: &[u8], is_directory: bool| {
            left_out.iter().any(|one| path::is_within(path, one)) || exclude.excluded(path, is_directory)
        }),
        xattr_values: false,
    };
    let counter =
        Counter { monitor, entries: AtomicU64::new(0), bytes: AtomicU64::new(0), errors: AtomicU64::new(0) };
    source.scan(&scan, &counter).map_err(Error::Source)?;
    Ok(DryRun {
        entries: counter.entries.into_inner(),
        bytes: counter.bytes.into_inner(),
        errors: counter.errors.into_inner(),
    })
}

impl Counter<'_> {
    fn count(&self, path: &[u8], record: &Record) {
        self.entries.fetch_add(1, Ordering::Relaxed);
        if record.info.mode.is_regular() {
            self.bytes.fetch_add(record.info.size.max(0) as u64, Ordering::Relaxed);
        }
        self.monitor.event(Event::PathDone {
            snapshot: SnapshotId::ZERO,
            path,
            kind: record.info.mode.kind(),
            cached: false,
        });
    }
}

impl ScanSink for Counter<'_> {
    fn ancestors(&self, chain: Vec<Record>) {
        let mut at = b"/".to_vec();
        for (depth, record) in chain.iter().enumerate() {
            if depth > 0 {
                at = path::join(&at, &record.info.name);
            }
            self.count(&at, record);
        }
    }

    fn listing(&self, directory: &[u8], children: Vec<Record>) {
        for record in &children {
            self.count(&path::join(directory, &record.info.name), record);
        }
    }

    fn failed(&self, path: &[u8], _: bool, error: ConnectorError) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        self.monitor.event(Event::PathFailed { snapshot: SnapshotId::ZERO, path, reason: &error.message });
    }

    fn stopped(&self) -> bool {
        false
    }
}
