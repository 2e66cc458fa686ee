//! What a client keeps of the merged states saves work and is never believed against the store.

use std::path::Path;
use std::sync::Arc;

use kloset::remove::remove;
use kloset::repository::OpenOptions;
use kloset::{Repository, SilentMonitor};
use kloset_connector::{Storage, StoreFile};
use kloset_format::SnapshotId;
use testkit::{MemoryStore, MemoryTree, RecordingStore};

use crate::rig::{assert_whole, backed_up, listed, open_with, runtime, small_store};

/// More than are read again at each opening.
const SNAPSHOTS: usize = 70;

fn open_cached(storage: impl Storage + 'static, cache: &Path) -> Arc<Repository> {
    let mut options = OpenOptions::new(runtime(2), Arc::new(SilentMonitor));
    options.cache = Some(cache.to_path_buf());
    open_with(storage, options).unwrap()
}

fn seen(store: &MemoryStore, cache: &Path) -> Vec<SnapshotId> {
    let mut ids = open_cached(store.clone(), cache).snapshots();
    ids.sort();
    ids
}

fn tree(at: usize) -> MemoryTree {
    let mut tree = MemoryTree::new();
    tree.write("same", "the same");
    tree.write("other", format!("{at}"));
    tree
}

/// A store with many snapshots and a client that has seen them all.
fn known() -> (MemoryStore, Vec<SnapshotId>, tempfile::TempDir, std::path::PathBuf) {
    let store = small_store();
    let ids = (0..SNAPSHOTS).map(|at| backed_up(&store, &tree(at))).collect();
    let cache = tempfile::TempDir::new().unwrap();
    assert_eq!(seen(&store, cache.path()), listed(&store));
    let folder = std::fs::read_dir(cache.path()).unwrap().next().unwrap().unwrap().path();
    let file = folder.join("states/merged");
    assert!(file.exists());
    (store, ids, cache, file)
}

#[test]
fn states_that_were_merged_are_not_read_again() {
    let (store, _, cache, file) = known();
    for entry in std::fs::read_dir(file.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path != file {
            std::fs::remove_file(path).unwrap();
        }
    }
    let recording = RecordingStore::new(store.clone());
    let new = backed_up(&store, &tree(1000));
    let repository = open_cached(recording.clone(), cache.path());
    assert_eq!(repository.snapshots().len(), SNAPSHOTS + 1);
    let fetched: usize = recording
        .calls()
        .iter()
        .filter(|call| call.file == Some(StoreFile::State))
        .map(|call| call.ranges)
        .sum();
    assert_eq!(fetched, 1);
    assert_whole(&store, new, &tree(1000), "the newest");
}

#[test]
fn what_comes_and_goes_is_seen_whatever_the_cache_says() {
    let (store, ids, cache, _) = known();
    remove(&open_cached(store.clone(), cache.path()), &ids[..3]).unwrap();
    assert_eq!(seen(&store, cache.path()), listed(&store));
    // A state that is gone takes everything with it that it told of.
    store.delete(StoreFile::State, &ids[10].0).unwrap();
    assert_eq!(seen(&store, cache.path()), listed(&store));
    assert_eq!(listed(&store).len(), SNAPSHOTS - 4);
}

#[test]
fn a_damaged_file_is_made_again() {
    let (store, _, cache, file) = known();
    let bytes = std::fs::read(&file).unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 7) {
        let mut changed = bytes.clone();
        changed[at] ^= 4;
        std::fs::write(&file, &changed).unwrap();
        assert_eq!(seen(&store, cache.path()), listed(&store));
        std::fs::write(&file, &bytes[..at]).unwrap();
        assert_eq!(seen(&store, cache.path()), listed(&store));
    }
    let other = small_store();
    backed_up(&other, &tree(0));
    assert_eq!(seen(&other, cache.path()), listed(&other));
}
