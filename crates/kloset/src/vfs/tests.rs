//! Orders of paths, and what happens when a snapshot has no listings, or damaged ones.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use connector_fs::FsStorage;
use kloset_connector::{ConnectorContext, Location, Options};
use kloset_format::{Mac, ResourceType};
use tempfile::TempDir;

use super::*;
use crate::repository::{LockedStore, OpenOptions};
use crate::{Repository, Runtime, SilentMonitor};

fn plain_store() -> (TempDir, PathBuf, Arc<Repository>) {
    let archive =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/stores/upstream-1.1.4/plain.tar.gz");
    let folder = TempDir::new().unwrap();
    let status = Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(status.success());
    let root = folder.path().join("plain");
    let context = ConnectorContext::silent(root.clone());
    let location = Location::parse(root.to_str().unwrap());
    let storage = Arc::new(FsStorage::new(&location, &Options::new(), &context).unwrap());
    let runtime = Runtime::system(2, "test".to_owned());
    let options = OpenOptions::new(runtime, Arc::new(SilentMonitor));
    let repository = LockedStore::probe(storage, options).unwrap().unlock(None).map_err(|(_, error)| error);
    (folder, root, Arc::new(repository.unwrap()))
}

fn some_snapshot(repository: &Arc<Repository>) -> Snapshot {
    Snapshot::open(repository, repository.snapshots()[0]).unwrap()
}

fn walked(snapshot: &Snapshot) -> Vec<(Vec<u8>, Entry)> {
    let mut all = Vec::new();
    snapshot
        .walk(b"/", &mut |found| {
            all.push((found.path, found.entry));
            Ok(())
        })
        .unwrap();
    all
}

#[test]
fn snapshot_without_indexes_is_read_through_its_file_tree() {
    let (_keep, _, repository) = plain_store();
    let with = some_snapshot(&repository);
    let without = some_snapshot(&repository).without_indexes();
    let paths = walked(&with);
    assert_eq!(walked(&without), paths);
    for (path, entry) in &paths {
        assert_eq!(without.entry(path).unwrap().entry, *entry);
        if entry.info.mode.is_directory() {
            assert_eq!(without.children(path).unwrap(), with.children(path).unwrap());
        }
    }
    assert!(matches!(without.children(b"/srv/data/text.txt"), Err(Error::WrongKind { .. })));
    assert!(matches!(without.entry(b"/srv/data/none"), Err(Error::PathUnknown { .. })));
    assert_eq!(without.resolve(b"/srv/data/link-relative").unwrap().path, b"/srv/data/text.txt");
    let batched = std::cell::RefCell::new(0);
    with.walk_batches(b"/", &mut |batch| {
        *batched.borrow_mut() += batch.len();
        Ok(())
    })
    .unwrap();
    assert_eq!(batched.into_inner(), paths.len());
}

fn flip(root: &Path, repository: &Repository, resource: ResourceType, mac: Mac) {
    let place = repository.locate(BlobId::new(resource, mac)).unwrap();
    let name = place.packfile.to_string();
    let file = root.join("packfiles").join(&name[..2]).join(&name);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[16 + place.offset as usize + place.length as usize / 2] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn damaged_listing_is_replaced_by_the_file_tree() {
    let (_keep, root, repository) = plain_store();
    let snapshot = some_snapshot(&repository);
    let paths = walked(&snapshot);
    let index = snapshot.directory_index(b"/").unwrap().unwrap();
    let many = index.object(index.find(b"/srv/data/many").unwrap()).unwrap();
    flip(&root, &repository, ResourceType::OBJECT, many);
    let damaged = some_snapshot(&repository);
    assert_eq!(walked(&damaged), paths);
    assert!(!damaged.children(b"/srv/data/many").unwrap().is_empty());
    let mut told = Vec::new();
    walk_steps(&damaged, b"/", &mut |step| {
        if let Step::Damaged { path, recovered, .. } = step {
            told.push((path, recovered));
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(told, [(b"/srv/data/many".to_vec(), true)]);
}

#[test]
fn damaged_index_of_listings_is_replaced_by_the_file_tree() {
    let (_keep, root, repository) = plain_store();
    let snapshot = some_snapshot(&repository);
    let paths = walked(&snapshot);
    let index = snapshot.source().indexes.iter().find(|index| index.name == *"dirpack").unwrap().value;
    flip(&root, &repository, ResourceType::BTREE_ROOT, index);
    let damaged = some_snapshot(&repository);
    assert_eq!(walked(&damaged), paths);
    assert!(damaged.entry(b"/srv/data/text.txt").is_ok());
}

#[test]
fn walk_order_puts_children_right_after_their_directory() {
    let mut paths: Vec<&[u8]> = vec![b"/a-b", b"/a/x", b"/", b"/a", b"/b", b"/a/x/y", b"/a.c"];
    paths.sort_by(|a, b| walk_order(a, b));
    assert_eq!(paths, [&b"/"[..], b"/a", b"/a/x", b"/a/x/y", b"/a-b", b"/a.c", b"/b"]);
}

#[test]
fn positions_below_a_directory_are_one_run_in_byte_order() {
    let keys: [&[u8]; 8] = [b"/", b"/A", b"/a", b"/a-b", b"/a/x", b"/a/x/y", b"/a0", b"/b"];
    let positions: Vec<Ordering> = keys.iter().map(|key| position_below(b"/a", key)).collect();
    use Ordering::{Equal, Greater, Less};
    assert_eq!(positions, [Less, Less, Equal, Equal, Equal, Equal, Greater, Greater]);
    assert!(keys.iter().all(|key| position_below(b"/", key) == Equal));
}
