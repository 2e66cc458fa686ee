//! States that were lost are written again from the packfiles; what is not whole stays hidden.

use kloset::SilentMonitor;
use kloset::dup::duplicate;
use kloset::maintenance::{MaintenanceOptions, maintain};
use kloset::repair::{Repaired, inspect, repair};
use kloset::{Error, Snapshot};
use kloset_connector::{ErrorKind, Storage, StoreFile};
use testkit::{Fault, FaultyStore, Lasting, MemoryStore, Operation, Script};

use crate::rig::{
    assert_whole, backed_up, changed, listed, locks, open, small_store, small_tree, try_backup,
};

fn repaired(store: &MemoryStore) -> Repaired {
    let done = repair(&open(store), &SilentMonitor).unwrap();
    assert_eq!(locks(store), 0);
    done
}

#[test]
fn a_whole_store_needs_no_repair() {
    let store = small_store();
    backed_up(&store, &small_tree());
    assert!(inspect(&open(&store)).unwrap().is_empty());
    assert_eq!(repaired(&store), Repaired::default());
}

#[test]
fn lost_states_are_written_again_under_their_names() {
    let store = small_store();
    let tree = small_tree();
    let (first, next) = (backed_up(&store, &tree), changed(&tree));
    let second = backed_up(&store, &next);
    for lost in store.names(StoreFile::State) {
        let store = store.copy();
        Storage::delete(&store, StoreFile::State, &lost).unwrap();
        let before = listed(&store).len();
        let is_parent = !inspect(&open(&store)).unwrap().lost_parents.is_empty();
        let done = repaired(&store);
        assert_eq!(done.snapshots.len(), 2 - before);
        assert_eq!(is_parent, store.names(StoreFile::State).contains(&lost));
        assert_whole(&store, first, &tree, "the first");
        assert_whole(&store, second, &next, "the second");
        assert!(inspect(&open(&store)).unwrap().is_empty());
        maintain(&open(&store), &MaintenanceOptions::default(), &SilentMonitor).unwrap();
    }
    for state in store.names(StoreFile::State) {
        Storage::delete(&store, StoreFile::State, &state).unwrap();
    }
    assert_eq!(repaired(&store).snapshots.len(), 2);
    assert_whole(&store, first, &tree, "the first, without any state");
    assert_whole(&store, second, &next, "the second, without any state");
}

#[test]
fn a_state_that_packfiles_name_is_written_again() {
    let store = small_store();
    let tree = small_tree();
    let id = backed_up(&store, &tree);
    let state = store.names(StoreFile::State)[0];
    let body = store.body(StoreFile::State, &state).unwrap();
    Storage::delete(&store, StoreFile::State, &state).unwrap();
    store.place(StoreFile::State, [9; 32], body);
    let broken = inspect(&open(&store)).unwrap();
    assert_eq!(broken.named_states.len(), 1);
    let refused = maintain(&open(&store), &MaintenanceOptions::default(), &SilentMonitor);
    assert!(matches!(refused, Err(Error::StatesIncomplete(_))));
    assert_eq!(repaired(&store).states.iter().map(|state| state.0).collect::<Vec<_>>(), [state]);
    assert_whole(&store, id, &tree, "repaired");
    assert!(inspect(&open(&store)).unwrap().is_empty());
}

#[test]
fn packfiles_of_a_killed_backup_are_used_and_its_snapshot_is_not_shown() {
    let store = small_store();
    let tree = small_tree();
    let (operation, file) = (Operation::Put, StoreFile::Packfile);
    for nth in 0.. {
        let store = store.copy();
        let script = Script::OnNth { operation, file, nth, fault: Fault::CrashBefore };
        // How many packfiles there are depends on how the threads share the work.
        if try_backup(FaultyStore::new(store.clone(), script, 0), &tree).is_ok() {
            assert!(nth > 1, "only {nth} packfiles");
            return;
        }
        store.advance(std::time::Duration::from_secs(11 * 60));
        let orphans = store.names(StoreFile::Packfile).len();
        let done = repaired(&store);
        assert_eq!((done.packfiles as usize, done.snapshots.len()), (orphans, 0), "packfile {nth}");
        assert!(listed(&store).is_empty());
        let id = backed_up(&store, &tree);
        assert_whole(&store, id, &tree, "afterwards");
    }
}

#[test]
fn a_damaged_packfile_is_reported_and_left_out() {
    let store = small_store();
    let tree = small_tree();
    backed_up(&store, &tree);
    let state = store.names(StoreFile::State)[0];
    Storage::delete(&store, StoreFile::State, &state).unwrap();
    let packfile = store.names(StoreFile::Packfile)[0];
    store.edit(StoreFile::Packfile, &packfile, |body| body[20] ^= 1);
    let done = repaired(&store);
    assert_eq!(done.damaged, 1);
    assert!(listed(&store).is_empty());
    assert_eq!(done.incomplete.len() + done.snapshots.len(), done.incomplete.len());
}

#[test]
fn a_duplicate_has_another_name_and_the_same_contents() {
    let store = small_store();
    let tree = small_tree();
    let id = backed_up(&store, &tree);
    let repository = open(&store);
    let original = Snapshot::open(&repository, id).unwrap();
    let copy = duplicate(&original).unwrap();
    assert_ne!(copy.snapshot, id);
    assert_eq!(listed(&store).len(), 2);
    assert_whole(&store, copy.snapshot, &tree, "the duplicate");
    let repository = open(&store);
    let header = Snapshot::open(&repository, copy.snapshot).unwrap();
    assert_eq!(header.header().sources, original.header().sources);
    assert_eq!(header.header().context, original.header().context);
    let faulty = FaultyStore::new(
        store.copy(),
        Script::At { call: 6, fault: Fault::Fail(ErrorKind::NoSpace), lasting: Lasting::Everything },
        0,
    );
    if let Ok(repository) = crate::rig::try_open(faulty) {
        let _ = Snapshot::open(&repository, id).and_then(|original| duplicate(&original));
    }
    assert_eq!(locks(&store), 0);
}
