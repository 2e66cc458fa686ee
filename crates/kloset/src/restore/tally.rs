//! Counts and reports outcomes, from any thread.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock};

use kloset_connector::{ConnectorError, ErrorKind, Outcome, Report};
use kloset_format::SnapshotId;

use super::RestoreReport;
use super::plan::{Item, Segment};
use crate::guard::{guard, unwrap_mutex};
use crate::{Error, Event, Monitor};

/// Counts of one restore, and where they are heard.
pub(super) struct Tally<'a> {
    snapshot: SnapshotId,
    monitor: &'a dyn Monitor,
    wants_paths: bool,
    report: Mutex<RestoreReport>,
    expected: Mutex<Expected>,
    /// Cures that were told.
    hints: Mutex<BTreeSet<String>>,
}

#[derive(Default)]
struct Expected {
    planned_entries: u64,
    planned_bytes: u64,
    least_entries: u64,
    least_bytes: u64,
}

impl<'a> Tally<'a> {
    pub(super) fn new(snapshot: SnapshotId, monitor: &'a dyn Monitor) -> Self {
        let wants_paths = monitor.wants_paths();
        Self {
            snapshot,
            monitor,
            wants_paths,
            report: Mutex::default(),
            expected: Mutex::default(),
            hints: Mutex::default(),
        }
    }

    /// The snapshot's own numbers, shown until the plan says more.
    pub(super) fn expect_at_least(&self, entries: u64, bytes: u64) {
        let mut expected = guard(&self.expected);
        (expected.least_entries, expected.least_bytes) = (entries, bytes);
        self.monitor.event(Event::Expected { entries, bytes, complete: false });
    }

    /// Adds a segment to what is planned.
    pub(super) fn expect(&self, segment: &Segment) {
        let mut expected = guard(&self.expected);
        expected.planned_entries += segment.len() as u64;
        expected.planned_bytes = expected.planned_bytes.saturating_add(segment.content_bytes());
        let entries = expected.planned_entries.max(expected.least_entries);
        let bytes = expected.planned_bytes.max(expected.least_bytes);
        self.monitor.event(Event::Expected { entries, bytes, complete: false });
    }

    /// The plan has ended.
    pub(super) fn expected_is_complete(&self) {
        let expected = guard(&self.expected);
        let (entries, bytes) = (expected.planned_entries, expected.planned_bytes);
        self.monitor.event(Event::Expected { entries, bytes, complete: true });
    }

    /// What the destination made of an item with `bytes` of content.
    pub(super) fn outcome(&self, item: &Item, outcome: Outcome, bytes: u64) {
        let applied = match outcome {
            Ok(applied) => applied,
            Err(error) => return self.refused(&item.path, &error),
        };
        {
            let mut report = guard(&self.report);
            report.entries += 1;
            report.kept += u64::from(applied.kept);
            report.bytes += if applied.kept { 0 } else { bytes };
            for limitation in applied.limitations {
                *report.limitations.entry(limitation).or_default() += 1;
            }
        }
        self.monitor.event(Event::Progress { entries: 1, bytes });
        if self.wants_paths {
            let (snapshot, path, kind) = (self.snapshot, item.path.as_slice(), item.info.mode.kind());
            self.monitor.event(Event::PathDone { snapshot, path, kind, cached: applied.kept });
        }
    }

    /// A path that was not restored, or not wholly.
    pub(super) fn failed(&self, path: &[u8], reason: &str) {
        guard(&self.report).failed += 1;
        self.monitor.event(Event::Progress { entries: 1, bytes: 0 });
        self.monitor.event(Event::PathFailed { snapshot: self.snapshot, path, reason });
    }

    /// A path that the destination did not take. A cure is told once, however many paths need it.
    pub(super) fn refused(&self, path: &[u8], error: &ConnectorError) {
        self.failed(path, &describe(error));
        if let Some(hint) = &error.hint
            && guard(&self.hints).insert(hint.clone())
        {
            self.monitor.event(Event::Warning(hint));
        }
    }

    /// Damage that was worked around.
    pub(super) fn warn(&self, path: &[u8], error: &Error) {
        let path = String::from_utf8_lossy(path);
        self.monitor.event(Event::Warning(&format!("{path}: {error}; read from the file tree instead")));
    }

    pub(super) fn into_report(self) -> RestoreReport {
        unwrap_mutex(self.report)
    }
}

/// Runs one batch of a destination and puts its outcomes in order.
pub(super) fn outcomes(count: usize, run: impl FnOnce(Report<'_>)) -> Vec<Outcome> {
    let slots: Vec<OnceLock<Outcome>> = (0..count).map(|_| OnceLock::new()).collect();
    run(&|at, outcome| {
        if let Some(slot) = slots.get(at) {
            let _ = slot.set(outcome);
        }
    });
    let unreported = || {
        Err(ConnectorError::new(ErrorKind::Other, "restore", "batch", "the destination said nothing of it"))
    };
    slots.into_iter().map(|slot| slot.into_inner().unwrap_or_else(unreported)).collect()
}

/// The error with its cause, in one clause.
fn describe(error: &ConnectorError) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
