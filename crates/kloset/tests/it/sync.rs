//! Snapshots copied between stores that cut alike or not, whole or not at all.

use std::sync::Arc;

use kloset::check::{CheckOptions, check};
use kloset::sync::{Removed, SyncReport, SyncStep, sync};
use kloset::{BlobId, Error, Repository, SilentMonitor, Snapshot};
use kloset_connector::StoreFile;
use kloset_format::{Mac, ResourceType, SnapshotId};
use testkit::{Fault, FaultyStore, Lasting, MemoryStore, Script};

use crate::rig::{
    assert_whole, backed_up, changed, listed, locks, open, other_store, read_back, small_encrypted_store,
    small_store, small_tree, try_open,
};

fn copy(source: &Arc<Repository>, target: &Arc<Repository>) -> Result<SyncReport, Error> {
    copy_some(source, target, &source.snapshots(), Removed::Skip, &mut Vec::new())
}

fn copy_some(
    source: &Arc<Repository>,
    target: &Arc<Repository>,
    ids: &[SnapshotId],
    removed: Removed,
    failures: &mut Vec<(SnapshotId, String)>,
) -> Result<SyncReport, Error> {
    sync(source, target, ids, removed, &SilentMonitor, &mut |step| {
        if let SyncStep::Failed(id, error) = step {
            failures.push((id, error.to_string()));
        }
    })
}

fn assert_clean(store: &MemoryStore) {
    let repository = open(store);
    let targets: Vec<_> = repository.snapshots().into_iter().map(|id| (id, b"/".to_vec())).collect();
    let mut errors = 0;
    check(&repository, &targets, CheckOptions::default(), &SilentMonitor, &mut |one| errors += one.errors)
        .unwrap();
    assert_eq!(errors, 0);
}

#[test]
fn copies_are_whole_and_keep_identity_whatever_the_cuts() {
    let tree = small_tree();
    let next = changed(&tree);
    for source in [small_store(), small_encrypted_store()] {
        let first = backed_up(&source, &tree);
        let second = backed_up(&source, &next);
        for chunk_min in [4 << 10, 1 << 10, 64 << 10] {
            let target = other_store(chunk_min);
            let report = copy(&open(&source), &open(&target)).unwrap();
            assert_eq!((report.copied, report.failed, report.present), (2, 0, 0));
            assert_whole(&target, first, &tree, "the first copy");
            assert_whole(&target, second, &next, "the second copy");
            assert_clean(&target);
            assert_eq!(locks(&target), 0);
            let (ours, theirs) = (open(&source), open(&target));
            let before = Snapshot::open(&ours, first).unwrap();
            let after = Snapshot::open(&theirs, first).unwrap();
            let (before, after) = (before.header(), after.header());
            assert_eq!((before.timestamp, &before.name), (after.timestamp, &after.name));
            assert_eq!((&before.context, &before.tags), (&after.context, &after.tags));
            let (before, after) = (before.source().unwrap(), after.source().unwrap());
            assert_eq!(before.importer, after.importer);
            let (mut old, mut new) = (before.summary.clone(), after.summary.clone());
            if chunk_min != 4 << 10 {
                for counters in [&mut old.directory, &mut old.below, &mut new.directory, &mut new.below] {
                    (counters.chunks, counters.hi_entropy, counters.lo_entropy) = (0, 0, 0);
                    (counters.min_entropy, counters.max_entropy) = (0.0, 0.0);
                    (counters.sum_entropy, counters.avg_entropy) = (0.0, 0.0);
                }
            }
            assert_eq!(old, new);
        }
    }
}

#[test]
fn a_copy_back_into_the_first_store_finds_everything_there() {
    let (source, target) = (small_store(), other_store(4 << 10));
    let id = backed_up(&source, &small_tree());
    copy(&open(&source), &open(&target)).unwrap();
    let report = copy(&open(&target), &open(&source)).unwrap();
    assert_eq!((report.copied, report.present), (0, 1));
    let again = copy(&open(&source), &open(&target)).unwrap();
    assert_eq!((again.copied, again.present, again.written_bytes), (0, 1, 0));
    assert_eq!(listed(&target), [id]);
}

#[test]
fn a_store_is_not_synchronized_with_itself() {
    let store = small_store();
    backed_up(&store, &small_tree());
    assert!(matches!(copy(&open(&store), &open(&store)), Err(Error::SameStore)));
}

#[test]
fn a_damaged_snapshot_is_not_copied_and_the_others_are() {
    let (source, target) = (small_store(), other_store(4 << 10));
    let tree = small_tree();
    let whole = backed_up(&source, &tree);
    let before = source.names(StoreFile::Packfile);
    let damaged = backed_up(&source, &changed(&tree));
    let added = source.names(StoreFile::Packfile).into_iter().find(|name| !before.contains(name)).unwrap();
    source.edit(StoreFile::Packfile, &added, |body| body[9000..].iter_mut().for_each(|byte| *byte ^= 1));
    let mut failures = Vec::new();
    let (from, to) = (open(&source), open(&target));
    let report = copy_some(&from, &to, &[damaged, whole], Removed::Skip, &mut failures).unwrap();
    assert_eq!((report.copied, report.failed), (1, 1));
    assert_eq!(failures.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [damaged]);
    assert_eq!(listed(&target), [whole]);
    assert_whole(&target, whole, &tree, "beside a damaged one");
    assert_clean(&target);
}

#[test]
fn a_removed_snapshot_stays_removed_unless_it_is_wanted() {
    let (source, target) = (small_store(), other_store(4 << 10));
    let tree = small_tree();
    let id = backed_up(&source, &tree);
    copy(&open(&source), &open(&target)).unwrap();
    kloset::remove::remove(&open(&target), &[id]).unwrap();
    let report = copy(&open(&source), &open(&target)).unwrap();
    assert_eq!((report.copied, report.stay_removed), (0, 1));
    assert!(listed(&target).is_empty());
    let (from, to) = (open(&source), open(&target));
    let report = copy_some(&from, &to, &[id], Removed::BringBack, &mut Vec::new()).unwrap();
    assert_eq!(report.copied, 1);
    assert_whole(&target, id, &tree, "brought back");
    assert_clean(&target);
}

#[test]
fn a_source_lost_on_the_way_leaves_whole_snapshots_and_the_next_run_goes_on() {
    let source = small_store();
    let tree = small_tree();
    let (first, second) = (backed_up(&source, &tree), backed_up(&source, &changed(&tree)));
    let clean = FaultyStore::new(source.copy(), Script::Clean, 0);
    copy(&try_open(clean.clone()).unwrap(), &open(&other_store(4 << 10))).unwrap();
    for call in 0..clean.calls().len() as u64 {
        let target = other_store(4 << 10);
        let fault = Fault::Fail(kloset_connector::ErrorKind::Unreachable);
        let script = Script::At { call, fault, lasting: Lasting::Everything };
        let Ok(faulty) = try_open(FaultyStore::new(source.copy(), script, call)) else { continue };
        let outcome = copy(&faulty, &open(&target));
        assert!(outcome.is_err(), "call {call}");
        assert_eq!(locks(&target), 0, "call {call}");
        for id in listed(&target) {
            let wanted = if id == first { tree.clone() } else { changed(&tree) };
            assert_whole(&target, id, &wanted, &format!("lost at call {call}"));
        }
        copy(&open(&source), &open(&target)).unwrap();
        assert_whole(&target, second, &changed(&tree), &format!("after call {call}"));
        assert_eq!(listed(&target).len(), 2);
    }
}

#[test]
fn a_fault_of_the_target_never_shows_a_part() {
    let source = small_store();
    let tree = small_tree();
    let id = backed_up(&source, &tree);
    let clean = FaultyStore::new(other_store(4 << 10), Script::Clean, 0);
    copy(&open(&source), &try_open(clean.clone()).unwrap()).unwrap();
    for kind in [kloset_connector::ErrorKind::NoSpace, kloset_connector::ErrorKind::Transient] {
        for lasting in [Lasting::Once, Lasting::Everything] {
            for call in 0..clean.calls().len() as u64 {
                let target = other_store(4 << 10);
                let script = Script::At { call, fault: Fault::Fail(kind), lasting };
                let Ok(faulty) = try_open(FaultyStore::new(target.clone(), script, call)) else { continue };
                let outcome = copy(&open(&source), &faulty);
                if outcome.is_ok() {
                    assert_eq!(listed(&target), [id], "call {call}");
                }
                for id in listed(&target) {
                    assert_whole(&target, id, &tree, &format!("{kind:?} at call {call}"));
                }
                target.advance(std::time::Duration::from_secs(11 * 60));
                copy(&open(&source), &open(&target)).unwrap();
                assert_whole(&target, id, &tree, "the next run");
            }
        }
    }
}

#[test]
fn blobs_have_other_names_in_the_copy() {
    let (source, target) = (small_store(), other_store(4 << 10));
    let id = backed_up(&source, &small_tree());
    copy(&open(&source), &open(&target)).unwrap();
    let (from, to) = (open(&source), open(&target));
    let root = |repository: &Arc<Repository>| {
        Snapshot::open(repository, id).unwrap().header().source().unwrap().roots.root
    };
    assert_ne!(root(&from), root(&to));
    let foreign = BlobId::new(ResourceType::VFS_BTREE, root(&from));
    assert!(to.locate(foreign).is_none());
    assert!(to.locate(BlobId::new(ResourceType::SNAPSHOT, Mac(id.0))).is_some());
    assert_eq!(read_back(&from, id).unwrap(), read_back(&to, id).unwrap());
}
