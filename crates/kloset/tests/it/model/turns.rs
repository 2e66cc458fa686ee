//! Two clients at work at the same time, one of them at a time: the seed decides where each waits for
//! the other.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use kloset_connector::{ConnectorError, Listed, PutMode, RangeRequest, Storage, StorageInfo, StoreFile};
use testkit::{MemoryStore, Operation};

use crate::rig::Numbers;

/// Calls before which a client may wait: their number does not depend on its threads.
const CALLS: [(Operation, StoreFile, usize); 7] = [
    (Operation::Put, StoreFile::Packfile, 4),
    (Operation::Put, StoreFile::State, 1),
    (Operation::Get, StoreFile::State, 1),
    (Operation::List, StoreFile::State, 3),
    (Operation::List, StoreFile::Packfile, 2),
    (Operation::List, StoreFile::Lock, 1),
    (Operation::Delete, StoreFile::Lock, 1),
];

/// Where the one client waits until the other one waits or is done, and where the other one waits until
/// the first one is done.
#[derive(Debug)]
pub struct Turns {
    waits: [(Operation, StoreFile, u64); 2],
    /// For the other one to begin, for the one to go on, for the other one to go on.
    signals: [(Sender<()>, Receiver<()>); 3],
}

impl Turns {
    pub fn new(numbers: &mut Numbers) -> Self {
        let waits = [(); 2].map(|()| {
            let (operation, file, most) = CALLS[numbers.below(CALLS.len())];
            (operation, file, numbers.below(most) as u64)
        });
        Self { waits, signals: [(); 3].map(|()| bounded(2)) }
    }

    /// What the first (0) or the second (1) client opens.
    pub fn of(&self, who: usize, store: MemoryStore) -> WaitingStore {
        let (operation, file, nth) = self.waits[who];
        let (tell, wait) = (self.signals[who].0.clone(), self.signals[who + 1].1.clone());
        WaitingStore { store, operation, file, left: AtomicU64::new(nth), tell, wait }
    }

    /// Lets both work.
    pub fn take<T: Send>(&self, one: impl FnOnce() -> T, two: impl FnOnce() -> T + Send) -> (T, T) {
        let [begin, go_on, end] = &self.signals;
        std::thread::scope(|scope| {
            let two = scope.spawn(move || {
                begin.1.recv().unwrap();
                let result = two();
                go_on.0.send(()).unwrap();
                result
            });
            let one = one();
            begin.0.send(()).unwrap();
            end.0.send(()).unwrap();
            (one, two.join().unwrap())
        })
    }
}

/// A store whose client waits once.
pub struct WaitingStore {
    store: MemoryStore,
    operation: Operation,
    file: StoreFile,
    left: AtomicU64,
    tell: Sender<()>,
    wait: Receiver<()>,
}

impl WaitingStore {
    fn before(&self, operation: Operation, file: StoreFile) {
        if (operation, file) == (self.operation, self.file) && self.left.fetch_sub(1, Ordering::Relaxed) == 0
        {
            self.tell.send(()).unwrap();
            self.wait.recv().unwrap();
        }
    }
}

impl Storage for WaitingStore {
    fn info(&self) -> StorageInfo {
        self.store.info()
    }

    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        self.store.create(config)
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        self.store.read_config()
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        self.before(Operation::List, file);
        self.store.list(file)
    }

    fn put(
        &self,
        file: StoreFile,
        name: &[u8; 32],
        body: Bytes,
        mode: PutMode,
    ) -> Result<(), ConnectorError> {
        self.before(Operation::Put, file);
        self.store.put(file, name, body, mode)
    }

    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        self.before(Operation::Get, file);
        self.store.get(file, name)
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        self.store.get_ranges(requests, deliver);
    }

    fn delete(&self, file: StoreFile, name: &[u8; 32]) -> Result<(), ConnectorError> {
        self.before(Operation::Delete, file);
        self.store.delete(file, name)
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        self.store.ping(report);
    }
}
