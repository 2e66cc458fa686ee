//! Sync: copies snapshots into another repository, under their own identifiers.
//!
//! Every name in a snapshot is a MAC under the key of its repository, so nothing can be copied as it
//! is: contents are read chunk by chunk and named anew, then objects, entries, listings and trees are
//! made from them in the same order. What the records say (times, owners, content types, entropies)
//! stays. See [`contents`] and [`snapshot`].
//!
//! A snapshot that cannot be read whole is not copied at all; the others go on. A run that is
//! interrupted leaves what it has uploaded as a checkpoint, which the next run finds.

mod contents;
mod snapshot;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kloset_connector::ErrorKind;
use kloset_format::SnapshotId;
use kloset_format::header::Header;

use self::contents::Translations;
use crate::write::{TakenBack, Transaction, changed};
use crate::{BlobId, BlobLocation, Error, Event, Monitor, Repository, Snapshot};

/// Snapshots that are copied are published together, so that each does not cost packfiles of its
/// own; at the latest when this much was uploaded since the last time,
const PUBLISH_EVERY_BYTES: u64 = 256 << 20;
/// or this much time has passed,
const PUBLISH_EVERY: Duration = Duration::from_secs(60);
/// or so many wait.
const PUBLISH_EVERY_SNAPSHOTS: usize = 256;

/// What happens to snapshots that were removed from the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Removed {
    /// They stay removed.
    #[default]
    Skip,
    /// They are copied again.
    BringBack,
}

/// One step of a sync.
#[derive(Debug)]
pub enum SyncStep<'a> {
    /// A snapshot is being copied.
    Begun(SnapshotId),
    /// A snapshot was copied and is durable.
    Copied(&'a SnapshotSync),
    /// A snapshot cannot be copied; nothing of it is visible.
    Failed(SnapshotId, &'a Error),
    /// A snapshot was removed from the target and stays removed.
    StaysRemoved(SnapshotId),
}

/// A snapshot that was copied.
#[derive(Clone, Debug)]
pub struct SnapshotSync {
    /// Its identifier in both repositories.
    pub snapshot: SnapshotId,
    /// Paths in it.
    pub entries: u64,
    /// Bytes of file content in it.
    pub content_bytes: u64,
    /// Wall time until everything of it was handed to the target.
    pub elapsed: Duration,
}

/// What a sync did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// Snapshots copied.
    pub copied: u64,
    /// Snapshots that could not be copied.
    pub failed: u64,
    /// Snapshots that the target has already.
    pub present: u64,
    /// Snapshots that stay removed from the target.
    pub stay_removed: u64,
    /// Bytes of packfiles uploaded.
    pub written_bytes: u64,
}

/// Why a step failed, which decides what goes on.
enum Fault {
    /// This snapshot cannot be read whole.
    Snapshot(Error),
    /// The source cannot be read any more.
    Source(Error),
    /// The target cannot be written any more.
    Target(Error),
}

impl Fault {
    /// Sorts an error of reading the source.
    fn reading(error: Error) -> Self {
        let is_fatal = match &error {
            Error::Interrupted | Error::Internal(_) => true,
            Error::Storage(error) => matches!(
                error.kind,
                ErrorKind::Transient
                    | ErrorKind::Unreachable
                    | ErrorKind::NoAnswer
                    | ErrorKind::Authentication
                    | ErrorKind::HostKey
                    | ErrorKind::Interrupted
            ),
            _ => false,
        };
        if is_fatal { Self::Source(error) } else { Self::Snapshot(error) }
    }
}

/// Copies `snapshots` of `source` that `target` lacks.
///
/// An `Err` ends the run; what was reported as copied stays.
pub fn sync(
    source: &Arc<Repository>,
    target: &Arc<Repository>,
    snapshots: &[SnapshotId],
    removed: Removed,
    monitor: &dyn Monitor,
    tell: &mut dyn FnMut(SyncStep<'_>),
) -> Result<SyncReport, Error> {
    if source.id() == target.id() {
        return Err(Error::SameStore);
    }
    let lacking = Lacking::of(target, snapshots, removed);
    if lacking.wanted.is_empty() {
        return Ok(lacking.report(tell));
    }
    monitor.event(Event::Phase("sync"));
    let transaction = Transaction::begin(target, SnapshotId(target.runtime.random_name()))?;
    let target = &Arc::clone(transaction.repository());
    let lacking = Lacking::of(target, snapshots, removed);
    let report = lacking.report(tell);
    let translations = Translations::default();
    let mut run = Run {
        source,
        target,
        monitor,
        transaction,
        translations,
        waiting: Vec::new(),
        published_bytes: 0,
        published: Instant::now(),
        report,
    };
    let outcome = run.copy_all(lacking.wanted, tell).and_then(|()| run.publish(tell));
    match outcome {
        Ok(()) => {
            run.report.written_bytes = run.transaction.finish()?;
            Ok(run.report)
        }
        Err(fault) => Err(run.give_up(fault, tell)),
    }
}

/// What the target says to the snapshots that are asked for.
#[derive(Default)]
struct Lacking {
    wanted: Vec<SnapshotId>,
    present: u64,
    stay_removed: Vec<SnapshotId>,
}

impl Lacking {
    fn of(target: &Repository, snapshots: &[SnapshotId], removed: Removed) -> Self {
        let mut lacking = Self::default();
        let mut met = HashSet::new();
        for &id in snapshots.iter().filter(|&&id| met.insert(id)) {
            if target.index.has_snapshot(id) {
                lacking.present += 1;
            } else if removed == Removed::Skip && target.index.was_removed(id) {
                lacking.stay_removed.push(id);
            } else {
                lacking.wanted.push(id);
            }
        }
        lacking
    }

    /// Tells of what is not copied.
    fn report(&self, tell: &mut dyn FnMut(SyncStep<'_>)) -> SyncReport {
        self.stay_removed.iter().for_each(|&id| tell(SyncStep::StaysRemoved(id)));
        let stay_removed = self.stay_removed.len() as u64;
        SyncReport { present: self.present, stay_removed, ..SyncReport::default() }
    }
}

/// A snapshot whose blobs are all stored, and whose header is not.
struct Waiting {
    done: SnapshotSync,
    header: Vec<u8>,
}

/// A sync in progress.
struct Run<'a> {
    source: &'a Arc<Repository>,
    target: &'a Arc<Repository>,
    monitor: &'a dyn Monitor,
    transaction: Transaction,
    translations: Translations,
    waiting: Vec<Waiting>,
    published_bytes: u64,
    published: Instant,
    report: SyncReport,
}

impl Run<'_> {
    /// Copies the snapshots, oldest first.
    fn copy_all(&mut self, wanted: Vec<SnapshotId>, tell: &mut dyn FnMut(SyncStep<'_>)) -> Result<(), Fault> {
        let mut opened: Vec<(SnapshotId, Result<Snapshot, Error>)> =
            wanted.iter().copied().zip(Snapshot::open_many(self.source, &wanted)).collect();
        opened.sort_by_key(|(_, snapshot)| snapshot.as_ref().ok().map(|one| one.header().timestamp));
        for (id, snapshot) in opened {
            self.target.runtime().proceed().map_err(Fault::Source)?;
            tell(SyncStep::Begun(id));
            let copied = snapshot.map_err(Fault::reading).and_then(|snapshot| self.copy(&snapshot));
            match copied {
                Ok(ready) => self.waiting.push(ready),
                Err(Fault::Snapshot(error)) => {
                    self.report.failed += 1;
                    tell(SyncStep::Failed(id, &error));
                }
                Err(fault) => return Err(fault),
            }
            if let Some(error) = self.transaction.failure() {
                return Err(Fault::Target(error));
            }
            let unpublished = self.transaction.written_bytes() - self.published_bytes;
            if unpublished >= PUBLISH_EVERY_BYTES
                || self.published.elapsed() >= PUBLISH_EVERY
                || self.waiting.len() >= PUBLISH_EVERY_SNAPSHOTS
            {
                self.publish(tell)?;
            }
        }
        Ok(())
    }

    /// Publishes the snapshots that wait for it.
    fn publish(&mut self, tell: &mut dyn FnMut(SyncStep<'_>)) -> Result<(), Fault> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        let mut revived = TakenBack::default();
        {
            let mut packer = self.transaction.packer();
            for Waiting { done, header } in &waiting {
                if !self.revive(done.snapshot, header, &mut revived) {
                    packer.store_header(done.snapshot, header).map_err(Fault::Target)?;
                }
            }
        }
        self.transaction.publish_all(&|writer| revived.write(writer)).map_err(Fault::Target)?;
        self.take_back_on_branches(&revived).map_err(Fault::Target)?;
        self.published_bytes = self.transaction.written_bytes();
        self.published = Instant::now();
        for Waiting { done, .. } in &waiting {
            self.report.copied += 1;
            tell(SyncStep::Copied(done));
        }
        Ok(())
    }

    /// Takes back that a snapshot was removed from the target; whether its header is there already.
    ///
    /// A header lies in one place only: the reference implementation lists a snapshot once for each. So
    /// the old one is used again, with its packfile, or its place is taken back.
    fn revive(&self, snapshot: SnapshotId, header: &[u8], revived: &mut TakenBack) -> bool {
        let index = &self.target.index;
        let blob = BlobId::header(snapshot);
        if index.was_removed(snapshot) {
            revived.marks.insert(blob);
        }
        let places = index.copies(blob);
        let same = |place: &BlobLocation| {
            self.target.read_blob_at(blob, *place).is_ok_and(|old| says_the_same(&old, header))
        };
        let kept = places.iter().copied().find(same);
        let others = places.iter().filter(|place| kept != Some(**place));
        revived.places.extend(others.map(|place| (blob, place.packfile)));
        if let Some(kept) = kept
            && index.coloured().contains_key(&kept.packfile)
        {
            revived.marks.insert(BlobId::packfile(kept.packfile));
        }
        kept.is_some()
    }

    /// Nobody shall see a snapshot as removed that is back.
    fn take_back_on_branches(&self, revived: &TakenBack) -> Result<(), Error> {
        if revived.is_empty() {
            return Ok(());
        }
        let changed = changed(self.target)?;
        let present = changed.as_ref().unwrap_or(self.target);
        // Not the newest one: the next state shall not build on it.
        let time_ns = present.index.newest_ns().saturating_sub(1);
        revived.publish_on_branches(present, present.index.newest_state(), time_ns).map(|_| ())
    }

    /// Ends a run that cannot go on. A lost source does not keep whole snapshots from being published.
    fn give_up(mut self, fault: Fault, tell: &mut dyn FnMut(SyncStep<'_>)) -> Error {
        let error = match fault {
            Fault::Source(Error::Interrupted) => Error::Interrupted,
            Fault::Source(error) | Fault::Snapshot(error) => match self.publish(tell) {
                // The target is well, whatever the error says of the source.
                Ok(()) => {
                    self.transaction.abandon(&Error::Interrupted);
                    return error;
                }
                Err(Fault::Source(error) | Fault::Target(error) | Fault::Snapshot(error)) => error,
            },
            Fault::Target(error) => error,
        };
        self.transaction.abandon(&error);
        error
    }
}

/// Whether two headers differ in nothing but how long it took to copy the snapshot.
fn says_the_same(old: &[u8], new: &[u8]) -> bool {
    let (Ok(mut old), Ok(new)) = (Header::decode(old), Header::decode(new)) else { return false };
    old.duration_ns = new.duration_ns;
    old.encode() == new.encode()
}
