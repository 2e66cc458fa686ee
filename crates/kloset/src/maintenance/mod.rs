//! Maintenance: gives back the space of what no snapshot uses any more.
//!
//! Packfiles die in two steps. A run marks what is not used; a later one, once the grace period is
//! over and the packfile is still not used, takes it out of the states and deletes it. In between, the
//! mark hides the packfile from everybody who would store something new on top of it. Without a grace period,
//! what was repacked goes in the same run.
//!
//! Order of a run, each step confirmed before the next depends on it: exclusive lock → states → list
//! of packfiles → walk through every snapshot → marks in a state, read back → states still the same →
//! state without the doomed packfiles, read back → lock fresh, states still the same → files deleted →
//! what is repacked, and its old packfiles in the same order.

mod gather;
mod merge;
mod met;
mod orphans;
mod plan;
pub(crate) mod reach;
mod repack;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use kloset_connector::{Listed, StoreFile};
use kloset_format::state::StateWriter;
use kloset_format::{LockId, Mac, PackfileId, ResourceType, StateId, Version};

use self::plan::Plan;
use self::reach::Detail;
use crate::write::{LockKind, StateName, StoreLock, TakenBack, publish_state};
use crate::{BlobId, Error, Event, Monitor, Repository};

/// Leftovers of interrupted writes are at least this old when they are swept.
const TEMPORARY_AGE_MIN: Duration = Duration::from_secs(24 * 3600);
/// Files deleted at the same time, at most.
const DELETES_AT_ONCE_MAX: usize = 4;

/// Settings of one run.
#[derive(Clone, Copy, Debug)]
pub struct MaintenanceOptions {
    /// Time between a packfile's mark and its end.
    pub grace: Duration,
    /// Say what would be done, write nothing, take no lock.
    pub dry_run: bool,
    /// Move what is alive out of packfiles that waste space: dead blobs, or little in much padding; and
    /// merge states of which little still matters.
    pub repack: bool,
    /// Take packfiles out of the states, but keep their files.
    pub keep_files: bool,
    /// Go on although states that others build on are gone for good.
    pub accept_missing_states: bool,
}

impl Default for MaintenanceOptions {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(7 * 24 * 3600),
            dry_run: false,
            repack: false,
            keep_files: false,
            accept_missing_states: false,
        }
    }
}

/// What a run did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaintenanceReport {
    /// Packfiles marked for deletion, orphans included.
    pub coloured: u64,
    /// Their bytes.
    pub coloured_bytes: u64,
    /// Of those, packfiles that no state told of.
    pub orphaned: u64,
    /// Packfiles whose mark was taken back because a snapshot uses them.
    pub used_again: u64,
    /// Packfiles deleted.
    pub removed_packfiles: u64,
    /// Blobs in them.
    pub removed_blobs: u64,
    /// Bytes of them.
    pub removed_bytes: u64,
    /// Packfiles whose live blobs were moved.
    pub repacked_packfiles: u64,
    /// Blobs moved.
    pub repacked_blobs: u64,
    /// Encoded bytes moved.
    pub repacked_bytes: u64,
    /// Bytes of the packfiles they were moved out of.
    pub repacked_from_bytes: u64,
    /// States that fewer new ones replace; those that the run itself has written do not count.
    pub merged_states: u64,
    /// States deleted that others replace; those that the run itself has written do not count.
    pub removed_states: u64,
    /// Leftovers of interrupted writes.
    pub temporary_files: Vec<String>,
}

/// Runs maintenance.
pub fn maintain(
    repository: &Arc<Repository>,
    options: &MaintenanceOptions,
    monitor: &dyn Monitor,
) -> Result<MaintenanceReport, Error> {
    monitor.event(Event::Phase("maintenance"));
    if options.dry_run {
        let run = Run::prepare(repository, options, monitor, None)?;
        return run.report();
    }
    repository.ensure_writable()?;
    let name = LockId(repository.runtime.random_name());
    let lock = Arc::new(StoreLock::acquire(repository, name, LockKind::Exclusive)?);
    let outcome =
        Run::prepare(repository, options, monitor, Some(Arc::clone(&lock))).and_then(Run::carry_out);
    match (Arc::into_inner(lock), &outcome) {
        (Some(lock), Ok(_)) => lock.release(),
        (Some(lock), Err(error)) => lock.give_up(error),
        (None, _) => {}
    }
    outcome
}

/// A run whose plan is made.
struct Run<'a> {
    /// Shows marked packfiles, too.
    whole: Arc<Repository>,
    options: &'a MaintenanceOptions,
    monitor: &'a dyn Monitor,
    lock: Option<Arc<StoreLock>>,
    plan: Plan,
    now_ns: i64,
    /// States to merge, and those to delete because others replace them.
    merge: merge::Choice,
    /// Names of the states that there must be, of those that were there first, and the newest of them.
    states: HashSet<StateId>,
    states_before: HashSet<StateId>,
    newest: StateId,
}

impl<'a> Run<'a> {
    /// Looks at the store under the lock and decides.
    fn prepare(
        repository: &Repository,
        options: &'a MaintenanceOptions,
        monitor: &'a dyn Monitor,
        lock: Option<Arc<StoreLock>>,
    ) -> Result<Self, Error> {
        let (whole, listed) = repository.refresh_whole()?;
        let whole = Arc::new(whole);
        if lock.is_some() {
            whole.ensure_writable()?;
        }
        ensure_complete(&whole, &listed, options)?;
        let now_ns = whole.runtime().clock.now().to_nanoseconds();
        let detail = if options.repack { Detail::Blobs } else { Detail::Packfiles };
        let plan = Plan::make(&whole, &listed, now_ns, options.grace, detail, monitor)?;
        let states: HashSet<StateId> = whole.states().iter().copied().collect();
        let newest = whole.index.newest_state();
        let merge = merge::Choice::make(&whole, options, &plan, now_ns)?;
        Ok(Self {
            whole,
            options,
            monitor,
            lock,
            plan,
            now_ns,
            merge,
            states_before: states.clone(),
            states,
            newest,
        })
    }

    fn report(&self) -> Result<MaintenanceReport, Error> {
        let plan = &self.plan;
        let mut report = MaintenanceReport {
            coloured: (plan.unused.len() + plan.orphans.len()) as u64,
            coloured_bytes: plan.bytes(&plan.unused) + plan.bytes(&plan.orphans),
            orphaned: plan.orphans.len() as u64,
            used_again: plan.used_again.len() as u64,
            removed_packfiles: plan.doomed.len() as u64,
            removed_blobs: plan.doomed_blobs,
            removed_bytes: plan.bytes(&plan.doomed),
            ..MaintenanceReport::default()
        };
        for one in &plan.repack {
            report.repacked_packfiles += 1;
            report.repacked_blobs += one.blobs.len() as u64;
            report.repacked_bytes += one.live_bytes;
            report.repacked_from_bytes += plan.bytes(&[one.packfile]);
        }
        if self.options.grace.is_zero() {
            report.removed_packfiles += report.repacked_packfiles;
            report.removed_blobs += plan.repack.iter().map(|one| one.held_blobs).sum::<u64>();
            report.removed_bytes += report.repacked_from_bytes;
        }
        report.merged_states = self.merge.merged.len() as u64;
        report.removed_states = self.merge.removed.len() as u64;
        report.temporary_files = self.sweep_temporary()?;
        Ok(report)
    }

    fn carry_out(mut self) -> Result<MaintenanceReport, Error> {
        self.mark()?;
        let doomed = self.plan.doomed.clone();
        let mut failed = self.take_out(&doomed)?;
        if !self.plan.repack.is_empty()
            && let Some(lock) = &self.lock
        {
            self.ensure_alone()?;
            let chosen = &self.plan.repack;
            let published =
                repack::repack(&self.whole, lock, self.newest, chosen, self.now_ns, self.monitor)?;
            let moved: Vec<PackfileId> = chosen.iter().map(|one| one.packfile).collect();
            self.states.extend(published);
            if self.options.grace.is_zero() {
                self.look_again()?;
                failed += self.take_out(&moved)?;
            }
        }
        self.merge_states()?;
        let failed_states = self.remove_replaced()?;
        let mut report = self.report()?;
        report.removed_packfiles -= failed;
        report.removed_states -= failed_states;
        Ok(report)
    }

    /// Publishes marks and marks taken back.
    fn mark(&mut self) -> Result<(), Error> {
        let plan = &self.plan;
        if plan.unused.is_empty() && plan.orphans.is_empty() && plan.used_again.is_empty() {
            return Ok(());
        }
        self.ensure_alone()?;
        let marks = plan.used_again.iter().chain(&plan.misdated).copied().map(BlobId::packfile).collect();
        let taken_back = TakenBack { marks, ..TakenBack::default() };
        let mut writer = StateWriter::new(self.newest);
        taken_back.write(&mut writer);
        for packfile in plan.unused.iter().chain(&plan.orphans) {
            writer.coloured(ResourceType::PACKFILE, &Mac(packfile.0), self.now_ns);
        }
        self.publish(writer, &taken_back)
    }

    /// The store after states that this run has published. One of anybody else is not taken for its own.
    fn look_again(&mut self) -> Result<(), Error> {
        let (whole, _) = self.whole.refresh_whole()?;
        self.newest = whole.index.newest_state();
        self.whole = Arc::new(whole);
        Ok(())
    }

    /// Takes marked packfiles out of the states, then deletes them; returns how many stayed.
    fn take_out(&mut self, doomed: &[PackfileId]) -> Result<u64, Error> {
        if doomed.is_empty() {
            return Ok(0);
        }
        self.ensure_alone()?;
        let named: HashSet<&PackfileId> = self.whole.index.packfile_list().iter().collect();
        let taken_back = TakenBack {
            packfiles: doomed.iter().filter(|packfile| named.contains(packfile)).copied().collect(),
            marks: doomed.iter().copied().map(BlobId::packfile).collect(),
            ..TakenBack::default()
        };
        let mut writer = StateWriter::new(self.newest);
        taken_back.write(&mut writer);
        self.publish(writer, &taken_back)?;
        if self.options.keep_files {
            return Ok(0);
        }
        // What is not deleted now is in no state any more; a later run finds it as an orphan.
        self.ensure_alone()?;
        self.delete(doomed)
    }

    /// Publishes a state, then what it takes back on branches, too: what is deleted afterwards is then in no
    /// reader's view, whatever the order in which it applies states.
    fn publish(&mut self, writer: StateWriter, taken_back: &TakenBack) -> Result<(), Error> {
        let before = self.whole.index.newest_state();
        // The next state shall build on this one, which is why it is the newer one.
        let branches_ns = self.whole.state_time_ns();
        let plain = writer.finish(Version::V1_1_0, branches_ns.saturating_add(1), [0; 16]);
        let name = StateId(self.whole.runtime.random_name());
        publish_state(&self.whole, StateName::Given(name), &plain)?;
        self.states.insert(name);
        self.newest = name;
        self.states.extend(taken_back.publish_on_branches(&self.whole, before, branches_ns)?);
        Ok(())
    }

    /// Makes sure that the lock holds and that nobody has written in spite of it.
    fn ensure_alone(&self) -> Result<(), Error> {
        self.whole.runtime().proceed()?;
        self.ensure_locked()?;
        let listed = self.whole.storage().list(StoreFile::State).map_err(Error::Storage)?;
        let names: HashSet<StateId> = listed.into_iter().map(|file| StateId(file.name)).collect();
        if names == self.states { Ok(()) } else { Err(Error::WrittenMeanwhile) }
    }

    fn ensure_locked(&self) -> Result<(), Error> {
        match &self.lock {
            Some(lock) if lock.is_fresh() => Ok(()),
            _ => Err(Error::LockLost),
        }
    }

    fn delete(&self, packfiles: &[PackfileId]) -> Result<u64, Error> {
        let next = AtomicUsize::new(0);
        let failed = AtomicU64::new(0);
        let at_once = self.whole.storage().info().puts_at_once.clamp(1, DELETES_AT_ONCE_MAX);
        std::thread::scope(|scope| {
            for _ in 0..at_once.min(packfiles.len()) {
                scope.spawn(|| {
                    while let Some(packfile) = packfiles.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let deleted = self.ensure_locked().and_then(|()| {
                            let storage = self.whole.storage();
                            storage.delete(StoreFile::Packfile, &packfile.0).map_err(Error::Storage)
                        });
                        if let Err(error) = deleted {
                            failed.fetch_add(1, Ordering::Relaxed);
                            let text =
                                format!("packfile {packfile} is not deleted, a later run will: {error}");
                            self.monitor.event(Event::Warning(&text));
                        }
                    }
                });
            }
        });
        Ok(failed.into_inner())
    }

    fn sweep_temporary(&self) -> Result<Vec<String>, Error> {
        let age = self.options.grace.max(TEMPORARY_AGE_MIN);
        let remove = !self.options.dry_run && !self.options.keep_files;
        self.whole.storage().temporary_files(age, remove).map_err(Error::Storage)
    }
}

/// A state that is missing could be the one that tells of packfiles in use.
fn ensure_complete(
    repository: &Repository,
    packfiles: &[Listed],
    options: &MaintenanceOptions,
) -> Result<(), Error> {
    if options.accept_missing_states {
        return Ok(());
    }
    if repository.states().is_empty() && !packfiles.is_empty() {
        return Err(Error::StatesIncomplete("there is none, but there are packfiles".to_owned()));
    }
    if let Some(state) = repository.index.missing_parents().iter().min() {
        return Err(Error::StatesIncomplete(format!("a newer state builds on {state}, which is gone")));
    }
    if let Some(state) = repository.index.missing_states().keys().min() {
        return Err(Error::StatesIncomplete(format!("a packfile belongs to state {state}, which is gone")));
    }
    Ok(())
}
