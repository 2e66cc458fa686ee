//! States are merged, and nobody misses those that go.

use std::time::Duration;

use kloset::maintenance::{MaintenanceOptions, MaintenanceReport, maintain};
use kloset::remove::remove;
use kloset::repair::repair;
use kloset::repository::OpenOptions;
use kloset::{Error, SilentMonitor};
use kloset_connector::{Storage, StoreFile};
use kloset_format::{SnapshotId, StateId};
use testkit::{Fault, FaultyStore, MemoryStore, MemoryTree, Operation, Script};

use crate::fixtures::store::Heard;
use crate::foreign::{CachedReader, publish, readers_agree, remove_behind};
use crate::maintenance::run;
use crate::rig::{
    Numbers, assert_whole, backed_up, open, open_with, runtime, small_store, small_tree, try_open,
};

const GRACE: Duration = Duration::from_secs(900);
const BACKUPS: u64 = 60;
/// A removal, marks, and what takes marked packfiles out.
const STATES: u64 = BACKUPS + 3;

fn options(grace: Duration) -> MaintenanceOptions {
    MaintenanceOptions { grace, repack: true, ..MaintenanceOptions::default() }
}

fn states(store: &MemoryStore) -> usize {
    store.names(StoreFile::State).len()
}

/// A store of many backups of which two are left.
struct Situation {
    store: MemoryStore,
    kept: Vec<(SnapshotId, MemoryTree)>,
}

impl Situation {
    fn new() -> Self {
        let store = small_store();
        let mut tree = small_tree();
        let mut all = Vec::new();
        for nth in 0..BACKUPS {
            tree.write("own", Numbers::new(nth + 1).bytes(5000 + nth as usize));
            all.push((backed_up(&store, &tree), tree.clone()));
        }
        let kept = vec![all.remove(40), all.pop().unwrap()];
        let gone: Vec<SnapshotId> = all.into_iter().map(|(id, _)| id).collect();
        remove(&open(&store), &gone).unwrap();
        let options = MaintenanceOptions { repack: false, ..options(Duration::ZERO) };
        (0..2).for_each(|_| _ = run(&store, 0, &options).unwrap());
        assert_eq!(states(&store) as u64, STATES);
        Self { store, kept }
    }

    /// Maintenance of a later moment by the store's clock and ours.
    fn run(&self, grace: Duration) -> MaintenanceReport {
        self.store.advance(Duration::from_secs(1));
        run(&self.store, 0, &options(grace)).unwrap()
    }

    fn assert_whole(&self, when: &str) {
        let mut listed = open(&self.store).snapshots();
        listed.sort();
        let mut wanted: Vec<SnapshotId> = self.kept.iter().map(|(id, _)| *id).collect();
        wanted.sort();
        assert_eq!(listed, wanted, "{when}");
        for (id, tree) in &self.kept {
            assert_whole(&self.store, *id, tree, when);
        }
        readers_agree(&self.store).unwrap_or_else(|why| panic!("{when}: {why}"));
    }
}

#[test]
fn one_state_is_left_of_many() {
    let situation = Situation::new();
    let before = situation.store.bytes_in(StoreFile::State);
    let foretold =
        run(&situation.store, 0, &MaintenanceOptions { dry_run: true, ..options(Duration::ZERO) }).unwrap();
    let report = situation.run(Duration::ZERO);
    assert_eq!((report.merged_states, report.removed_states), (STATES, STATES));
    assert_eq!((foretold.merged_states, foretold.removed_states), (STATES, STATES));
    assert_eq!(states(&situation.store), 1);
    assert!(situation.store.bytes_in(StoreFile::State) * 3 < before);
    situation.assert_whole("merged");
    let again = situation.run(Duration::ZERO);
    assert_eq!((again.merged_states, again.removed_states, states(&situation.store)), (0, 0, 1));
}

#[test]
fn two_runs_are_enough_for_a_store_in_which_most_was_just_removed() {
    let (store, tree) = (small_store(), small_tree());
    let with = |nth| {
        let mut tree = tree.clone();
        tree.write("own", Numbers::new(nth + 1).bytes(20_000 + nth as usize));
        tree
    };
    let mut ids: Vec<SnapshotId> = (0..BACKUPS).map(|nth| backed_up(&store, &with(nth))).collect();
    let kept = ids.remove(7);
    remove(&open(&store), &ids).unwrap();
    for day in 0..2 {
        let foretold =
            run(&store, day, &MaintenanceOptions { dry_run: true, ..options(Duration::ZERO) }).unwrap();
        assert_eq!(foretold, run(&store, day, &options(Duration::ZERO)).unwrap());
    }
    assert_eq!(states(&store), 1);
    assert_whole(&store, kept, &with(7), "two runs");
}

#[test]
fn replaced_states_stay_for_the_grace_period_and_then_go_whatever_the_run_does() {
    let situation = Situation::new();
    let report = situation.run(GRACE);
    assert_eq!((report.merged_states, report.removed_states), (STATES, 0));
    let with_both = states(&situation.store);
    situation.assert_whole("both are there");
    let early = situation.run(GRACE);
    assert_eq!((early.merged_states, early.removed_states), (0, 0));
    assert!(states(&situation.store) >= with_both);
    situation.store.advance(GRACE * 2);
    let plain = MaintenanceOptions { grace: GRACE, ..MaintenanceOptions::default() };
    let dry = run(&situation.store, 1, &MaintenanceOptions { dry_run: true, ..plain }).unwrap();
    let late = run(&situation.store, 1, &plain).unwrap();
    assert!(late.removed_states >= STATES && late.merged_states == 0, "{late:?}");
    assert_eq!(dry.removed_states, late.removed_states);
    assert!(states(&situation.store) < 6, "{}", states(&situation.store));
    situation.assert_whole("the old ones are gone");
}

#[test]
fn a_client_with_a_memory_misses_nothing_but_what_is_lost() {
    let situation = Situation::new();
    let folder = tempfile::tempdir().unwrap();
    let open = |store: &MemoryStore| {
        let mut options = OpenOptions::new(runtime(1), std::sync::Arc::new(SilentMonitor));
        options.cache = Some(folder.path().join("cache"));
        options.memory = Some(folder.path().join("memory"));
        open_with(store.clone(), options).unwrap()
    };
    assert!(open(&situation.store).suspicions().is_empty());
    let before = situation.store.copy();
    let report = situation.run(Duration::ZERO);
    assert!(report.removed_states > 0);
    let now = open(&situation.store);
    assert!(now.suspicions().is_empty(), "{:?}", now.suspicions());
    assert_eq!(now.snapshots().len(), 2);
    // The store as it was before hides the merged state.
    assert_eq!(open(&before).suspicions().len(), 1);
}

#[test]
fn a_client_that_listed_the_old_states_reads_what_replaced_them() {
    let situation = Situation::new();
    let (operation, file, nth) = (Operation::List, StoreFile::State, 0);
    let stale = |nth| Script::OnNth { operation, file, nth, fault: Fault::StaleListing };
    let faulty = FaultyStore::new(situation.store.clone(), stale(nth), 0);
    situation.run(Duration::ZERO);
    assert_eq!(try_open(faulty).unwrap().snapshots().len(), 2);
}

#[test]
fn caches_of_other_readers_as_old_as_they_may_be_stay_right() {
    let situation = Situation::new();
    let store = &situation.store;
    let mut old = [false, true].map(CachedReader::new);
    old.iter_mut().for_each(|reader| reader.look_again(store).unwrap());
    situation.run(Duration::ZERO);
    let mut tree = situation.kept[1].1.clone();
    tree.write("own", "another");
    backed_up(store, &tree);
    situation.run(Duration::ZERO);
    old.iter_mut().for_each(|reader| reader.look_again(store).unwrap());
}

#[test]
fn what_builds_on_a_replaced_state_that_is_gone_is_put_in_its_place() {
    let situation = Situation::new();
    let store = &situation.store;
    let parent = open(store).states()[20];
    situation.run(Duration::ZERO);
    let (gone, _) = situation.kept[0];
    remove_behind(store, parent, gone, 1);
    assert_eq!(states(store), 2);
    // A missing parent that was replaced is none that is missed.
    let plain = MaintenanceOptions { grace: Duration::ZERO, ..MaintenanceOptions::default() };
    let report = run(store, 0, &plain).unwrap();
    assert_eq!((report.merged_states, report.removed_states), (2, 2), "{report:?}");
    assert_eq!(states(store), 1);
    assert_eq!(open(store).snapshots(), [situation.kept[1].0]);
    readers_agree(store).unwrap();
}

#[test]
fn states_that_say_something_unknown_are_left_as_they_are() {
    let situation = Situation::new();
    let store = &situation.store;
    let parent = open(store).states()[STATES as usize - 1];
    // An entry of a type of the future, then the end.
    let mut plain = parent.0.to_vec();
    plain.extend_from_slice(&[99, 3, 0, 0, 0, 1, 2, 3, 1, 0, 1, 1, 0]);
    plain.extend_from_slice(&i64::MAX.to_le_bytes());
    plain.extend_from_slice(&[0; 16]);
    publish(store, StateId([7; 32]), &plain);
    let before = states(store);
    let heard = Heard::default();
    let report = maintain(&open(store), &options(Duration::ZERO), &heard).unwrap();
    assert_eq!((report.merged_states, report.removed_states), (0, 0));
    assert!(states(store) >= before);
    assert_eq!(heard.warnings.into_inner().unwrap().len(), 1);
    situation.assert_whole("not merged");
}

#[test]
fn a_merged_state_that_is_lost_is_written_again() {
    let situation = Situation::new();
    let store = &situation.store;
    let kept = situation.kept.clone();
    situation.run(Duration::ZERO);
    backed_up(store, &kept[1].1);
    let merged = open(store).states()[0];
    Storage::delete(store, StoreFile::State, &merged.0).unwrap();
    let refused = maintain(&open(store), &options(Duration::ZERO), &SilentMonitor);
    assert!(matches!(refused, Err(Error::StatesIncomplete(_))), "{refused:?}");
    let report = repair(&open(store), &SilentMonitor).unwrap();
    assert!(kept.iter().all(|(id, _)| report.snapshots.contains(id)), "{report:?}");
    for (id, tree) in &kept {
        assert_whole(store, *id, tree, "repaired");
    }
}

#[test]
fn a_crash_while_states_are_merged_costs_nothing() {
    let situation = Situation::new();
    let attempt = |script: Script, call: u64| {
        let store = situation.store.copy();
        let faulty = FaultyStore::new(store.clone(), script, call);
        let outcome = try_open(faulty.clone())
            .map_err(Error::from)
            .and_then(|client| maintain(&client, &options(Duration::ZERO), &SilentMonitor));
        (store, faulty, outcome)
    };
    let (_, clean, outcome) = attempt(Script::Clean, 0);
    assert!(outcome.unwrap().removed_states > 0);
    let is_about_states = |operation: Operation| {
        let of_kind =
            |call: &&testkit::Call| call.operation == operation && call.file == Some(StoreFile::State);
        clean.calls().iter().filter(of_kind).count() as u64
    };
    for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::Fail(kloset_connector::ErrorKind::Permission)]
    {
        for operation in [Operation::Put, Operation::Delete] {
            for nth in (0..is_about_states(operation)).step_by(4) {
                let script = Script::OnNth { operation, file: StoreFile::State, nth, fault };
                let (store, _, _) = attempt(script, nth);
                let case = Situation { store, kept: situation.kept.clone() };
                let when = format!("{fault:?} at {operation:?} {nth}");
                case.assert_whole(&when);
                case.store.advance(Duration::from_secs(24 * 3600));
                (1..3).for_each(|day| _ = run(&case.store, day, &options(Duration::ZERO)).unwrap());
                case.assert_whole(&format!("{when}, and again"));
                assert!(states(&case.store) < 5, "{when}");
            }
        }
    }
}
