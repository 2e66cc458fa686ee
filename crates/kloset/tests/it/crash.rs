//! Crash points: the process dies before or after each call of a small backup.
//!
//! After each, the store opens, earlier snapshots are whole, and the next run needs no help.

use kloset_connector::StoreFile;
use testkit::{Fault, FaultyStore, Lasting, Operation, Script};

use crate::faults::Situation;
use crate::rig::{listed, locks, small_store, small_tree, try_backup};

#[test]
fn a_crash_at_any_call_loses_nothing() {
    let situation = Situation::new();
    let calls = situation.calls();
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        for (call, clean) in (0u64..).zip(&calls) {
            let store = situation.store.copy();
            let script = Script::At { call, fault, lasting: Lasting::Once };
            let faulty = FaultyStore::new(store.clone(), script, call);
            let result = try_backup(faulty.clone(), &situation.new);
            let when = format!("{fault:?} at call {call}, {clean}");
            // How many reads the comparison with the parent needs is up to two threads: a run may
            // have fewer calls than the counted one.
            assert!(faulty.has_crashed() || result.is_ok(), "{when}");
            if let Ok(report) = result {
                assert!(listed(&store).contains(&report.snapshot), "{when}");
            }
            situation.assert_unharmed(&store, &when);
        }
    }
}

#[test]
fn a_crash_of_the_very_first_backup_leaves_an_empty_store() {
    let (empty, tree) = (small_store(), small_tree());
    let clean = FaultyStore::new(empty.copy(), Script::Clean, 0);
    try_backup(clean.clone(), &tree).unwrap();
    for (call, operation) in (0u64..).zip(clean.calls()) {
        let store = empty.copy();
        let script = Script::At { call, fault: Fault::CrashBefore, lasting: Lasting::Once };
        let _ = try_backup(FaultyStore::new(store.clone(), script, 0), &tree);
        let published = !store.names(StoreFile::State).is_empty();
        assert_eq!(listed(&store).len(), usize::from(published), "call {call}, {operation}");
        let again = try_backup(store.clone(), &tree).unwrap();
        assert!(listed(&store).contains(&again.snapshot));
    }
}

#[test]
fn locks_of_dead_processes_bind_nobody_and_are_swept() {
    let situation = Situation::new();
    let store = situation.store.copy();
    let calls = situation.calls();
    let put = calls.iter().position(|call| call.operation == Operation::Put).unwrap() as u64;
    for fault in [Fault::CrashAfter, Fault::CrashAfter] {
        let script = Script::At { call: put, fault, lasting: Lasting::Once };
        assert!(try_backup(FaultyStore::new(store.clone(), script, 0), &situation.new).is_err());
    }
    assert_eq!(locks(&store), 2);
    situation.assert_unharmed(&store, "two dead locks");
    assert_eq!(locks(&store), 2, "they are young");
    store.advance(std::time::Duration::from_secs(11 * 60));
    situation.assert_unharmed(&store, "two stale locks");
    assert_eq!(locks(&store), 0);
}
