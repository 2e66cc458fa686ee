//! A run after one that was cut short says how much of its work was stored already, and nothing else does.

use std::sync::Arc;

use kloset::backup::BackupReport;
use kloset::dup::duplicate;
use kloset::maintenance::{MaintenanceOptions, maintain};
use kloset::remove::remove;
use kloset::repository::OpenOptions;
use kloset::{Error, Snapshot, Stored};
use kloset_connector::{ErrorKind, Storage, StoreFile};
use testkit::{Fault, FaultyStore, MemoryStore, MemoryTree, Operation, Script};

use crate::fixtures::store::Heard;
use crate::rig::{
    Numbers, assert_whole, backed_up, backup_with, changed, open, open_with, runtime, small_store,
    small_tree, try_open,
};

/// A backup, what it found of an earlier run, and what it recorded for a later one.
struct Told {
    result: Result<BackupReport, Error>,
    found: Vec<Stored>,
    recorded: Vec<Stored>,
}

fn back_up(storage: impl Storage + 'static, tree: &MemoryTree) -> Told {
    let heard = Arc::new(Heard::default());
    let options = OpenOptions::new(runtime(1), Arc::<Heard>::clone(&heard) as _);
    let result = backup_with(&open_with(storage, options).unwrap(), tree);
    let (found, recorded) = (heard.found.lock().unwrap().clone(), heard.recorded.lock().unwrap().clone());
    Told { result, found, recorded }
}

/// A backup whose `nth` packfile is refused.
fn cut_short(store: &MemoryStore, tree: &MemoryTree, nth: u64) -> Stored {
    let fault = Fault::Fail(ErrorKind::Permission);
    let script = Script::OnNth { operation: Operation::Put, file: StoreFile::Packfile, nth, fault };
    let told = back_up(FaultyStore::new(store.clone(), script, 1), tree);
    assert!(told.result.is_err());
    assert_eq!(told.found, [NOTHING]);
    told.recorded[0]
}

const NOTHING: Stored = Stored { blobs: 0, bytes: 0 };

#[track_caller]
fn assert_finds_nothing(store: &MemoryStore, tree: &MemoryTree) {
    let told = back_up(store.clone(), tree);
    assert_eq!(told.result.unwrap().errors, 0);
    assert_eq!(told.found, [NOTHING]);
}

/// A tree that fills a dozen small packfiles.
fn long_tree() -> MemoryTree {
    let mut tree = small_tree();
    tree.write("longer", Numbers::new(3).bytes(600_000));
    tree
}

#[test]
fn a_rerun_says_how_much_it_found_and_stores_only_the_rest() {
    let whole = back_up(small_store(), &long_tree()).result.unwrap().written_bytes;
    for before in [None, Some(small_tree())] {
        let store = small_store();
        let parent = before.as_ref().map(|tree| backed_up(&store, tree));
        let left = cut_short(&store, &long_tree(), 5);
        assert!(left.blobs > 10 && left.bytes > 200_000, "{left:?}");
        let told = back_up(store.clone(), &long_tree());
        let report = told.result.unwrap();
        assert_eq!(told.found, [left], "everything that was left is wanted, each once");
        assert!(report.written_bytes + left.bytes < whole + 100_000, "{report:?}, {whole} bytes in all");
        assert_whole(&store, report.snapshot, &long_tree(), "the rerun");
        assert_eq!(report.parent, parent);
        assert_finds_nothing(&store, &long_tree());
        let mut moved = long_tree();
        moved.write("copy", Numbers::new(3).bytes(600_000));
        assert_finds_nothing(&store, &moved);
    }
}

#[test]
fn what_several_runs_left_counts_together_and_each_tells_of_its_own() {
    let store = small_store();
    let first = cut_short(&store, &long_tree(), 3);
    let fault = Fault::Fail(ErrorKind::Permission);
    let script = Script::OnNth { operation: Operation::Put, file: StoreFile::Packfile, nth: 3, fault };
    let second = back_up(FaultyStore::new(store.clone(), script, 1), &long_tree());
    assert!(second.result.is_err());
    assert_eq!(second.found, [first]);
    let told = back_up(store.clone(), &long_tree());
    assert_eq!(told.found[0].blobs, first.blobs + second.recorded[0].blobs);
    assert_eq!(told.found[0].bytes, first.bytes + second.recorded[0].bytes);
}

#[test]
fn removals_and_copies_of_snapshots_leave_nothing_to_be_found() {
    let store = small_store();
    let tree = long_tree();
    let first = backed_up(&store, &tree);
    let copy = duplicate(&Snapshot::open(&open(&store), first).unwrap()).unwrap();
    remove(&open(&store), &[first, copy.snapshot]).unwrap();
    assert_finds_nothing(&store, &tree);
}

#[test]
fn what_maintenance_moved_is_no_run_that_was_cut_short() {
    let store = small_store();
    let mut numbers = Numbers::new(5);
    let mut tree = MemoryTree::new();
    (0..40).for_each(|at| tree.write(&format!("{at}"), numbers.bytes(5000)));
    let first = backed_up(&store, &tree);
    let whole = tree.clone();
    (0..40).filter(|at| at % 4 != 0).for_each(|at| tree.remove(&format!("{at}")));
    backed_up(&store, &tree);
    remove(&open(&store), &[first]).unwrap();
    let options = MaintenanceOptions { repack: true, ..MaintenanceOptions::default() };
    let report = maintain(&open(&store), &options, &kloset::SilentMonitor).unwrap();
    assert!(report.repacked_packfiles > 0, "{report:?}");
    assert_finds_nothing(&store, &whole);
}

#[test]
fn a_removal_in_between_does_not_hide_what_was_left() {
    let store = small_store();
    let first = backed_up(&store, &small_tree());
    let left = cut_short(&store, &long_tree(), 5);
    remove(&open(&store), &[first]).unwrap();
    assert!(back_up(store.clone(), &long_tree()).found[0].blobs >= left.blobs);
}

#[test]
fn nothing_is_said_of_what_another_source_left() {
    let store = small_store();
    cut_short(&store, &long_tree(), 5);
    let mut other = MemoryTree::new();
    other.write("other", Numbers::new(9).bytes(100_000));
    assert_finds_nothing(&store, &other);
    assert_finds_nothing(&store, &changed(&other));
    drop(try_open(store).unwrap());
}

#[test]
fn a_run_that_is_interrupted_at_its_start_blames_nothing_else() {
    let (store, tree) = (small_store(), small_tree());
    backed_up(&store, &tree);
    let client = open(&store);
    client.runtime().interrupted.store(true, std::sync::atomic::Ordering::Relaxed);
    let heard = Heard::default();
    let options = kloset::backup::BackupOptions::default();
    let outcome = kloset::backup::backup(&client, &tree, &options, &heard);
    assert!(matches!(outcome, Err(Error::Interrupted)), "{outcome:?}");
    assert!(heard.warnings.into_inner().unwrap().is_empty());
}
