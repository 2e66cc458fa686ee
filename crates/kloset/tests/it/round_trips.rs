//! Pins how many calls reach the store: a slow pattern fails here and not in a benchmark.
//!
//! A batch of ranges is one call: a connector has all of them in flight at once. What matters for a
//! distant store is the number of calls that depend on each other.

use kloset::restore::{RestoreOptions, restore};
use kloset::{SilentMonitor, Snapshot};
use kloset_connector::Storage;
use testkit::memory_source::DIRECTORY;
use testkit::{MemoryStore, MemoryTree, RecordingStore};

use crate::fixtures::memory::Memory;
use crate::rig::{Numbers, backed_up, backup_with, large_store, open, try_open};

/// 40 folders of 25 short files, and one of several chunks.
fn tree() -> MemoryTree {
    let mut tree = MemoryTree::new();
    let mut numbers = Numbers::new(4);
    for folder in 0..40 {
        for file in 0..25 {
            tree.write(&format!("folder-{folder}/file-{file}"), numbers.bytes(300 + file));
        }
    }
    tree.write("long", numbers.bytes(12 << 20));
    tree
}

/// A store with one snapshot of [`tree`], behind a record.
fn recorded() -> (MemoryStore, RecordingStore<MemoryStore>) {
    let store = large_store();
    backed_up(&store, &tree());
    let recording = RecordingStore::new(store.clone());
    (store, recording)
}

/// Fails if there were other calls than these, or more of them.
fn assert_at_most(recording: &RecordingStore<MemoryStore>, pinned: &[(&str, usize)]) {
    let counts = recording.counts();
    for (call, count) in &counts {
        let most = pinned.iter().find(|(name, _)| name == call).map_or(0, |(_, most)| *most);
        assert!(*count <= most, "{call}: {count} times, pinned to {most}, of {counts:?}");
    }
}

#[test]
fn opening_lists_states_once_and_fetches_them_in_one_batch() {
    let (store, recording) = recorded();
    for _ in 0..10 {
        backed_up(&store, &tree());
    }
    try_open(recording.clone()).unwrap();
    // CONFIG, then list, then all states at once; the last two run beside the key derivation.
    assert_at_most(&recording, &[("read config", 1), ("list state", 1), ("ranges of state", 1)]);
}

#[test]
fn listing_a_folder_goes_straight_to_it() {
    let (_, recording) = recorded();
    let repository = try_open(recording.clone()).unwrap();
    recording.reset();
    let snapshot = Snapshot::find(&repository, "").unwrap();
    snapshot.children(&[DIRECTORY, b"/folder-7"].concat()).unwrap();
    // Header, record of the directory index, its node, object of the listing, its chunk: each names
    // the next one.
    assert_at_most(&recording, &[("ranges of packfile", 5)]);
}

#[test]
fn listing_everything_reads_folders_in_batches() {
    let (_, recording) = recorded();
    let repository = try_open(recording.clone()).unwrap();
    let snapshot = Snapshot::find(&repository, "").unwrap();
    recording.reset();
    let mut entries = 0;
    snapshot
        .walk(b"/", &mut |_| {
            entries += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(entries, 1 + 1 + 40 * 26 + 1);
    // Entry of `/` through the file tree (record, nodes, entry), the directory index (record, nodes),
    // then objects and chunks of all listings at once.
    assert_at_most(&recording, &[("ranges of packfile", 8)]);
}

#[test]
fn a_short_file_is_read_in_few_steps() {
    let (_, recording) = recorded();
    let repository = try_open(recording.clone()).unwrap();
    let snapshot = Snapshot::find(&repository, "").unwrap();
    recording.reset();
    let found = snapshot.entry(&[DIRECTORY, b"/folder-7/file-3"].concat()).unwrap();
    // Record, node, object and chunk of the folder's listing.
    assert_at_most(&recording, &[("ranges of packfile", 4)]);
    recording.reset();
    snapshot.write_content(&found.entry, &mut Vec::new()).unwrap().unwrap();
    // Object, chunk.
    assert_at_most(&recording, &[("ranges of packfile", 2)]);
}

#[test]
fn a_long_file_is_read_in_batches_of_16_mib() {
    let (_, recording) = recorded();
    let repository = try_open(recording.clone()).unwrap();
    let snapshot = Snapshot::find(&repository, "").unwrap();
    let found = snapshot.entry(&[DIRECTORY, b"/long"].concat()).unwrap();
    recording.reset();
    snapshot.write_content(&found.entry, &mut Vec::new()).unwrap().unwrap();
    // Its object, then all of its chunks.
    assert_at_most(&recording, &[("ranges of packfile", 2)]);
}

#[test]
fn an_unchanged_backup_reads_the_parent_in_batches_and_writes_little() {
    let (_, recording) = recorded();
    let repository = try_open(recording.clone()).unwrap();
    recording.reset();
    let report = backup_with(&repository, &tree()).unwrap();
    assert_eq!((report.files_unchanged, report.read_bytes), (1001, 0));
    // Reading: headers of all snapshots, then the directory index and the listings of the parent.
    // Writing: lock, states still the same, listings before and after, one packfile of metadata, state and its confirmation.
    let pinned = [
        ("put lock", 1),
        ("list lock", 1),
        ("list state", 2),
        ("list packfile", 2),
        ("ranges of packfile", 5),
        ("put packfile", 1),
        ("put state", 1),
        ("get state", 1),
        ("delete lock", 1),
    ];
    assert_at_most(&recording, &pinned);
}

#[test]
fn a_backup_does_not_read_more_headers_the_more_snapshots_there_are() {
    let store = large_store();
    let recording = RecordingStore::new(store.clone());
    let mut tree = MemoryTree::new();
    tree.write("file", b"content".to_vec());
    let mut ranges = Vec::new();
    for count in [70, 70] {
        for _ in 0..count {
            backed_up(&store, &tree);
        }
        let repository = try_open(recording.clone()).unwrap();
        recording.reset();
        let report = backup_with(&repository, &tree).unwrap();
        assert_eq!((report.files_unchanged, report.read_bytes), (1, 0));
        ranges.push(recording.ranges());
    }
    let [at_70, at_141] = ranges[..] else { panic!("two backups") };
    assert!(at_141 <= at_70, "{at_70} ranges at first, {at_141} with twice as many snapshots");
}

#[test]
fn a_first_backup_lists_before_and_after_and_nothing_else() {
    let recording = RecordingStore::new(large_store());
    let repository = try_open(recording.clone()).unwrap();
    recording.reset();
    backup_with(&repository, &tree()).unwrap();
    let pinned = [
        ("put lock", 1),
        ("list lock", 1),
        ("list state", 2),
        ("list packfile", 2),
        ("put packfile", 2),
        ("put state", 1),
        ("get state", 1),
        ("delete lock", 1),
    ];
    assert_at_most(&recording, &pinned);
}

#[test]
fn restoring_a_folder_reads_objects_and_contents_in_batches() {
    let (_, recording) = recorded();
    let repository = try_open(recording.clone()).unwrap();
    let snapshot = Snapshot::find(&repository, "").unwrap();
    recording.reset();
    let folder = [DIRECTORY, b"/folder-7"].concat();
    let destination = Memory::default();
    restore(&snapshot, &folder, &destination, &RestoreOptions::default(), &SilentMonitor).unwrap();
    // The folder's entry: record, node, object and chunk of the listing that it is in. Then object and
    // chunk of its own listing, objects of the files, their chunks.
    assert_at_most(&recording, &[("ranges of packfile", 8)]);
}

#[test]
fn removing_a_snapshot_is_a_look_one_write_and_one_read() {
    let (store, recording) = recorded();
    let repository = try_open(recording.clone()).unwrap();
    recording.reset();
    kloset::remove::remove(&repository, &repository.snapshots()).unwrap();
    assert_at_most(&recording, &[("list state", 1), ("put state", 1), ("get state", 1)]);
    assert!(open(&store).snapshots().is_empty());
    assert!(store.read_config().is_ok());
}
