//! Backup: the only place that knows the stages and the queues between them.
//!
//! ```text
//! scan (the source's threads) ─ listing ─► compare with the parent ─► entries, read requests
//!        read requests (queue, READS_WAITING) ─► the source's readers ─► cut, name, store
//!        chunks of long contents (queue, CHUNKS_WAITING) ─► pool of chunk workers
//!        full packfiles (queue of 1) ─► uploaders ─► store
//! ```
//!
//! Then trees, header, all uploads acknowledged, state: see [`crate::write`].

mod choose_parent;
mod collect;
pub(crate) mod content;
mod dry_run;
pub(crate) mod index;
pub(crate) mod tree;

pub use dry_run::{DryRun, dry_run};

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kloset_connector::{ConnectorError, ScanOptions, Source, SourceInfo};
use kloset_format::header::{Header, Importer, KeyValue, SourceRecord};
use kloset_format::{SnapshotId, Timestamp, path};

use self::choose_parent::choose_parent;
use self::collect::{Collector, Setting};
use self::index::write_trees;
use crate::exclude::Exclude;
use crate::vfs::parent::ParentTree;
use crate::write::Transaction;
use crate::{Error, Event, Monitor, Repository, Snapshot};

/// Files whose content is wanted and that no reader has taken yet: enough for a thousand requests
/// in flight and as many behind them.
const READS_WAITING: usize = 4096;

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
    /// Local paths left out of the backup: those of the store itself.
    pub left_out: Vec<Vec<u8>>,
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
    /// Bytes of packfiles uploaded.
    pub written_bytes: u64,
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
/// When this returns, the snapshot is durable and listed; on `Err` no snapshot exists, unless the error
/// says that this is in doubt.
pub fn backup(
    repository: &Arc<Repository>,
    source: &dyn Source,
    options: &BackupOptions,
    monitor: &dyn Monitor,
) -> Result<BackupReport, Error> {
    let started = Instant::now();
    let begun = repository.runtime.clock.now();
    let info = source.info().map_err(Error::Source)?;
    let exclude = Arc::new(Exclude::new(&options.ignore, std::slice::from_ref(&info.directory))?);
    let snapshot = SnapshotId(repository.runtime.random_name());
    let transaction = Transaction::begin(repository, snapshot)?;
    let repository = &Arc::clone(transaction.repository());
    let run = Run { repository, source, options, monitor, info, exclude, snapshot, begun, started };
    match run.collect_and_store(&transaction) {
        Ok((report, header)) => {
            let stored = transaction.packer().store_header(snapshot, &header);
            match stored.and_then(|()| repository.runtime.proceed()) {
                Ok(()) => {
                    let written = transaction.commit(snapshot)?;
                    Ok(BackupReport { written_bytes: written, elapsed: started.elapsed(), ..report })
                }
                Err(error) => {
                    transaction.abandon(&error);
                    Err(error)
                }
            }
        }
        Err(error) => {
            transaction.abandon(&error);
            Err(error)
        }
    }
}

/// One backup in progress.
struct Run<'a> {
    repository: &'a Arc<Repository>,
    source: &'a dyn Source,
    options: &'a BackupOptions,
    monitor: &'a dyn Monitor,
    info: SourceInfo,
    exclude: Arc<Exclude>,
    snapshot: SnapshotId,
    begun: Timestamp,
    started: Instant,
}

impl Run<'_> {
    /// Everything up to the header, whose bytes are returned.
    fn collect_and_store(&self, transaction: &Transaction) -> Result<(BackupReport, Vec<u8>), Error> {
        let parent = if self.options.ignore_parent { None } else { self.find_parent(transaction)? };
        let parent_id = parent.as_ref().map(|snapshot| snapshot.id());
        let parent = match parent.map(ParentTree::open).transpose() {
            Err(error) if error.is_out_of_reach() || matches!(error, Error::Interrupted) => {
                return Err(error);
            }
            Err(error) => {
                let text = format!("the previous snapshot cannot be used, every file is read again: {error}");
                self.monitor.event(Event::Warning(&text));
                None
            }
            Ok(tree) => tree,
        };
        let (queue, requests) = crossbeam_channel::bounded(READS_WAITING);
        let setting = Setting {
            repository: self.repository,
            transaction,
            monitor: self.monitor,
            snapshot: self.snapshot,
            parent,
            directory: self.info.directory.clone(),
            lenient_owners: self.info.kind == "sftp",
            xattr_values: !self.options.skip_xattr_values,
        };
        let collector = Collector::new(setting, queue);
        self.monitor.event(Event::Phase("backup"));
        let lost = self.scan_and_read(&collector, requests);
        if let Some(error) = collector.take_failure().or_else(|| transaction.failure()) {
            return Err(error);
        }
        self.repository.runtime.proceed()?;
        let partial = match lost {
            Some(error) if !self.options.allow_partial => return Err(Error::Source(error)),
            Some(error) => {
                let text = format!("the source was lost, the snapshot holds what had arrived: {error}");
                self.monitor.event(Event::Warning(&text));
                true
            }
            None => false,
        };
        for warning in collector.setting.parent.iter().flat_map(ParentTree::warnings) {
            self.monitor.event(Event::Warning(&warning));
        }
        for pattern in self.exclude.unmatched_patterns() {
            self.monitor.event(Event::Warning(&format!("ignore pattern matched nothing: {pattern}")));
        }
        let totals = &collector.totals;
        let mut report = BackupReport {
            snapshot: self.snapshot,
            entries: totals.entries.load(Ordering::Relaxed),
            files: totals.files.load(Ordering::Relaxed),
            files_unchanged: totals.files_unchanged.load(Ordering::Relaxed),
            content_bytes: totals.content_bytes.load(Ordering::Relaxed),
            read_bytes: totals.read_bytes.load(Ordering::Relaxed),
            written_bytes: 0,
            errors: 0,
            parent: parent_id,
            partial,
            elapsed: Duration::ZERO,
        };
        self.monitor.event(Event::Phase("index"));
        let mut parts = collector.tree.into_parts();
        if !partial && !parts.unfinished.is_empty() {
            return Err(Error::Internal("the source did not deliver every file it was asked for".to_owned()));
        }
        if partial {
            parts.settle_lost(self.repository, &mut transaction.packer())?;
        }
        report.errors = parts.errors.len() as u64;
        let trees = write_trees(self.repository, &mut transaction.packer(), parts)?;
        Ok((report, self.header(trees).encode()))
    }

    /// Runs scan, readers and chunk workers side by side; returns why the source was lost, if it was.
    fn scan_and_read(
        &self,
        collector: &Collector<'_>,
        requests: crossbeam_channel::Receiver<kloset_connector::ReadRequest>,
    ) -> Option<ConnectorError> {
        let exclude = Arc::clone(&self.exclude);
        let left_out = self.options.left_out.clone();
        let options = ScanOptions {
            excluded: Arc::new(move |path: &[u8], is_directory: bool| {
                left_out.iter().any(|one| path::is_within(path, one)) || exclude.excluded(path, is_directory)
            }),
            xattr_values: !self.options.skip_xattr_values,
        };
        let (ended, stop) = crossbeam_channel::bounded::<()>(0);
        std::thread::scope(|scope| {
            // With one core the reading thread does it all, in an order that nothing else decides on.
            let workers = Some(self.repository.runtime.threads).filter(|&threads| threads > 1);
            for _ in 0..workers.unwrap_or(0) {
                scope.spawn(|| collector.contents.serve(&stop));
            }
            let scan = scope.spawn(|| {
                let result = self.source.scan(&options, collector);
                if result.is_ok() || self.options.allow_partial {
                    collector.scan_ended();
                } else {
                    collector.stop_reading();
                }
                result
            });
            let read = self.source.read(requests, collector);
            if read.is_err() {
                collector.stop_reading();
            }
            let scan = scan.join().unwrap_or_else(|_| {
                collector.fail(Error::Internal("the scan died".to_owned()));
                Ok(())
            });
            drop(ended);
            scan.err().or(read.err())
        })
    }

    /// The newest snapshot of the same source.
    fn find_parent(&self, transaction: &Transaction) -> Result<Option<Arc<Snapshot>>, Error> {
        if transaction.store_is_incomplete() {
            self.monitor.event(Event::Warning(
                "packfiles are missing from the store: every file is read again, nothing of them is reused",
            ));
            return Ok(None);
        }
        choose_parent(self.repository, &self.info)
    }

    fn header(&self, trees: index::Trees) -> Header {
        let options = self.options;
        let mut header = Header::new(self.snapshot, options.timestamp.unwrap_or(self.begun));
        header.duration_ns = self.repository.runtime.duration_ns(self.started);
        header.name = options.name.as_str().into();
        header.category = options.category.as_str().into();
        header.environment = options.environment.as_str().into();
        header.perimeter = options.perimeter.as_str().into();
        header.job = options.job.as_str().into();
        header.tags = options.tags.iter().map(|tag| tag.as_str().into()).collect();
        header.context = options
            .context
            .iter()
            .map(|(key, value)| KeyValue { key: key.as_str().into(), value: value.as_str().into() })
            .collect();
        header.sources = vec![SourceRecord {
            importer: Importer {
                kind: self.info.kind.as_str().into(),
                origin: self.info.origin.as_str().into(),
                directory: self.info.directory.clone(),
            },
            context: Vec::new(),
            roots: trees.roots,
            indexes: trees.indexes,
            summary: trees.summary,
        }];
        header
    }
}
