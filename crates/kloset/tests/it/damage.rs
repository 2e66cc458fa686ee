//! Damage matrix: what is damaged, how, and that nobody is ever handed wrong bytes.
//!
//! Whatever happens to a file of the store, every operation either gives the right data or an
//! error that names the damage, and a check never calls a store clean that cannot be read.

use std::sync::Arc;

use kloset::check::{CheckOptions, check};
use kloset::restore::{RestoreOptions, restore};
use kloset::{Error, Repository, SilentMonitor, Snapshot};
use kloset_connector::StoreFile;
use kloset_format::SnapshotId;
use testkit::{MemoryStore, MemoryTree};

use crate::fixtures::memory::Memory;
use crate::rig::{
    Contents, Numbers, backed_up, backup_with, changed, open, read_back, small_encrypted_store, small_store,
    small_tree, try_backup, try_open,
};

/// A store with two snapshots.
struct Whole {
    store: MemoryStore,
    snapshots: [(SnapshotId, Contents); 2],
    newest: MemoryTree,
}

impl Whole {
    fn new(store: MemoryStore) -> Self {
        let old = small_tree();
        let new = changed(&old);
        let snapshots = [&old, &new].map(|tree| (backed_up(&store, tree), tree.contents()));
        Self { store, snapshots, newest: new }
    }

    /// Reads and checks everything of a damaged copy; returns how many snapshots could not be read.
    fn assert_honest(&self, damaged: &MemoryStore, when: &str) -> usize {
        let repository = match try_open(damaged.clone()) {
            Ok(repository) => repository,
            Err(error) => {
                assert!(!error.to_string().is_empty(), "{when}");
                return self.snapshots.len();
            }
        };
        let mut unreadable = 0;
        for (id, contents) in &self.snapshots {
            match read_back(&repository, *id) {
                Ok(read) => assert!(read == *contents, "{when}: wrong bytes"),
                Err(error) => {
                    assert!(error.is_damage(), "{when}: {error} is not called damage");
                    unreadable += 1;
                }
            }
            assert_restores_right(&repository, *id, contents, when);
        }
        if repository.snapshots().len() == self.snapshots.len() {
            let errors = check_everything(&repository);
            assert!(errors > 0 || unreadable == 0, "{when}: unreadable, but the check is clean");
        }
        unreadable
    }
}

/// Restores all that can be restored: what is in place is right, what is not is reported.
fn assert_restores_right(repository: &Arc<Repository>, id: SnapshotId, contents: &Contents, when: &str) {
    let Ok(snapshot) = Snapshot::open(repository, id) else { return };
    let destination = Memory::default();
    let options = RestoreOptions::default();
    let report = restore(&snapshot, b"/", &destination, &options, &SilentMonitor);
    let nodes = destination.nodes();
    let mut missing = 0;
    for (path, content) in contents {
        match nodes.get(path.strip_prefix(b"/").unwrap()) {
            Some(node) => assert!(node.content == *content, "{when}: wrong bytes restored"),
            None => missing += 1,
        }
    }
    let failed = report.as_ref().map_or(1, |report| report.failed);
    assert!(missing == 0 || failed > 0, "{when}: {missing} files are missing from a clean restore");
}

/// Errors that a full check finds.
fn check_everything(repository: &Arc<Repository>) -> u64 {
    let targets: Vec<_> = repository.snapshots().into_iter().map(|id| (id, b"/".to_vec())).collect();
    let mut errors = 0;
    let checked = check(repository, &targets, CheckOptions::default(), &SilentMonitor, &mut |one| {
        errors += one.errors;
    });
    errors + u64::from(checked.is_err())
}

/// Positions worth damaging: all of a short file, a seeded sample of a long one.
fn positions(length: usize, count: usize, seed: u64) -> Vec<usize> {
    if length <= count {
        return (0..length).collect();
    }
    let mut numbers = Numbers::new(seed);
    let edges = (0..16).chain(length - 48..length);
    edges.chain((0..count).map(|_| numbers.below(length))).collect()
}

#[test]
fn an_undamaged_store_is_clean() {
    for store in [small_store(), small_encrypted_store()] {
        let whole = Whole::new(store);
        assert_eq!(whole.assert_honest(&whole.store, "no damage"), 0);
        assert_eq!(check_everything(&open(&whole.store)), 0);
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_packfile_gives_no_wrong_bytes() {
    let whole = Whole::new(small_store());
    for (seed, name) in (0..).zip(whole.store.names(StoreFile::Packfile)) {
        let length = whole.store.body(StoreFile::Packfile, &name).unwrap().len();
        for at in positions(length, 40, seed) {
            let store = whole.store.copy();
            store.edit(StoreFile::Packfile, &name, |body| body[at] ^= 1 << (at % 8));
            whole.assert_honest(&store, &format!("packfile {seed}, byte {at} of {length}"));
        }
    }
}

#[test]
fn a_flipped_bit_in_an_encrypted_packfile_gives_no_wrong_bytes() {
    let whole = Whole::new(small_encrypted_store());
    let mut numbers = Numbers::new(5);
    let names = whole.store.names(StoreFile::Packfile);
    for _ in 0..40 {
        let store = whole.store.copy();
        let name = names[numbers.below(names.len())];
        let at = numbers.below(store.body(StoreFile::Packfile, &name).unwrap().len());
        store.edit(StoreFile::Packfile, &name, |body| body[at] ^= 0x10);
        whole.assert_honest(&store, &format!("byte {at}"));
    }
}

#[test]
fn a_packfile_cut_short_gives_no_wrong_bytes() {
    let whole = Whole::new(small_store());
    for (seed, name) in (0..).zip(whole.store.names(StoreFile::Packfile)) {
        let length = whole.store.body(StoreFile::Packfile, &name).unwrap().len();
        for at in positions(length, 12, seed) {
            let store = whole.store.copy();
            store.edit(StoreFile::Packfile, &name, |body| body.truncate(at));
            whole.assert_honest(&store, &format!("packfile {seed}, cut to {at} of {length} bytes"));
        }
    }
}

#[test]
fn a_packfile_that_is_gone_or_another_one_is_noticed() {
    for store in [small_store(), small_encrypted_store()] {
        let whole = Whole::new(store);
        let names = whole.store.names(StoreFile::Packfile);
        for (at, name) in names.iter().enumerate() {
            let gone = whole.store.copy();
            kloset_connector::Storage::delete(&gone, StoreFile::Packfile, name).unwrap();
            assert!(whole.assert_honest(&gone, &format!("packfile {at} is gone")) > 0);
            let other = whole.store.copy();
            let body = other.body(StoreFile::Packfile, &names[(at + 1) % names.len()]).unwrap();
            other.place(StoreFile::Packfile, *name, body);
            assert!(whole.assert_honest(&other, &format!("packfile {at} is another one")) > 0);
            let empty = whole.store.copy();
            empty.place(StoreFile::Packfile, *name, Vec::new());
            assert!(whole.assert_honest(&empty, &format!("packfile {at} is empty")) > 0);
        }
    }
}

#[test]
fn a_lost_packfile_is_replaced_by_the_next_backup() {
    let whole = Whole::new(small_store());
    for name in whole.store.names(StoreFile::Packfile) {
        let store = whole.store.copy();
        kloset_connector::Storage::delete(&store, StoreFile::Packfile, &name).unwrap();
        let report = try_backup(store.clone(), &whole.newest).unwrap();
        let read = read_back(&open(&store), report.snapshot);
        assert!(read.unwrap() == whole.newest.contents(), "nothing of the lost packfile is reused");
    }
}

/// Where blobs of equal encoded length lie, two and two: file contents of the same size.
fn equal_blobs(store: &MemoryStore) -> (Contents, MemoryTree) {
    let mut tree = MemoryTree::new();
    let mut numbers = Numbers::new(8);
    let contents: Vec<Vec<u8>> = (0..2).map(|_| numbers.bytes(2000)).collect();
    tree.write("one", contents[0].clone());
    tree.write("two", contents[1].clone());
    backed_up(store, &tree);
    (tree.contents(), tree)
}

#[test]
fn swapped_blobs_of_equal_length_are_noticed() {
    for store in [small_store(), small_encrypted_store()] {
        let (contents, _) = equal_blobs(&store);
        let repository = open(&store);
        let id = repository.snapshots()[0];
        let places: Vec<_> = contents
            .values()
            .map(|content| {
                let mac = repository.key().mac(content);
                let blob = kloset::BlobId::new(kloset_format::ResourceType::CHUNK, mac);
                repository.locate(blob).unwrap()
            })
            .collect();
        let [one, two] = places[..] else { panic!("two blobs") };
        assert_eq!((one.packfile, one.length), (two.packfile, two.length));
        store.edit(StoreFile::Packfile, &one.packfile.0, |body| {
            let start = |place: kloset::BlobLocation| place.offset as usize + 16;
            for at in 0..one.length as usize {
                body.swap(start(one) + at, start(two) + at);
            }
        });
        let error = read_back(&open(&store), id).expect_err("contents are under each other's names");
        assert!(matches!(error, Error::BlobDamaged { .. }), "{error}");
        assert!(check_everything(&open(&store)) > 0);
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_state_is_noticed() {
    let whole = Whole::new(small_store());
    for (seed, name) in (0..).zip(whole.store.names(StoreFile::State)) {
        let length = whole.store.body(StoreFile::State, &name).unwrap().len();
        for at in positions(length, 150, seed) {
            let store = whole.store.copy();
            store.edit(StoreFile::State, &name, |body| body[at] ^= 1 << (at % 8));
            let error = try_open(store.clone()).err().map(|error| error.to_string());
            assert!(error.is_some(), "byte {at} of {length} bytes");
            assert!(try_backup(store, &whole.newest).is_err());
        }
    }
}

#[test]
fn a_state_that_is_cut_short_or_another_one_is_noticed() {
    let whole = Whole::new(small_store());
    let names = whole.store.names(StoreFile::State);
    for (at, name) in names.iter().enumerate() {
        let length = whole.store.body(StoreFile::State, name).unwrap().len();
        for cut in positions(length, 20, at as u64) {
            let store = whole.store.copy();
            store.edit(StoreFile::State, name, |body| body.truncate(cut));
            if cut == 0 {
                // An upload that never got further, on a server that gives no file another name.
                assert!(whole.assert_honest(&store, "a state is empty") > 0);
                continue;
            }
            assert!(try_open(store).is_err(), "state {at} cut to {cut} of {length} bytes");
        }
    }
}

#[test]
fn a_state_that_is_gone_takes_its_snapshot_and_nothing_else() {
    let whole = Whole::new(small_store());
    for name in whole.store.names(StoreFile::State) {
        let store = whole.store.copy();
        kloset_connector::Storage::delete(&store, StoreFile::State, &name).unwrap();
        whole.assert_honest(&store, "a state is gone");
        let report = try_backup(store.clone(), &whole.newest).unwrap();
        assert!(read_back(&open(&store), report.snapshot).unwrap() == whole.newest.contents());
    }
}

#[test]
fn a_flipped_bit_anywhere_in_config_is_noticed() {
    let whole = Whole::new(small_store());
    let length = kloset_connector::Storage::read_config(&whole.store).unwrap().len();
    for at in 0..length {
        for bit in [0, 3, 7] {
            let store = whole.store.copy();
            store.edit_config(|config| config[at] ^= 1 << bit);
            assert!(try_open(store).is_err(), "byte {at} of {length}, bit {bit}");
        }
        let store = whole.store.copy();
        store.edit_config(|config| config.truncate(at));
        assert!(try_open(store).is_err(), "cut to {at} of {length} bytes");
    }
    let store = whole.store.copy();
    store.remove_config();
    assert!(matches!(try_open(store), Err(kloset::OpenError::NotAStore)));
}

#[test]
fn a_damaged_config_of_an_encrypted_store_is_noticed() {
    let whole = Whole::new(small_encrypted_store());
    let length = kloset_connector::Storage::read_config(&whole.store).unwrap().len();
    for at in positions(length, 60, 1) {
        let store = whole.store.copy();
        store.edit_config(|config| config[at] ^= 0x20);
        // A damaged cost of the key derivation may turn into an honest, but expensive one.
        assert!(try_open(store).is_err(), "byte {at} of {length}");
    }
}

#[test]
fn damaged_locks_do_not_hinder_reading() {
    let whole = Whole::new(small_store());
    for body in [&b""[..], b"rubbish", &[0; 4096]] {
        let store = whole.store.copy();
        store.place(StoreFile::Lock, [3; 32], body.to_vec());
        assert_eq!(whole.assert_honest(&store, "a damaged lock"), 0);
        let error = try_backup(store.clone(), &whole.newest).expect_err("it may be exclusive");
        assert!(error.to_string().contains("lock 0303"), "{error}");
        assert_eq!(store.names(StoreFile::Lock), [[3; 32]]);
    }
}

#[test]
fn rubbish_among_the_files_changes_nothing() {
    let whole = Whole::new(small_store());
    let store = whole.store.copy();
    store.place(StoreFile::Packfile, [1; 32], b"rubbish".to_vec());
    assert_eq!(whole.assert_honest(&store, "rubbish among the packfiles"), 0);
    backup_with(&open(&store), &whole.newest).unwrap();
}
