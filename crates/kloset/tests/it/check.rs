//! What a check reads, finds and tells, beyond the damage matrix.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use kloset::check::{CheckOptions, SnapshotCheck, check};
use kloset::{BlobId, Event, Monitor, Repository, SilentMonitor};
use kloset_connector::StoreFile;
use kloset_format::{Mac, ResourceType, SnapshotId};
use testkit::MemoryStore;

use crate::rig::{Numbers, backed_up, open, small_encrypted_store, small_store, small_tree};

/// Paths that were told right.
#[derive(Default)]
struct Told(Mutex<BTreeSet<(SnapshotId, Vec<u8>)>>);

impl Monitor for Told {
    fn event(&self, event: Event<'_>) {
        if let Event::PathDone { snapshot, path, .. } = event {
            assert!(self.0.lock().unwrap().insert((snapshot, path.to_vec())), "told twice");
        }
    }
}

fn check_all(repository: &Arc<Repository>, monitor: &dyn Monitor) -> Vec<SnapshotCheck> {
    let mut targets: Vec<_> = repository.snapshots().into_iter().map(|id| (id, b"/".to_vec())).collect();
    targets.sort();
    let mut done = Vec::new();
    check(repository, &targets, CheckOptions::default(), monitor, &mut |one| done.push(one)).unwrap();
    done
}

/// A store with two snapshots of the same tree.
fn twice(store: MemoryStore) -> (MemoryStore, [SnapshotId; 2]) {
    let tree = small_tree();
    let snapshots = [backed_up(&store, &tree), backed_up(&store, &tree)];
    (store, snapshots)
}

/// A copy of the store with one bit of the place of a blob flipped.
fn flipped(store: &MemoryStore, blob: BlobId) -> MemoryStore {
    let place = open(store).locate(blob).unwrap();
    let copy = store.copy();
    copy.edit(StoreFile::Packfile, &place.packfile.0, |body| body[place.offset as usize + 16 + 5] ^= 4);
    copy
}

#[test]
fn every_path_of_snapshots_with_the_same_trees_is_told() {
    let (store, [one, other]) = twice(small_store());
    let told = Told::default();
    assert!(check_all(&open(&store), &told).iter().all(|one| one.errors == 0));
    let told = told.0.into_inner().unwrap();
    let of = |id: SnapshotId| told.iter().filter(move |(told, _)| *told == id).map(|(_, path)| path.clone());
    assert!(of(one).count() > 3);
    assert!(of(one).eq(of(other)));
}

#[test]
fn a_damaged_header_does_not_hide_behind_a_sound_snapshot_with_the_same_trees() {
    let (store, snapshots) = twice(small_encrypted_store());
    for id in snapshots {
        let store = flipped(&store, BlobId::new(ResourceType::SNAPSHOT, Mac(id.0)));
        let checked = check_all(&open(&store), &SilentMonitor);
        assert!(checked.iter().any(|one| one.snapshot == id && one.errors > 0));
    }
}

#[test]
fn damaged_contents_count_in_every_snapshot_that_has_them() {
    let (store, _) = twice(small_store());
    let chunk = small_tree().contents().values().find(|content| content.len() > 100).unwrap().clone();
    let chunk = open(&store).key().mac(&chunk);
    let store = flipped(&store, BlobId::new(ResourceType::CHUNK, chunk));
    let checked = check_all(&open(&store), &SilentMonitor);
    assert_eq!(checked.iter().filter(|one| one.errors > 0).count(), 2);
}

#[test]
fn a_state_that_is_damaged_in_the_store_is_found_although_its_contents_are_known() {
    let (store, _) = twice(small_encrypted_store());
    for name in store.names(StoreFile::State) {
        let copy = store.copy();
        let repository = open(&copy);
        for damage in [|body: &mut Vec<u8>| body[100] ^= 1, |body: &mut Vec<u8>| body.clear()] {
            copy.edit(StoreFile::State, &name, damage);
            assert!(check_all(&repository, &SilentMonitor).iter().all(|one| one.errors > 0));
        }
    }
}

#[test]
fn a_flipped_bit_in_any_packfile_is_found_also_where_nothing_reads() {
    for store in [small_store(), small_encrypted_store()] {
        let (store, _) = twice(store);
        let mut numbers = Numbers::new(11);
        for name in store.names(StoreFile::Packfile) {
            for _ in 0..25 {
                let copy = store.copy();
                let at = numbers.below(copy.body(StoreFile::Packfile, &name).unwrap().len());
                copy.edit(StoreFile::Packfile, &name, |body| body[at] ^= 1);
                let checked = check_all(&open(&copy), &SilentMonitor);
                assert!(checked.iter().any(|one| one.errors > 0), "byte {at}");
            }
        }
    }
}
