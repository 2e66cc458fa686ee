//! Space comes back in two steps, and never costs a snapshot.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kloset::check::{CheckOptions, check};
use kloset::dup::duplicate;
use kloset::maintenance::{MaintenanceOptions, MaintenanceReport, maintain};
use kloset::remove::remove;
use kloset::repository::{LockedStore, OpenOptions};
use kloset::runtime::{Clock, SystemClock};
use kloset::{Error, Event, Monitor, Repository, Runtime, SilentMonitor, Snapshot};
use kloset_connector::{Storage, StoreFile};
use kloset_format::{SnapshotId, Timestamp};
use testkit::{Fault, FaultyStore, Lasting, MemoryStore, MemoryTree, Script};

use crate::rig::{
    Numbers, assert_whole, backed_up, backup_with, changed, listed, locks, open, small_store, small_tree,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The system's clock, some days ahead.
#[derive(Clone, Default)]
struct Later(Arc<AtomicI64>);

impl Later {
    fn days(days: i64) -> Self {
        Self(Arc::new(AtomicI64::new(days * 24 * 3600)))
    }
}

impl Clock for Later {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now();
        Timestamp { seconds: now.seconds + self.0.load(Ordering::Relaxed), ..now }
    }
}

fn open_later(storage: impl Storage + 'static, days: i64) -> Result<Arc<Repository>, Error> {
    let mut runtime = Runtime::system(2, "test".to_owned());
    runtime.clock = Arc::new(Later::days(days));
    let options = OpenOptions::new(runtime, Arc::new(SilentMonitor));
    let locked = LockedStore::probe(Arc::new(storage), options)?;
    locked.unlock(None).map(Arc::new).map_err(|(_, error)| Error::from(error))
}

fn maintained(store: &MemoryStore, days: i64) -> MaintenanceReport {
    run(store, days, &MaintenanceOptions::default()).unwrap()
}

/// Maintenance of some days later.
pub fn run(store: &MemoryStore, days: i64, options: &MaintenanceOptions) -> Result<MaintenanceReport, Error> {
    maintain(&open_later(store.clone(), days)?, options, &SilentMonitor)
}

fn packfiles(store: &MemoryStore) -> usize {
    store.names(StoreFile::Packfile).len()
}

fn assert_clean(store: &MemoryStore) {
    let repository = open(store);
    let targets: Vec<_> = repository.snapshots().into_iter().map(|id| (id, b"/".to_vec())).collect();
    let mut errors = 0;
    check(&repository, &targets, CheckOptions::default(), &SilentMonitor, &mut |one| errors += one.errors)
        .unwrap();
    assert_eq!(errors, 0);
}

/// A store with two snapshots that share most of their contents, the older one removed.
struct Situation {
    store: MemoryStore,
    kept: SnapshotId,
    tree: MemoryTree,
}

impl Situation {
    fn new() -> Self {
        let store = small_store();
        let mut old = small_tree();
        old.write("only/old", Numbers::new(77).bytes(300_000));
        let removed = backed_up(&store, &old);
        let mut tree = changed(&old);
        tree.remove("only/old");
        let kept = backed_up(&store, &tree);
        remove(&open(&store), &[removed]).unwrap();
        Self { store, kept, tree }
    }

    fn assert_whole(&self, when: &str) {
        assert_eq!(listed(&self.store), [self.kept], "{when}");
        assert_whole(&self.store, self.kept, &self.tree, when);
    }
}

#[test]
fn unused_packfiles_are_marked_and_deleted_after_the_grace_period() {
    let situation = Situation::new();
    let store = &situation.store;
    let before = packfiles(store);
    let first = maintained(store, 0);
    assert!(first.coloured >= 2, "{first:?}");
    assert_eq!((first.orphaned, first.removed_packfiles, packfiles(store)), (0, 0, before));
    situation.assert_whole("marked");
    let early = maintained(store, 6);
    assert_eq!((early.coloured, early.removed_packfiles), (0, 0));
    let late = maintained(store, 8);
    assert_eq!((late.coloured, late.removed_packfiles), (0, first.coloured));
    assert!(late.removed_blobs > 0 && late.removed_bytes == first.coloured_bytes);
    assert_eq!(packfiles(store) as u64, before as u64 - first.coloured);
    situation.assert_whole("swept");
    assert_clean(store);
    assert_eq!(maintained(store, 30), MaintenanceReport::default());
    assert_eq!(locks(store), 0);
}

#[test]
fn a_dry_run_says_exactly_what_a_run_does_and_writes_nothing() {
    let situation = Situation::new();
    let dry = MaintenanceOptions { dry_run: true, ..MaintenanceOptions::default() };
    for days in [0, 8] {
        let states = situation.store.names(StoreFile::State);
        let foretold = run(&situation.store, days, &dry).unwrap();
        assert_eq!(states, situation.store.names(StoreFile::State));
        assert_eq!(foretold, maintained(&situation.store, days));
    }
}

#[test]
fn a_packfile_that_is_used_again_is_kept() {
    let situation = Situation::new();
    let store = &situation.store;
    let mut tree = situation.tree.clone();
    tree.write("only/old", Numbers::new(77).bytes(300_000));
    // A client that takes no locks has read the states before the mark, and builds on what it knows.
    let early = store.copy();
    let marked = maintained(store, 0);
    let again = backed_up(&early, &tree);
    for file in [StoreFile::Packfile, StoreFile::State] {
        for name in early.names(file) {
            store.place(file, name, early.body(file, &name).unwrap());
        }
    }
    let report = maintained(store, 8);
    assert!(report.used_again > 0 && report.removed_packfiles < marked.coloured, "{report:?}");
    assert_whole(store, again, &tree, "used again");
    assert_whole(store, situation.kept, &situation.tree, "beside it");
    maintained(store, 30);
    assert_whole(store, again, &tree, "much later");
    assert_clean(store);
}

#[test]
fn a_client_that_opened_before_a_mark_does_not_build_on_what_was_marked() {
    let situation = Situation::new();
    let store = &situation.store;
    let mut tree = situation.tree.clone();
    tree.write("only/old", Numbers::new(77).bytes(300_000));
    let early = open(store);
    let kept = Snapshot::open(&early, situation.kept).unwrap();
    let marked = maintained(store, 0);
    let again = backup_with(&early, &tree).unwrap().snapshot;
    assert_whole(store, again, &tree, "beside the mark");
    let report = maintained(store, 8);
    assert_eq!((report.used_again, report.removed_packfiles), (0, marked.coloured));
    assert_whole(store, again, &tree, "after the sweep");
    assert_clean(store);
    // A snapshot that was removed meanwhile is not duplicated: what it needs may be gone.
    duplicate(&kept).unwrap();
    remove(&open(store), &[situation.kept]).unwrap();
    assert!(matches!(duplicate(&kept), Err(Error::SnapshotUnknown(_))));
}

#[test]
fn a_mark_is_taken_back_whatever_the_clocks_say() {
    let situation = Situation::new();
    let store = &situation.store;
    // Marked by a machine whose clock is a year ahead, used again by one that does not look.
    let early = store.copy();
    maintained(store, 365);
    let again = backed_up(&early, &situation.tree.clone());
    let mut tree = situation.tree.clone();
    tree.write("only/old", Numbers::new(77).bytes(300_000));
    let with_old = backed_up(&early, &tree);
    for file in [StoreFile::Packfile, StoreFile::State] {
        for name in early.names(file) {
            store.place(file, name, early.body(file, &name).unwrap());
        }
    }
    assert!(maintained(store, 0).used_again > 0);
    assert_whole(store, again, &situation.tree, "beside it");
    assert_whole(store, with_old, &tree, "used again");
    assert_eq!(maintained(store, 0).used_again, 0);
}

#[test]
fn marks_and_orphans_of_a_clock_that_was_far_ahead_are_given_up_in_time() {
    let situation = Situation::new();
    let store = &situation.store;
    let marked = maintained(store, 365).coloured;
    let other = small_store();
    backup_with(&open_later(other.clone(), 365).unwrap(), &small_tree()).unwrap();
    for name in other.names(StoreFile::Packfile) {
        store.place(StoreFile::Packfile, name, other.body(StoreFile::Packfile, &name).unwrap());
    }
    let orphans = other.names(StoreFile::Packfile).len() as u64;
    let again = maintained(store, 0);
    assert_eq!((again.coloured, again.orphaned, again.removed_packfiles), (marked + orphans, orphans, 0));
    assert_eq!(maintained(store, 6), MaintenanceReport::default());
    assert_eq!(maintained(store, 8).removed_packfiles, marked + orphans);
    situation.assert_whole("swept");
    assert_clean(store);
}

#[test]
fn orphans_are_deleted_once_they_are_old() {
    let situation = Situation::new();
    let (kept, other) = (&situation.store, small_store());
    backed_up(&other, &small_tree());
    for name in other.names(StoreFile::Packfile) {
        kept.place(StoreFile::Packfile, name, other.body(StoreFile::Packfile, &name).unwrap());
    }
    kept.place(StoreFile::Packfile, [7; 32], vec![1; 200]);
    let added = other.names(StoreFile::Packfile).len() as u64;
    // What was cut short is as old as the server says; the others tell their age themselves.
    assert_eq!(maintained(kept, 1).orphaned, 1);
    assert_eq!(maintained(kept, 9).orphaned, added);
    let before = packfiles(kept) as u64;
    let swept = maintained(kept, 20).removed_packfiles;
    assert!(swept >= added);
    assert_eq!(packfiles(kept) as u64, before - swept);
    situation.assert_whole("without orphans");
}

#[test]
fn a_snapshot_that_cannot_be_read_stops_everything() {
    let situation = Situation::new();
    let store = &situation.store;
    maintained(store, 0);
    let (before, states) = (packfiles(store), store.names(StoreFile::State).len());
    for name in store.names(StoreFile::Packfile) {
        let without = store.copy();
        Storage::delete(&without, StoreFile::Packfile, &name).unwrap();
        let outcome = run(&without, 8, &MaintenanceOptions::default());
        if let Err(error) = outcome {
            assert!(matches!(error, Error::SnapshotBlocks { snapshot, .. } if snapshot == situation.kept));
            assert_eq!((packfiles(&without), without.names(StoreFile::State).len()), (before - 1, states));
            assert_eq!(locks(&without), 0);
        } else {
            assert_whole(&without, situation.kept, &situation.tree, "an unused packfile was lost");
        }
    }
}

#[test]
fn a_missing_state_stops_everything() {
    let situation = Situation::new();
    let store = &situation.store;
    for name in store.names(StoreFile::State) {
        let without = store.copy();
        Storage::delete(&without, StoreFile::State, &name).unwrap();
        if open(&without).states().len() == 2 && listed(&without).len() == 2 {
            continue; // The removal was lost, which nothing builds on.
        }
        assert!(matches!(run(&without, 8, &MaintenanceOptions::default()), Err(Error::StatesIncomplete(_))));
    }
    let without = store.copy();
    for name in store.names(StoreFile::State) {
        Storage::delete(&without, StoreFile::State, &name).unwrap();
    }
    let outcome = run(&without, 8, &MaintenanceOptions::default());
    assert!(matches!(outcome, Err(Error::StatesIncomplete(_))));
}

/// Backs up in the middle of a maintenance, past its lock.
struct Intruder {
    store: MemoryStore,
    tree: MemoryTree,
    /// Waits until blobs are moved.
    while_repacking: bool,
    done: Mutex<bool>,
}

impl Monitor for Intruder {
    fn event(&self, event: Event<'_>) {
        let mut done = self.done.lock().unwrap();
        let moves = matches!(event, Event::Progress { entries: 0, .. });
        if matches!(event, Event::Progress { .. }) && (moves || !self.while_repacking) && !*done {
            *done = true;
            let locks: Vec<_> = self.store.names(StoreFile::Lock);
            let bodies: Vec<_> =
                locks.iter().map(|name| self.store.body(StoreFile::Lock, name).unwrap()).collect();
            for name in &locks {
                Storage::delete(&self.store, StoreFile::Lock, name).unwrap();
            }
            backed_up(&self.store, &self.tree);
            for (name, body) in locks.into_iter().zip(bodies) {
                self.store.place(StoreFile::Lock, name, body);
            }
        }
    }
}

#[test]
fn writes_of_others_in_spite_of_the_lock_are_noticed() {
    let situation = Situation::new();
    maintained(&situation.store, 0);
    let before = packfiles(&situation.store);
    let mut tree = situation.tree.clone();
    tree.write("new", "new");
    let store = situation.store.clone();
    let intruder = Intruder { store, tree, while_repacking: false, done: Mutex::new(false) };
    let repository = open_later(situation.store.clone(), 8).unwrap();
    let outcome = maintain(&repository, &MaintenanceOptions::default(), &intruder);
    assert!(matches!(outcome, Err(Error::WrittenMeanwhile)), "{outcome:?}");
    assert!(packfiles(&situation.store) > before);
    assert_clean(&situation.store);
}

#[test]
fn what_was_repacked_is_not_deleted_beside_a_write_in_spite_of_the_lock() {
    let store = small_store();
    let tree = small_tree();
    let mut grown = tree.clone();
    grown.write("own", Numbers::new(9).bytes(60_000));
    let gone = backed_up(&store, &grown);
    let kept = backed_up(&store, &tree);
    remove(&open(&store), &[gone]).unwrap();
    let intruder =
        Intruder { store: store.clone(), tree: grown, while_repacking: true, done: Mutex::new(false) };
    let options = MaintenanceOptions { repack: true, grace: Duration::ZERO, ..MaintenanceOptions::default() };
    let before: Vec<_> = store.names(StoreFile::Packfile);
    let outcome = maintain(&open(&store), &options, &intruder);
    assert!(*intruder.done.lock().unwrap(), "{outcome:?}");
    assert!(matches!(outcome, Err(Error::WrittenMeanwhile)), "{outcome:?}");
    let after = store.names(StoreFile::Packfile);
    assert!(before.iter().all(|name| after.contains(name)));
    // What the other relies on is marked; the next run sees that it is used.
    assert!(run(&store, 0, &options).unwrap().used_again > 0);
    assert_clean(&store);
    assert_whole(&store, kept, &tree, "beside the other");
}

#[test]
fn maintenance_waits_for_nobody() {
    let situation = Situation::new();
    struct Busy<'a>(&'a MemoryStore, Mutex<Option<String>>);
    impl Monitor for Busy<'_> {
        fn event(&self, event: Event<'_>) {
            if matches!(event, Event::Phase("backup")) {
                let outcome = run(self.0, 0, &MaintenanceOptions::default());
                *self.1.lock().unwrap() = outcome.err().map(|error| error.to_string());
            }
        }
    }
    let busy = Busy(&situation.store, Mutex::default());
    let options = kloset::backup::BackupOptions::default();
    kloset::backup::backup(&open(&situation.store), &small_tree(), &options, &busy).unwrap();
    let said = busy.1.into_inner().unwrap().unwrap();
    assert!(said.contains("locked by"), "{said}");
    assert_eq!(locks(&situation.store), 0);
}

#[test]
fn repacking_gives_back_what_is_mostly_dead() {
    let store = small_store();
    let mut numbers = Numbers::new(5);
    let mut tree = MemoryTree::new();
    for at in 0..40 {
        tree.write(&format!("{at}"), numbers.bytes(5000));
    }
    let first = backed_up(&store, &tree);
    for at in (0..40).filter(|at| at % 4 != 0) {
        tree.remove(&format!("{at}"));
    }
    let second = backed_up(&store, &tree);
    remove(&open(&store), &[first]).unwrap();
    let before = store.bytes_in(StoreFile::Packfile);
    let repack = MaintenanceOptions { repack: true, ..MaintenanceOptions::default() };
    let foretold = run(&store, 0, &MaintenanceOptions { dry_run: true, ..repack }).unwrap();
    let report = run(&store, 0, &repack).unwrap();
    assert_eq!(report, foretold);
    assert!(report.repacked_packfiles > 0 && report.repacked_bytes * 2 < report.repacked_from_bytes);
    assert_whole(&store, second, &tree, "moved");
    assert_clean(&store);
    let again = run(&store, 1, &repack).unwrap();
    assert_eq!(again.repacked_packfiles, 0, "{again:?}");
    let swept = run(&store, 8, &repack).unwrap();
    assert!(swept.removed_packfiles >= report.repacked_packfiles);
    assert!(store.bytes_in(StoreFile::Packfile) < before);
    assert_whole(&store, second, &tree, "the old packfiles are gone");
    assert_clean(&store);
}

#[test]
fn what_was_repacked_stays_where_it_is() {
    let repack = MaintenanceOptions { repack: true, grace: Duration::ZERO, ..MaintenanceOptions::default() };
    for seed in 0..40 {
        let (store, mut tree, mut numbers) = (small_store(), MemoryTree::new(), Numbers::new(seed));
        let mut newest = None;
        for _ in 0..6 {
            for _ in 0..8 {
                let path = format!("{}", numbers.below(40));
                let length = numbers.below(30_000);
                tree.write(&path, numbers.bytes(length));
            }
            if let Some(older) = newest.replace(backed_up(&store, &tree)) {
                remove(&open(&store), &[older]).unwrap();
            }
        }
        run(&store, 0, &repack).unwrap();
        let again = run(&store, 0, &repack).unwrap();
        assert_eq!(again.repacked_packfiles, 0, "seed {seed}: {again:?}");
        assert_whole(&store, newest.unwrap(), &tree, "moved");
    }
}

#[test]
fn a_packfile_that_is_used_again_is_repacked_at_once() {
    let situation = Situation::new();
    let store = &situation.store;
    let mut tree = situation.tree.clone();
    tree.write("only/old", Numbers::new(77).bytes(60_000));
    let early = store.copy();
    maintained(store, 0);
    let again = backed_up(&early, &tree);
    for file in [StoreFile::Packfile, StoreFile::State] {
        for name in early.names(file) {
            store.place(file, name, early.body(file, &name).unwrap());
        }
    }
    let repack = MaintenanceOptions { repack: true, grace: Duration::ZERO, ..MaintenanceOptions::default() };
    let first = run(store, 1, &repack).unwrap();
    assert!(first.used_again > 0 && first.repacked_packfiles > 0, "{first:?}");
    let second = run(store, 2, &repack).unwrap();
    assert_eq!((second.repacked_packfiles, second.used_again), (0, 0), "{second:?}");
    assert_whole(store, again, &tree, "used again and moved");
    assert_clean(store);
}

#[test]
fn a_crash_at_any_call_costs_nothing() {
    let situation = Situation::new();
    maintained(&situation.store, 0);
    let repack = MaintenanceOptions { repack: true, ..MaintenanceOptions::default() };
    let attempt = |script: Script, call: u64| {
        let store = situation.store.copy();
        let faulty = FaultyStore::new(store.clone(), script, call);
        let outcome = open_later(faulty.clone(), 8)
            .and_then(|repository| maintain(&repository, &repack, &SilentMonitor));
        (store, faulty, outcome)
    };
    let (_, clean, outcome) = attempt(Script::Clean, 0);
    outcome.unwrap();
    let kind = kloset_connector::ErrorKind::Permission;
    for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::Fail(kind), Fault::FailAfterwards(kind)] {
        for (call, name) in (0u64..).zip(clean.calls()) {
            let (store, _, _) = attempt(Script::At { call, fault, lasting: Lasting::Once }, call);
            let when = format!("{fault:?} at call {call}, {name}");
            assert_eq!(listed(&store), [situation.kept], "{when}");
            assert_whole(&store, situation.kept, &situation.tree, &when);
            store.advance(DAY);
            for days in [20, 40, 60] {
                run(&store, days, &repack).unwrap_or_else(|error| panic!("{when}: {error}"));
                store.advance(DAY);
            }
            assert_whole(&store, situation.kept, &situation.tree, &when);
            assert_clean(&store);
            let dead = run(&store, 60, &MaintenanceOptions { dry_run: true, ..repack }).unwrap();
            assert_eq!((dead.coloured, dead.removed_packfiles), (0, 0), "{when}");
        }
    }
}
