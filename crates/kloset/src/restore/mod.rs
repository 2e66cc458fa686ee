//! Restore: plan by packfile and offset, fetch, verify, write; directory metadata last.
//!
//! The snapshot is walked in segments of many entries. For each segment, directories are made
//! first, then links and special files, then the contents of regular files are handed to workers, who
//! fetch, verify and write many files at once while the walk goes on. Hard links follow when all
//! files are there, metadata of directories comes last, deepest first.
//!
//! Nothing of a file whose content is damaged or missing is put in place; it is reported, and the
//! others go on. An error of the store or of the destination as a whole ends the restore.
//!
//! A restore can be repeated: a regular file that is there already with the same size, time, mode and
//! owner, and that has no extended attributes, is kept without reading it.

mod attributes;
mod files;
mod inspect;
mod large;
mod links;
mod plan;
mod tally;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kloset_connector::{Destination, Limitation, Target};
use kloset_format::{FileMode, path};

use crate::{Error, Event, Monitor, Snapshot};
use attributes::Attributes;
use files::Writers;
use inspect::Existing;
use links::HardLinks;
use plan::{Item, Segment};
use tally::Tally;

/// Metadata of directories, links and special files handed to the destination at once.
const ITEMS_PER_BATCH: usize = 4096;

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

/// What all parts of one restore share.
struct Run<'a> {
    snapshot: &'a Snapshot,
    destination: &'a dyn Destination,
    tally: Tally<'a>,
    permissions: Permissions,
}

/// What becomes of modes, owners and extended attributes.
#[derive(Clone, Copy)]
enum Permissions {
    /// They are restored.
    Restored,
    /// They stay as the destination makes them, for this owner.
    Left { uid: u64, gid: u64 },
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
    let started = Instant::now();
    monitor.event(Event::Phase("restore"));
    let start = snapshot.entry(path)?;
    let batches_at_once = destination.info().map_err(Error::Destination)?.batches_at_once;
    let workers = batches_at_once.max(snapshot.repository().runtime().threads).max(1);
    let existing = Existing::before_prepare(destination);
    destination.prepare().map_err(Error::Destination)?;
    let permissions = match options.skip_permissions {
        true => inspect::permissions_left(destination)?,
        false => Permissions::Restored,
    };
    let run = Run { snapshot, destination, tally: Tally::new(snapshot.id(), monitor), permissions };
    if path == snapshot.root_directory() {
        let summary = &snapshot.source().summary;
        run.tally.expect_at_least(
            summary.directory.children.saturating_add(summary.below.children),
            summary.directory.size.saturating_add(summary.below.size),
        );
    }
    let base = match start.entry.info.mode.is_directory() {
        true => path,
        false => path::parent(path),
    };
    let mut restoring =
        Restoring { run: &run, existing, directories: Vec::new(), links: HardLinks::default() };
    let attributes = Attributes::new(snapshot, path);
    let writers = Writers::new(&run, &attributes, workers);
    writers.work(|writers| restoring.walk(path, base, writers))?;
    restoring.links.restore(&run, &writers)?;
    directory_metadata(&run, &attributes, &restoring.directories)?;
    destination.finish().map_err(Error::Destination)?;
    let mut report = run.tally.into_report();
    report.elapsed = started.elapsed();
    Ok(report)
}

/// The walking side of a restore.
struct Restoring<'a> {
    run: &'a Run<'a>,
    existing: Existing,
    /// Directories that were made or found, in the order of the walk.
    directories: Vec<Item>,
    links: HardLinks,
}

impl Restoring<'_> {
    fn walk(&mut self, path: &[u8], base: &[u8], writers: &Writers<'_>) -> Result<(), Error> {
        plan::segments(self.run.snapshot, path, base, &self.run.tally, &mut |segment| {
            self.run.snapshot.repository().runtime().proceed()?;
            self.segment(segment, writers)
        })?;
        self.run.tally.expected_is_complete();
        Ok(())
    }

    fn segment(&mut self, segment: Segment, writers: &Writers<'_>) -> Result<(), Error> {
        self.run.tally.expect(&segment);
        self.make_directories(segment.directories);
        let Segment { nodes, files, .. } = segment;
        let nodes = self.without_lost_parents(nodes);
        self.make_nodes(&nodes);
        let files = self.without_lost_parents(files);
        let files = self.links.set_apart(files);
        let files = self.existing.without_kept_files(self.run, files);
        writers.write(files)
    }

    /// Makes the directories of a segment, except for those inside of one that could not be made.
    fn make_directories(&mut self, directories: Vec<Item>) {
        let mut wanted = Vec::with_capacity(directories.len());
        for item in directories {
            // The root was made by `prepare`.
            if item.target.is_empty() {
                self.directories.push(item);
            } else if self.existing.is_lost(plan::parent_of(&item.target)) {
                self.existing.lost(item.target.clone());
                self.run.tally.failed(&item.path, LOST_PARENT);
            } else {
                wanted.push(item);
            }
        }
        self.existing.look_for_directories(self.run.destination, &wanted);
        let targets: Vec<Target> = wanted.iter().map(|item| self.run.target(item, Vec::new())).collect();
        let outcomes = tally::outcomes(targets.len(), |report| {
            if !targets.is_empty() {
                self.run.destination.directories(&targets, report);
            }
        });
        for (item, outcome) in wanted.into_iter().zip(outcomes) {
            match outcome {
                // Counted when its metadata is set.
                Ok(_) => self.directories.push(item),
                Err(error) => {
                    let inside_lost = self.existing.is_lost(plan::parent_of(&item.target));
                    self.existing.lost(item.target);
                    match inside_lost {
                        true => self.run.tally.failed(&item.path, LOST_PARENT),
                        false => self.run.tally.refused(&item.path, &error),
                    }
                }
            }
        }
    }

    fn make_nodes(&self, nodes: &[Item]) {
        let targets: Vec<Target> = nodes.iter().map(|item| self.run.target(item, Vec::new())).collect();
        if targets.is_empty() {
            return;
        }
        let outcomes = tally::outcomes(targets.len(), |report| self.run.destination.nodes(&targets, report));
        for (item, outcome) in nodes.iter().zip(outcomes) {
            self.run.tally.outcome(item, outcome, 0);
        }
    }

    fn without_lost_parents(&self, items: Vec<Item>) -> Vec<Item> {
        let mut left = Vec::with_capacity(items.len());
        for item in items {
            if self.existing.is_lost(plan::parent_of(&item.target)) {
                self.run.tally.failed(&item.path, LOST_PARENT);
            } else {
                left.push(item);
            }
        }
        left
    }
}

/// Why entries below a directory fail that could not be made.
const LOST_PARENT: &str = "its directory could not be made";

/// Sets owner, attributes, mode and times of directories, deepest first.
fn directory_metadata(run: &Run<'_>, attributes: &Attributes<'_>, directories: &[Item]) -> Result<(), Error> {
    // In a walk, every directory comes before what is inside of it.
    for batch in directories.rchunks(ITEMS_PER_BATCH) {
        run.snapshot.repository().runtime().proceed()?;
        let items: Vec<&Item> = batch.iter().rev().collect();
        let (values, problems) = run.attributes(attributes, &items)?;
        let targets: Vec<Target> =
            items.iter().zip(values).map(|(item, values)| run.target(item, values)).collect();
        let outcomes = tally::outcomes(targets.len(), |report| {
            run.destination.directory_metadata(&targets, report);
        });
        for ((item, outcome), problem) in items.into_iter().zip(outcomes).zip(problems) {
            match (outcome, problem) {
                (Ok(_), Some(problem)) => run.tally.failed(&item.path, &problem),
                (outcome, _) => run.tally.outcome(item, outcome, 0),
            }
        }
    }
    Ok(())
}

impl Run<'_> {
    /// What the destination is to make of an item.
    fn target(&self, item: &Item, xattrs: Vec<kloset_connector::Xattr>) -> Target {
        let mut info = item.info.clone();
        let mut xattrs = xattrs;
        if let Permissions::Left { uid, gid } = self.permissions {
            let kind = info.mode.0 & !0o777 & !(FileMode::SETUID | FileMode::SETGID | FileMode::STICKY);
            let bits = if info.mode.is_directory() { 0o700 } else { 0o600 };
            info.mode = FileMode(kind | bits);
            (info.uid, info.gid) = (uid, gid);
            xattrs.clear();
        }
        Target { path: item.target.clone(), info, xattrs, link: item.link.clone() }
    }

    /// The extended attributes of items, with a reason for each item whose values cannot be read.
    fn attributes(&self, attributes: &Attributes<'_>, items: &[&Item]) -> Result<attributes::Values, Error> {
        match self.permissions {
            Permissions::Restored => attributes.read(items),
            Permissions::Left { .. } => Ok((vec![Vec::new(); items.len()], vec![None; items.len()])),
        }
    }
}

/// Whether an error concerns one blob and not the store as a whole.
fn is_local(error: &Error) -> bool {
    match error {
        Error::Storage(error) => error.kind == kloset_connector::ErrorKind::Permission,
        Error::Interrupted => false,
        _ => true,
    }
}
