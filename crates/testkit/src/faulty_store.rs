//! A store that misbehaves as a script says.
//!
//! Calls are numbered from 0 as they begin. Before each call the script is asked; it knows nothing
//! but the number and the call, and what it damages is chosen by a seed, so that a run can be
//! repeated. An empty batch of ranges is no call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use kloset_connector::{
    ConnectorError, ErrorKind, Listed, PutMode, RangeRequest, Storage, StorageInfo, StoreFile,
};

use crate::recording_store::{Call, Operation};

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The call does nothing and fails.
    Fail(ErrorKind),
    /// The call takes effect and is reported as failed; a read delivers nothing.
    FailAfterwards(ErrorKind),
    /// One range of a batch fails, the others arrive.
    FailOneRange(ErrorKind),
    /// Half of the bytes come, as if that were all.
    Truncate,
    /// One bit of what is read is wrong.
    FlipBit,
    /// One bit of what is written is wrong, and the write succeeds.
    FlipWrittenBit,
    /// The listing is the one from when this store was wrapped.
    StaleListing,
    /// A file is not there: not found, or left out of the listing.
    Vanish,
    /// The process dies before the call takes effect: this and all later calls do nothing.
    CrashBefore,
    /// The process dies after the call has taken effect: all later calls do nothing.
    CrashAfter,
}

impl Fault {
    /// Whether the fault makes a difference to such a call.
    pub fn applies_to(self, operation: Operation) -> bool {
        let reads = matches!(operation, Operation::ReadConfig | Operation::Get | Operation::GetRanges);
        match self {
            Self::Fail(_) | Self::CrashBefore | Self::CrashAfter => true,
            Self::FailAfterwards(_) => {
                matches!(operation, Operation::Create | Operation::Put | Operation::Delete)
            }
            Self::FailOneRange(_) => operation == Operation::GetRanges,
            Self::Truncate | Self::FlipBit => reads,
            Self::FlipWrittenBit => operation == Operation::Put,
            Self::StaleListing => operation == Operation::List,
            Self::Vanish => reads || operation == Operation::List,
        }
    }

    fn is_crash(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter)
    }
}

/// How long a fault lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lasting {
    /// For the one call.
    Once,
    /// For later calls of the same operation too: a full disk, a folder without permission.
    SameOperation,
    /// For every later call: a lost connection.
    Everything,
}

/// Decides for each call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Script {
    /// Nothing goes wrong.
    Clean,
    /// One fault, from one call on.
    At {
        /// Number of the call.
        call: u64,
        /// What goes wrong.
        fault: Fault,
        /// For how long.
        lasting: Lasting,
    },
    /// One fault at the n-th call of a kind, counted from 0: where threads make the number of a call
    /// a matter of chance.
    OnNth {
        /// What is called.
        operation: Operation,
        /// On which folder.
        file: StoreFile,
        /// How many such calls go well before.
        nth: u64,
        /// What goes wrong, once.
        fault: Fault,
    },
    /// One fault at the n-th call of a kind, counted from 0, and at every later one of that kind.
    FromNth {
        /// What is called.
        operation: Operation,
        /// On which folder.
        file: StoreFile,
        /// How many such calls go well before.
        nth: u64,
        /// What goes wrong.
        fault: Fault,
    },
    /// About one call in `one_in` fails with an error of this kind, never two in a row.
    Sometimes {
        /// Chooses the calls.
        seed: u64,
        /// Mean distance.
        one_in: u64,
        /// The error.
        kind: ErrorKind,
    },
}

struct Progress {
    script: Script,
    /// Operation that a fault has struck, and that it goes on striking.
    struck: Option<Operation>,
    crashed: bool,
    calls: Vec<Call>,
    last_failed: bool,
}

/// A store that misbehaves as a script says. Clones share script and count.
#[derive(Clone)]
pub struct FaultyStore<S> {
    inner: S,
    seed: u64,
    progress: Arc<Mutex<Progress>>,
    faults: Arc<AtomicU64>,
    baseline: Arc<[Vec<Listed>; 3]>,
}

impl<S: Storage> FaultyStore<S> {
    /// Wraps `inner`; `seed` chooses which range, byte or file is struck.
    pub fn new(inner: S, script: Script, seed: u64) -> Self {
        let listing = |file| inner.list(file).unwrap_or_default();
        let baseline =
            Arc::new([listing(StoreFile::Packfile), listing(StoreFile::State), listing(StoreFile::Lock)]);
        let progress =
            Progress { script, struck: None, crashed: false, calls: Vec::new(), last_failed: false };
        Self { inner, seed, progress: Arc::new(Mutex::new(progress)), faults: Arc::default(), baseline }
    }

    /// Calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// Calls that went wrong so far.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Whether the process has died.
    pub fn has_crashed(&self) -> bool {
        self.lock().crashed
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Counts a call and says what goes wrong with it.
    fn begin(&self, call: Call) -> Option<Fault> {
        let mut progress = self.lock();
        let number = progress.calls.len() as u64;
        progress.calls.push(call);
        let fault = decide(&mut progress, number);
        if fault.is_some() {
            self.faults.fetch_add(1, Ordering::Relaxed);
        }
        fault
    }

    /// A reproducible number below `bound` (0 if that is 0).
    fn choose(&self, bound: usize) -> usize {
        mix(self.seed).checked_rem(bound as u64).unwrap_or(0) as usize
    }

    /// Runs a call without a result to damage.
    fn change(
        &self,
        call: Call,
        run: impl FnOnce() -> Result<(), ConnectorError>,
    ) -> Result<(), ConnectorError> {
        match self.begin(call) {
            None => run(),
            Some(Fault::FailAfterwards(kind)) => {
                run()?;
                Err(failure(kind, "applied, but reported as failed by the test"))
            }
            Some(Fault::CrashAfter) => {
                run()?;
                Err(dead())
            }
            Some(fault) => Err(refusal(fault)),
        }
    }

    fn damage(&self, fault: Fault, mut bytes: Vec<u8>) -> Result<Vec<u8>, ConnectorError> {
        match fault {
            Fault::Truncate => bytes.truncate(bytes.len() / 2),
            Fault::FlipBit => self.flip(&mut bytes),
            fault => return Err(refusal(fault)),
        }
        Ok(bytes)
    }

    fn flip(&self, bytes: &mut [u8]) {
        let at = self.choose(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << (self.seed % 8);
        }
    }

    fn read(
        &self,
        call: Call,
        read: impl FnOnce() -> Result<Vec<u8>, ConnectorError>,
    ) -> Result<Vec<u8>, ConnectorError> {
        match self.begin(call) {
            None => read(),
            Some(fault) => self.damage(fault, read()?),
        }
    }

    fn baseline(&self, file: StoreFile) -> Vec<Listed> {
        let [packfiles, states, locks] = self.baseline.as_ref();
        match file {
            StoreFile::Packfile => packfiles.clone(),
            StoreFile::State => states.clone(),
            StoreFile::Lock => locks.clone(),
        }
    }
}

/// What goes wrong with the latest call, which is call `number`, by the script.
fn decide(progress: &mut Progress, number: u64) -> Option<Fault> {
    if progress.crashed {
        return Some(Fault::CrashBefore);
    }
    let latest = progress.calls.last()?;
    let (operation, folder) = (latest.operation, latest.file);
    match progress.script {
        Script::Clean => None,
        Script::At { call, fault, lasting } => {
            let strikes = match lasting {
                _ if number == call => true,
                Lasting::Once => false,
                Lasting::SameOperation => progress.struck == Some(operation),
                Lasting::Everything => progress.struck.is_some(),
            };
            if !strikes || !fault.applies_to(operation) {
                return None;
            }
            progress.struck.get_or_insert(operation);
            progress.crashed = fault.is_crash();
            Some(fault)
        }
        Script::OnNth { operation: wanted, file, nth, fault }
        | Script::FromNth { operation: wanted, file, nth, fault } => {
            let same = |call: &Call| call.operation == wanted && call.file == Some(file);
            let count = progress.calls.iter().filter(|call| same(call)).count() as u64;
            let lasts = matches!(progress.script, Script::FromNth { .. });
            let reached = if lasts { count > nth } else { count == nth + 1 };
            if operation != wanted || folder != Some(file) || !reached || !fault.applies_to(operation) {
                return None;
            }
            progress.crashed = fault.is_crash();
            Some(fault)
        }
        Script::Sometimes { seed, one_in, kind } => {
            let strikes = !progress.last_failed && mix(seed ^ number).is_multiple_of(one_in.max(1));
            progress.last_failed = strikes;
            strikes.then_some(Fault::Fail(kind))
        }
    }
}

/// Spreads a small number over 64 bits.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn failure(kind: ErrorKind, message: &str) -> ConnectorError {
    ConnectorError::new(kind, "use", "faulty://store", message)
}

fn dead() -> ConnectorError {
    failure(ErrorKind::Unreachable, "the process is dead")
}

fn refusal(fault: Fault) -> ConnectorError {
    match fault {
        Fault::Fail(kind) | Fault::FailAfterwards(kind) | Fault::FailOneRange(kind) => {
            failure(kind, "failed by the test")
        }
        Fault::Vanish => failure(ErrorKind::NotFound, "no such file, says the test"),
        _ => dead(),
    }
}

impl<S: Storage> Storage for FaultyStore<S> {
    fn info(&self) -> StorageInfo {
        self.inner.info()
    }

    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        self.change(Call::new(Operation::Create, None, None), || self.inner.create(config))
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        self.read(Call::new(Operation::ReadConfig, None, None), || self.inner.read_config())
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        match self.begin(Call::new(Operation::List, Some(file), None)) {
            None => self.inner.list(file),
            Some(Fault::StaleListing) => Ok(self.baseline(file)),
            Some(Fault::Vanish) => {
                let mut listed = self.inner.list(file)?;
                if !listed.is_empty() {
                    listed.remove(self.choose(listed.len()));
                }
                Ok(listed)
            }
            Some(fault) => Err(refusal(fault)),
        }
    }

    fn put(
        &self,
        file: StoreFile,
        name: &[u8; 32],
        body: Bytes,
        mode: PutMode,
    ) -> Result<(), ConnectorError> {
        let call = Call { bytes: body.len() as u64, ..Call::new(Operation::Put, Some(file), Some(*name)) };
        match self.begin(call) {
            None => self.inner.put(file, name, body, mode),
            Some(Fault::FailAfterwards(kind)) => {
                self.inner.put(file, name, body, mode)?;
                Err(failure(kind, "applied, but reported as failed by the test"))
            }
            Some(Fault::FlipWrittenBit) => {
                let mut bytes = body.to_vec();
                self.flip(&mut bytes);
                self.inner.put(file, name, bytes.into(), mode)
            }
            Some(Fault::CrashAfter) => {
                self.inner.put(file, name, body, mode)?;
                Err(dead())
            }
            Some(fault) => Err(refusal(fault)),
        }
    }

    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        self.read(Call::new(Operation::Get, Some(file), Some(*name)), || self.inner.get(file, name))
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        let Some(first) = requests.first() else { return };
        let mut call = Call::new(Operation::GetRanges, Some(first.file), None);
        call.ranges = requests.len();
        let Some(fault) = self.begin(call) else { return self.inner.get_ranges(requests, deliver) };
        // Damage strikes one range, failures of the whole call strike all.
        let all = !matches!(fault, Fault::FailOneRange(_) | Fault::Truncate | Fault::FlipBit | Fault::Vanish);
        let struck = self.choose(requests.len());
        self.inner.get_ranges(requests, &|at, result| {
            if !all && at != struck {
                return deliver(at, result);
            }
            let damaged = result.and_then(|bytes| self.damage(fault, bytes.to_vec()));
            deliver(at, damaged.map(Bytes::from));
        });
    }

    fn delete(&self, file: StoreFile, name: &[u8; 32]) -> Result<(), ConnectorError> {
        self.change(Call::new(Operation::Delete, Some(file), Some(*name)), || self.inner.delete(file, name))
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        self.inner.ping(report);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    fn created() -> MemoryStore {
        let store = MemoryStore::new();
        store.create(b"config").expect("an empty place takes a store");
        store
    }

    fn faulty(call: u64, fault: Fault, lasting: Lasting) -> (MemoryStore, FaultyStore<MemoryStore>) {
        let store = created();
        (store.clone(), FaultyStore::new(store, Script::At { call, fault, lasting }, 3))
    }

    fn put(store: &FaultyStore<MemoryStore>, name: u8) -> Result<(), ConnectorError> {
        store.put(StoreFile::State, &[name; 32], Bytes::from_static(b"body"), PutMode::Immutable)
    }

    #[test]
    fn a_fault_strikes_the_call_that_the_script_names() {
        let (_, store) = faulty(1, Fault::Fail(ErrorKind::NoSpace), Lasting::Once);
        let results: Vec<bool> = (0..3).map(|name| put(&store, name).is_ok()).collect();
        assert_eq!((results, store.faults()), (vec![true, false, true], 1));
    }

    #[test]
    fn a_lasting_fault_strikes_the_operation_or_everything() {
        let (_, store) = faulty(1, Fault::Fail(ErrorKind::NoSpace), Lasting::SameOperation);
        assert!(put(&store, 0).is_ok() && put(&store, 1).is_err() && store.read_config().is_ok());
        assert!(put(&store, 2).is_err());
        let (_, store) = faulty(1, Fault::Fail(ErrorKind::Transient), Lasting::Everything);
        assert!(put(&store, 0).is_ok() && put(&store, 1).is_err() && store.read_config().is_err());
    }

    #[test]
    fn a_fault_strikes_the_nth_call_of_a_kind() {
        let (operation, file) = (Operation::Put, StoreFile::State);
        let script = Script::OnNth { operation, file, nth: 1, fault: Fault::Fail(ErrorKind::Other) };
        let store = FaultyStore::new(created(), script, 0);
        assert!(put(&store, 0).is_ok() && store.read_config().is_ok());
        assert!(put(&store, 1).is_err() && put(&store, 2).is_ok());
        let script = Script::FromNth { operation, file, nth: 1, fault: Fault::Fail(ErrorKind::Other) };
        let store = FaultyStore::new(created(), script, 0);
        assert!(put(&store, 0).is_ok() && put(&store, 1).is_err() && put(&store, 2).is_err());
    }

    #[test]
    fn nothing_reaches_the_store_after_a_crash() {
        for (fault, there) in [(Fault::CrashBefore, 1), (Fault::CrashAfter, 2)] {
            let (inner, store) = faulty(1, fault, Lasting::Once);
            assert!(put(&store, 0).is_ok() && put(&store, 1).is_err() && put(&store, 2).is_err());
            assert_eq!(inner.names(StoreFile::State).len(), there, "{fault:?}");
            assert!(store.has_crashed());
        }
    }

    #[test]
    fn damage_is_the_same_each_time() {
        let (_, store) = faulty(0, Fault::FlipBit, Lasting::Everything);
        let read = store.read_config().expect("damaged, not refused");
        assert_ne!(read, b"config");
        assert_eq!(read, store.read_config().expect("damaged, not refused"));
    }

    #[test]
    fn a_stale_listing_is_the_first_one() {
        let (_, store) = faulty(1, Fault::StaleListing, Lasting::Once);
        put(&store, 0).expect("no fault yet");
        assert_eq!(store.list(StoreFile::State).expect("stale").len(), 0);
        assert_eq!(store.list(StoreFile::State).expect("fresh").len(), 1);
    }
}
