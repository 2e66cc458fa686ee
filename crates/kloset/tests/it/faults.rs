//! Fault sweep: one fault at each call of a small backup, once and lasting, for each kind of fault.
//!
//! After each run, either the backup said that it succeeded and a fresh client reads the snapshot
//! exactly, or it failed, nothing else changed, and the next run succeeds.

use std::sync::Arc;
use std::time::Duration;

use kloset::backup::BackupReport;
use kloset::maintenance::{MaintenanceOptions, maintain};
use kloset::remove::remove;
use kloset::repository::OpenOptions;
use kloset::{Error, OpenError, SilentMonitor};
use kloset_connector::layer::RetriedStorage;
use kloset_connector::{ConnectorContext, ErrorKind, RetryPolicy, StoreFile};
use kloset_format::{SnapshotId, StateId};
use testkit::{Call, Fault, FaultyStore, Lasting, MemoryStore, MemoryTree, Operation, Script};

use crate::fixtures::store::Heard;
use crate::rig::{
    Contents, Numbers, assert_whole, backed_up, backup_with, changed, listed, locks, open, open_with,
    read_back, runtime, small_store, small_tree, try_backup, try_open,
};

/// A store with one snapshot, and the tree that is to become the second one.
pub struct Situation {
    pub store: MemoryStore,
    pub first: SnapshotId,
    pub old: MemoryTree,
    pub new: MemoryTree,
}

impl Situation {
    pub fn new() -> Self {
        let store = small_store();
        let old = small_tree();
        let first = backed_up(&store, &old);
        let new = changed(&old);
        Self { store, first, old, new }
    }

    /// Calls of a backup without faults.
    pub fn calls(&self) -> Vec<Call> {
        let faulty = FaultyStore::new(self.store.copy(), Script::Clean, 0);
        try_backup(faulty.clone(), &self.new).unwrap();
        faulty.calls()
    }

    /// The first snapshot is whole, and so is every new one; the next run succeeds.
    pub fn assert_unharmed(&self, store: &MemoryStore, when: &str) {
        assert_whole(store, self.first, &self.old, when);
        for id in listed(store) {
            if id != self.first {
                assert_whole(store, id, &self.new, when);
            }
        }
        let again = backed_up(store, &self.new);
        assert_whole(store, again, &self.new, when);
    }
}

/// One run of a sweep.
struct Run {
    store: MemoryStore,
    result: Result<BackupReport, Error>,
    /// The call that the fault struck first.
    struck: Option<Call>,
    /// For messages.
    when: String,
}

/// Backs up with the fault at every call that it makes a difference to.
fn sweep(situation: &Situation, fault: Fault, lasting: Lasting) -> Vec<Run> {
    let calls = situation.calls();
    let strikable = (0u64..).zip(&calls).filter(|(_, call)| fault.applies_to(call.operation));
    let run = |(at, _): (u64, &Call)| {
        let store = situation.store.copy();
        let faulty = FaultyStore::new(store.clone(), Script::At { call: at, fault, lasting }, at);
        let result = try_backup(faulty.clone(), &situation.new);
        let struck = faulty.calls().get(at as usize).cloned();
        let name = struck.as_ref().map_or("nothing".to_owned(), Call::to_string);
        let when = format!("{fault:?} {lasting:?} at call {at}, {name}, result {:?}", result.as_ref().err());
        Run { store, result, struck, when }
    };
    strikable.map(run).collect()
}

/// Backs up with the fault at the n-th call of a kind.
fn strike(situation: &Situation, operation: Operation, file: StoreFile, nth: u64, fault: Fault) -> Run {
    let store = situation.store.copy();
    let script = Script::OnNth { operation, file, nth, fault };
    let faulty = FaultyStore::new(store.clone(), script, nth);
    let result = try_backup(faulty.clone(), &situation.new);
    assert_eq!(faulty.faults(), 1, "{script:?}");
    let when = format!("{script:?}, result {:?}", result.as_ref().err());
    Run { store, result, struck: Some(Call::new(operation, Some(file), None)), when }
}

impl Run {
    fn struck(&self, operation: Operation, file: StoreFile) -> bool {
        self.struck.as_ref().is_some_and(|call| call.operation == operation && call.file == Some(file))
    }

    /// The promises that hold whatever went wrong.
    fn assert_promises(&self, situation: &Situation) {
        let when = &self.when;
        let ids = listed(&self.store);
        assert!(ids.contains(&situation.first), "{when}: the first snapshot is gone");
        match &self.result {
            Ok(report) => {
                assert_eq!(report.errors, 0, "{when}");
                assert!(ids.contains(&report.snapshot), "{when}: reported, but not listed");
                assert_eq!(ids.len(), 2, "{when}");
            }
            // Whether a state arrived cannot be known once the store stops answering: then a
            // snapshot may be there although the backup had to say that it failed.
            Err(error) if is_in_doubt(error) => {}
            Err(_) => assert_eq!(ids, [situation.first], "{when}: failed, but a snapshot is listed"),
        }
        situation.assert_unharmed(&self.store, when);
    }

    /// The error is the one that the test made, not a consequence of it.
    fn assert_error_names_the_cause(&self) {
        if let Err(error) = &self.result {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(inner) = source {
                text = format!("{text}: {inner}");
                source = inner.source();
            }
            assert!(text.contains("the test"), "{}: {text}", self.when);
        }
    }
}

/// Whether the error says that the work may have been done all the same.
fn is_in_doubt(error: &Error) -> bool {
    let Error::Storage(error) = error else { return false };
    error.hint.as_ref().is_some_and(|hint| hint.contains("list the snapshots"))
}

#[test]
fn an_error_at_any_call_loses_nothing() {
    let situation = Situation::new();
    for kind in [ErrorKind::Permission, ErrorKind::NoSpace, ErrorKind::Other] {
        for lasting in [Lasting::Once, Lasting::SameOperation, Lasting::Everything] {
            for run in sweep(&situation, Fault::Fail(kind), lasting) {
                run.assert_promises(&situation);
                run.assert_error_names_the_cause();
                let cannot_delete =
                    lasting == Lasting::Everything || run.struck(Operation::Delete, StoreFile::Lock);
                assert!(cannot_delete || locks(&run.store) == 0, "{}: a lock is left", run.when);
            }
        }
    }
}

#[test]
fn a_lost_connection_at_any_call_loses_nothing() {
    let situation = Situation::new();
    for lasting in [Lasting::Once, Lasting::Everything] {
        for run in sweep(&situation, Fault::Fail(ErrorKind::Transient), lasting) {
            run.assert_promises(&situation);
            run.assert_error_names_the_cause();
            // Without patience the store counts as lost, and its lock is left to become stale.
            assert!(locks(&run.store) <= 1, "{}", run.when);
        }
    }
}

#[test]
fn a_write_that_took_effect_although_it_was_reported_as_failed_loses_nothing() {
    let situation = Situation::new();
    for kind in [ErrorKind::Transient, ErrorKind::Permission] {
        for lasting in [Lasting::Once, Lasting::SameOperation] {
            for run in sweep(&situation, Fault::FailAfterwards(kind), lasting) {
                run.assert_promises(&situation);
                run.assert_error_names_the_cause();
            }
        }
    }
}

#[test]
fn a_state_that_arrived_although_its_write_was_reported_as_failed_is_a_success() {
    let situation = Situation::new();
    let fault = Fault::FailAfterwards(ErrorKind::Other);
    let run = strike(&situation, Operation::Put, StoreFile::State, 0, fault);
    assert!(run.result.is_ok(), "{}", run.when);
}

#[test]
fn a_failed_write_of_the_lock_leaves_no_lock() {
    let situation = Situation::new();
    let fault = Fault::FailAfterwards(ErrorKind::Other);
    let run = strike(&situation, Operation::Put, StoreFile::Lock, 0, fault);
    assert!(run.result.is_err());
    assert_eq!(locks(&run.store), 0);
}

#[test]
fn damaged_reads_at_any_call_lose_nothing() {
    let situation = Situation::new();
    for fault in [Fault::Truncate, Fault::FlipBit, Fault::Vanish] {
        for lasting in [Lasting::Once, Lasting::SameOperation, Lasting::Everything] {
            for run in sweep(&situation, fault, lasting) {
                run.assert_promises(&situation);
                assert!(lasting == Lasting::Everything || locks(&run.store) == 0, "{}", run.when);
            }
        }
    }
}

#[test]
fn stale_listings_at_any_call_lose_nothing() {
    let situation = Situation::new();
    for lasting in [Lasting::Once, Lasting::SameOperation] {
        for run in sweep(&situation, Fault::StaleListing, lasting) {
            run.assert_promises(&situation);
        }
    }
}

#[test]
fn packfiles_that_the_last_listing_lacks_are_not_published() {
    let situation = Situation::new();
    let last = strike(&situation, Operation::List, StoreFile::Packfile, 1, Fault::StaleListing);
    assert!(matches!(last.result, Err(Error::PackfileVanished(_))), "{}", last.when);
    assert_eq!(last.store.names(StoreFile::State), situation.store.names(StoreFile::State));
    assert_eq!(locks(&last.store), 0);
}

#[test]
fn a_state_that_the_store_keeps_wrongly_is_taken_back() {
    let situation = Situation::new();
    let run = strike(&situation, Operation::Put, StoreFile::State, 0, Fault::FlipWrittenBit);
    assert!(run.result.is_err(), "{}", run.when);
    run.assert_promises(&situation);
}

#[test]
fn a_lock_that_the_store_keeps_wrongly_binds_until_it_is_stale() {
    let situation = Situation::new();
    let store = situation.store.copy();
    store.place(StoreFile::Lock, [9; 32], vec![0; 40]);
    assert!(try_backup(store.clone(), &situation.new).is_err());
    assert_eq!(locks(&store), 1);
    store.advance(Duration::from_secs(11 * 60));
    situation.assert_unharmed(&store, "a damaged lock that is stale");
    assert_eq!(locks(&store), 0);
}

#[test]
fn a_backup_that_failed_is_not_uploaded_again() {
    let situation = Situation::new();
    let whole = try_backup(situation.store.copy(), &situation.new).unwrap().written_bytes;
    let is_upload = |call: &&Call| call.operation == Operation::Put && call.file == Some(StoreFile::Packfile);
    let uploads = situation.calls().iter().filter(is_upload).count() as u64;
    assert!(uploads >= 3, "{uploads} packfiles");
    for nth in 1..uploads {
        let fault = Fault::Fail(ErrorKind::Other);
        let Run { store, result, .. } = strike(&situation, Operation::Put, StoreFile::Packfile, nth, fault);
        assert!(result.is_err());
        assert_eq!(listed(&store), [situation.first]);
        let again = try_backup(store.clone(), &situation.new).unwrap();
        assert!(again.written_bytes < whole, "upload {nth}: {} of {whole} bytes", again.written_bytes);
        assert_whole(&store, again.snapshot, &situation.new, "the second run");
    }
}

#[test]
fn the_first_error_of_many_threads_is_the_one_that_is_reported() {
    let situation = Situation::new();
    let store = situation.store.copy().with_puts_at_once(4);
    let mut failures = 0;
    for seed in 0..60 {
        let mut new = situation.new.clone();
        let mut numbers = Numbers::new(seed);
        for at in 0..8 {
            new.write(&format!("more/{at}"), numbers.bytes(60_000));
        }
        let fault = Fault::Fail(ErrorKind::NoSpace);
        let script = Script::At { call: 6 + seed % 12, fault, lasting: Lasting::SameOperation };
        let options = OpenOptions::new(runtime(4), Arc::new(SilentMonitor));
        let repository = open_with(FaultyStore::new(store.copy(), script, seed), options).unwrap();
        match backup_with(&repository, &new) {
            Err(Error::Storage(error)) => {
                assert_eq!(error.kind, ErrorKind::NoSpace, "seed {seed}: {error}");
                failures += 1;
            }
            Err(error) => panic!("seed {seed}: {error}"),
            Ok(_) => {}
        }
    }
    assert!(failures > 20, "{failures} failures");
}

/// Patience that does not slow the tests down.
fn patient(give_up_after: Duration) -> ConnectorContext {
    let (first_wait, longest_wait) = (Duration::from_micros(200), Duration::from_millis(1));
    let retry = RetryPolicy { give_up_after, first_wait, longest_wait, ..RetryPolicy::default() };
    ConnectorContext { retry, ..ConnectorContext::silent("/".into()) }
}

#[test]
fn transient_faults_are_survived_by_trying_again() {
    let situation = Situation::new();
    let calls = situation.calls().len() as u64;
    let kind = ErrorKind::Transient;
    for fault in [Fault::Fail(kind), Fault::FailAfterwards(kind), Fault::FailOneRange(kind)] {
        for call in 0..calls {
            let script = Script::At { call, fault, lasting: Lasting::Once };
            let store = situation.store.copy();
            let faulty = FaultyStore::new(store.clone(), script, call);
            let retried = RetriedStorage::new(faulty, patient(Duration::from_secs(30)));
            let when = format!("{fault:?} at call {call}");
            match try_backup(retried, &situation.new) {
                Ok(report) => assert_whole(&store, report.snapshot, &situation.new, &when),
                Err(error) => panic!("{when}: {error}"),
            }
            assert_eq!(locks(&store), 0, "{when}");
        }
    }
}

#[test]
fn a_bad_line_slows_a_backup_down_and_nothing_else() {
    let situation = Situation::new();
    for seed in 0..20 {
        let script = Script::Sometimes { seed, one_in: 3, kind: ErrorKind::Transient };
        let store = situation.store.copy();
        let faulty = FaultyStore::new(store.clone(), script, seed);
        let retried = RetriedStorage::new(faulty.clone(), patient(Duration::from_secs(30)));
        let report = try_backup(retried, &situation.new).unwrap();
        assert!(faulty.faults() > 0);
        assert_whole(&store, report.snapshot, &situation.new, &format!("seed {seed}"));
        assert_eq!(locks(&store), 0);
    }
}

#[test]
fn patience_with_a_lost_store_ends_once() {
    let situation = Situation::new();
    for call in 0..situation.calls().len() as u64 {
        let fault = Fault::Fail(ErrorKind::Transient);
        let script = Script::At { call, fault, lasting: Lasting::Everything };
        let store = situation.store.copy();
        let patience = Duration::from_millis(400);
        let retried = RetriedStorage::new(FaultyStore::new(store.clone(), script, 0), patient(patience));
        let started = std::time::Instant::now();
        let _ = try_backup(retried, &situation.new);
        assert!(started.elapsed() < patience + Duration::from_millis(350), "call {call}");
        situation.assert_unharmed(&store, &format!("lost at call {call}"));
    }
}

#[test]
fn reading_under_faults_gives_the_right_bytes_or_an_error() {
    let situation = Situation::new();
    let clean = FaultyStore::new(situation.store.clone(), Script::Clean, 0);
    let read = |storage: FaultyStore<MemoryStore>| -> Result<Contents, Error> {
        read_back(&try_open(storage)?, situation.first)
    };
    assert!(read(clean.clone()).unwrap() == situation.old.contents());
    for (call, clean) in (0u64..).zip(clean.calls()) {
        for fault in [
            Fault::Fail(ErrorKind::Permission),
            Fault::FailOneRange(ErrorKind::Permission),
            Fault::Truncate,
            Fault::FlipBit,
            Fault::Vanish,
            Fault::StaleListing,
        ] {
            for lasting in [Lasting::Once, Lasting::SameOperation, Lasting::Everything] {
                let script = Script::At { call, fault, lasting };
                let faulty = FaultyStore::new(situation.store.clone(), script, call);
                let when = format!("{fault:?} {lasting:?} at call {call}, {clean}");
                let struck_ranges = clean.operation == Operation::GetRanges;
                match read(faulty) {
                    Ok(contents) => assert!(contents == situation.old.contents(), "{when}"),
                    Err(error) => {
                        let healed = struck_ranges
                            && lasting == Lasting::Once
                            && matches!(fault, Fault::Truncate | Fault::FlipBit);
                        assert!(!healed, "{when}: not fetched again: {error}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_failed_removal_removes_nothing_and_can_be_repeated() {
    let situation = Situation::new();
    let second = backed_up(&situation.store, &situation.new);
    let remove_on = |storage: FaultyStore<MemoryStore>| -> Result<(), Error> {
        let repository = try_open(storage)?;
        remove(&repository, &[situation.first])
    };
    let clean = FaultyStore::new(situation.store.copy(), Script::Clean, 0);
    remove_on(clean.clone()).unwrap();
    for call in 0..clean.calls().len() as u64 {
        for fault in [
            Fault::Fail(ErrorKind::Permission),
            Fault::FailAfterwards(ErrorKind::Other),
            Fault::Truncate,
            Fault::FlipBit,
            Fault::FlipWrittenBit,
            Fault::CrashBefore,
            Fault::CrashAfter,
        ] {
            let store = situation.store.copy();
            let script = Script::At { call, fault, lasting: Lasting::Once };
            let result = remove_on(FaultyStore::new(store.clone(), script, call));
            let when = format!("{fault:?} at call {call}");
            assert_whole(&store, second, &situation.new, &when);
            assert!(result.is_err() || listed(&store) == [second], "{when}");
            remove(&open(&store), &[situation.first]).unwrap();
            assert_eq!(listed(&store), [second], "{when}");
        }
    }
}

#[test]
fn an_unfinished_run_says_what_it_leaves() {
    let situation = Situation::new();
    let is_upload = |call: &&Call| call.operation == Operation::Put && call.file == Some(StoreFile::Packfile);
    let last = situation.calls().iter().filter(is_upload).count() as u64 - 1;
    let fault = Fault::Fail(ErrorKind::Permission);
    let script = Script::OnNth { operation: Operation::Put, file: StoreFile::Packfile, nth: last, fault };
    let heard = Arc::new(Heard::default());
    let options = OpenOptions::new(runtime(1), Arc::<Heard>::clone(&heard) as _);
    let repository = open_with(FaultyStore::new(situation.store.copy(), script, 1), options).unwrap();
    backup_with(&repository, &situation.new).expect_err("an upload failed");
    let recorded = heard.recorded.lock().unwrap().clone();
    assert!(matches!(recorded.as_slice(), [one] if one.blobs > 0 && one.bytes > 0), "{recorded:?}");
}

#[test]
fn a_state_that_was_never_finished_is_left_out_and_told_of() {
    let headless = |body: &mut Vec<u8>| body[..16].fill(0);
    type Cut<'a> = &'a dyn Fn(&mut Vec<u8>);
    let cuts: [Cut<'_>; 3] = [&|body| body.clear(), &headless, &|body| {
        headless(body);
        body.truncate(body.len() / 2);
    }];
    for (number, cut) in cuts.into_iter().enumerate() {
        let situation = Situation::new();
        let store = situation.store.copy();
        let second = backed_up(&store, &situation.new);
        let is_new = |name: &[u8; 32]| !situation.store.names(StoreFile::State).contains(name);
        let state = store.names(StoreFile::State).into_iter().find(is_new).expect("a state");
        store.edit(StoreFile::State, &state, cut);
        let heard = Arc::new(Heard::default());
        let options = OpenOptions::new(runtime(1), Arc::<Heard>::clone(&heard) as _);
        let repository = open_with(store.clone(), options).expect("it opens");
        let warnings = heard.warnings.lock().unwrap().join("\n");
        assert!(
            warnings.contains(&StateId(state).to_string()) && warnings.contains("never finished"),
            "{warnings}"
        );
        assert_eq!(repository.snapshots(), [situation.first], "cut {number}");
        situation.assert_unharmed(&store, &format!("cut {number}"));
        let options = MaintenanceOptions { grace: Duration::ZERO, ..MaintenanceOptions::default() };
        match maintain(&open(&store), &options, &SilentMonitor) {
            Err(Error::Open(OpenError::UnfinishedState { state: named })) => assert_eq!(named.0, state),
            other => panic!("maintenance must know every state: {other:?}"),
        }
        assert!(!listed(&store).contains(&second));
    }
}

#[test]
fn a_store_with_an_unreadable_state_does_not_open() {
    let situation = Situation::new();
    let backup_of_second = backed_up(&situation.store, &situation.new);
    assert_ne!(backup_of_second, situation.first);
    let state = situation.store.names(StoreFile::State)[Numbers::new(3).below(2)];
    situation.store.edit(StoreFile::State, &state, |body| body.truncate(body.len() / 2));
    match try_open(situation.store.clone()) {
        Err(OpenError::DamagedState { state: named, .. }) => assert_eq!(named.0, state),
        other => panic!("{:?}", other.err()),
    }
}
