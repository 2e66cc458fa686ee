//! The report of a run that `-report FILE` asks for: what was done, counted and wrong.
//!
//! [`Recorder`] listens all the time and keeps little; what it knows when the command has ended is
//! written as JSON, or as Prometheus text for a FILE that ends in `.prom`. The fields are described in
//! `docs/report.md`: a field is never removed and never changes its meaning within one version.

mod counts;
mod document;
mod file;
mod prometheus;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use clap::{ArgMatches, Args};
use kloset::Event;
use kloset::runtime::{Clock, SystemClock};
use kloset_connector::Limitation;
use kloset_connector::layer::Traffic;
use kloset_format::config::RepositoryId;
use kloset_format::{SnapshotId, Timestamp};
use serde_json::{Value, json};

use crate::error::{Failure, Outcome};
use crate::ui::{Summary, path_object};

pub use counts::Counts;

/// Errors that are listed; the others are only counted.
const ERRORS_LISTED_MAX: usize = 10_000;
/// Warnings that are listed.
const WARNINGS_LISTED_MAX: usize = 1_000;

/// The flag of commands that can report.
#[derive(Args)]
pub struct ReportFlag {
    /// Write a report of the run to FILE: JSON, or Prometheus text if its name ends in .prom
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl ReportFlag {
    /// Where the report goes, if this command has the flag and it was given.
    pub fn of(matches: &ArgMatches) -> Option<PathBuf> {
        matches.try_get_one::<PathBuf>("report").ok().flatten().cloned()
    }
}

/// A store of the command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The one it works on.
    Store,
    /// The other one of a sync.
    Peer,
}

/// What is known of a store.
#[derive(Clone, Default)]
struct Store {
    location: String,
    id: Option<RepositoryId>,
    traffic: Option<Arc<Traffic>>,
}

#[derive(Clone, Default)]
struct State {
    store: Option<Store>,
    peer: Option<Store>,
    runs: Vec<Summary>,
    counts: Counts,
    limitations: Vec<(&'static str, u64)>,
    error_count: u64,
    errors: Vec<Value>,
    warnings: Vec<String>,
}

/// Hears what a command does.
pub struct Recorder {
    started: Timestamp,
    began: Instant,
    retries: AtomicU64,
    state: Mutex<State>,
}

/// How the command ended.
pub struct Ending<'a> {
    /// Its name.
    pub command: &'static str,
    /// Its result.
    pub result: &'a Result<Outcome, Failure>,
    /// Its exit code.
    pub code: u8,
}

/// Everything that a report says, whatever its form.
struct Report<'a> {
    ending: &'a Ending<'a>,
    started: Timestamp,
    finished: Timestamp,
    duration_ms: u64,
    retries: u64,
    state: State,
}

impl Recorder {
    /// Starts the clock.
    pub fn new() -> Self {
        Self {
            started: SystemClock.now(),
            began: Instant::now(),
            retries: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// The command will use the store at this location, given without secrets.
    pub fn place(&self, side: Side, location: String) {
        self.with_store(side, |store| store.location = location);
    }

    /// What passes to and from the store is counted here.
    pub fn connected(&self, side: Side, traffic: &Arc<Traffic>) {
        self.with_store(side, |store| store.traffic = Some(Arc::clone(traffic)));
    }

    /// The store was opened.
    pub fn opened(&self, side: Side, id: RepositoryId) {
        self.with_store(side, |store| store.id = Some(id));
    }

    /// One snapshot is done.
    pub fn summary(&self, summary: &Summary) {
        self.lock().runs.push(summary.clone());
    }

    /// Adds to the numbers.
    pub fn count(&self, counts: Counts) {
        self.lock().counts.add(counts);
    }

    /// The destination had no words for something.
    pub fn limitation(&self, limitation: Limitation, count: u64) {
        self.lock().limitations.push((limitation_name(limitation), count));
    }

    /// Something was tried again.
    pub fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Something the user should know.
    pub fn warning(&self, text: &str) {
        let warnings = &mut self.lock().warnings;
        if warnings.len() < WARNINGS_LISTED_MAX {
            warnings.push(text.to_owned());
        }
    }

    /// Something went wrong that has no path.
    pub fn error(&self, text: &str) {
        self.problem(|| json!({ "snapshot": null, "path": null, "object": null, "cause": text }));
    }

    /// An event of the engine.
    pub fn event(&self, event: Event<'_>) {
        match event {
            Event::PathFailed { snapshot, path, reason } => self.problem(|| {
                let mut value = json!({ "snapshot": snapshot_name(snapshot) });
                let exact = path_object(path);
                if let (Some(value), Value::Object(exact)) = (value.as_object_mut(), exact) {
                    value.extend(exact);
                    value.insert("object".to_owned(), Value::Null);
                    value.insert("cause".to_owned(), json!(reason));
                }
                value
            }),
            Event::ObjectFailed { snapshot, object, reason } => self.problem(|| {
                json!({
                    "snapshot": snapshot_name(snapshot),
                    "path": null,
                    "object": object.to_string(),
                    "cause": reason,
                })
            }),
            Event::Found(stored) => self.count(Counts {
                found_blobs: Some(stored.blobs),
                found_bytes: Some(stored.bytes),
                ..Counts::default()
            }),
            Event::Checkpoint(stored) => self.count(Counts {
                recorded_blobs: Some(stored.blobs),
                recorded_bytes: Some(stored.bytes),
                ..Counts::default()
            }),
            _ => {}
        }
    }

    /// Writes the report to `path`; the error says what could not be done.
    pub fn write(&self, path: &Path, ending: &Ending<'_>) -> Result<(), String> {
        let report = Report {
            ending,
            started: self.started,
            finished: SystemClock.now(),
            duration_ms: self.began.elapsed().as_millis() as u64,
            retries: self.retries.load(Ordering::Relaxed),
            state: self.lock().clone(),
        };
        let text = if path.extension().is_some_and(|extension| extension == "prom") {
            prometheus::text(&report, file::previous(path).as_deref())
        } else {
            document::text(&report)
        };
        file::replace(path, text.as_bytes())
            .map_err(|why| format!("cannot write the report {}: {why}", path.display()))
    }

    fn problem(&self, make: impl FnOnce() -> Value) {
        let mut state = self.lock();
        state.error_count += 1;
        if state.errors.len() < ERRORS_LISTED_MAX {
            let value = make();
            state.errors.push(value);
        }
    }

    fn with_store(&self, side: Side, change: impl FnOnce(&mut Store)) {
        let mut state = self.lock();
        let store = match side {
            Side::Store => &mut state.store,
            Side::Peer => &mut state.peer,
        };
        change(store.get_or_insert_default());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Report<'_> {
    /// `done`, `partial`, `failed` or `interrupted`.
    fn result(&self) -> &'static str {
        match (self.ending.code, self.ending.result) {
            (0, _) => "done",
            (crate::exit::PARTIAL, _) => "partial",
            (129.., Err(failure)) if failure.is_interrupt() => "interrupted",
            _ => "failed",
        }
    }
}

/// A dry run and a failed scan have no snapshot.
fn snapshot_name(snapshot: SnapshotId) -> Option<String> {
    (snapshot != SnapshotId::ZERO).then(|| snapshot.to_string())
}

/// The stable name of what a destination cannot express.
fn limitation_name(limitation: Limitation) -> &'static str {
    match limitation {
        Limitation::Owner => "owner",
        Limitation::Xattrs => "xattrs",
        Limitation::SubSecondTime => "sub_second_time",
        Limitation::TimeRange => "time_range",
        Limitation::SpecialFile => "special_file",
        Limitation::HardLink => "hard_link",
        Limitation::SymlinkMetadata => "symlink_metadata",
    }
}

#[cfg(test)]
mod tests;
