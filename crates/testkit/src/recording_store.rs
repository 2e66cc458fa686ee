//! A store that writes down every call, so that tests can pin the number of round trips.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use kloset_connector::{ConnectorError, Listed, PutMode, RangeRequest, Storage, StorageInfo, StoreFile};

/// What was called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Operation {
    /// [`Storage::create`]
    Create,
    /// [`Storage::read_config`]
    ReadConfig,
    /// [`Storage::list`]
    List,
    /// [`Storage::put`]
    Put,
    /// [`Storage::get`]
    Get,
    /// [`Storage::get_ranges`]
    GetRanges,
    /// [`Storage::delete`]
    Delete,
}

/// One call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// What was called.
    pub operation: Operation,
    /// On which folder; ranges count for the folder of the first one.
    pub file: Option<StoreFile>,
    /// On which file, if it was a single one.
    pub name: Option<[u8; 32]>,
    /// Wanted ranges.
    pub ranges: usize,
    /// Bytes wanted or written; what whole files hold counts too.
    pub bytes: u64,
}

impl Call {
    /// A call that moves nothing.
    pub fn new(operation: Operation, file: Option<StoreFile>, name: Option<[u8; 32]>) -> Self {
        Self { operation, file, name, ranges: 0, bytes: 0 }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.operation {
            Operation::Create => "create",
            Operation::ReadConfig => "read config",
            Operation::List => "list",
            Operation::Put => "put",
            Operation::Get => "get",
            Operation::GetRanges => "ranges of",
            Operation::Delete => "delete",
        };
        match self.file {
            None => f.write_str(name),
            Some(file) => write!(f, "{name} {}", format!("{file:?}").to_lowercase()),
        }
    }
}

/// A store that writes down every call. Clones share the record.
#[derive(Clone)]
pub struct RecordingStore<S> {
    inner: S,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl<S: Storage> RecordingStore<S> {
    /// Wraps `inner`, nothing recorded yet.
    pub fn new(inner: S) -> Self {
        Self { inner, calls: Arc::default() }
    }

    /// Every call since the last [`RecordingStore::reset`], in order of their beginning.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().clone()
    }

    /// Number of calls by what was called on what: `("put packfile", 3)`.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.lock().iter() {
            *counts.entry(call.to_string()).or_default() += 1;
        }
        counts
    }

    /// Wanted ranges, all calls together.
    pub fn ranges(&self) -> usize {
        self.lock().iter().map(|call| call.ranges).sum()
    }

    /// Bytes read and written, all calls together.
    pub fn bytes(&self) -> u64 {
        self.lock().iter().map(|call| call.bytes).sum()
    }

    /// Forgets all calls.
    pub fn reset(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn record(&self, call: Call) {
        self.lock().push(call);
    }

    /// Records a call whose bytes are known afterwards.
    fn reading(
        &self,
        call: Call,
        read: impl FnOnce() -> Result<Vec<u8>, ConnectorError>,
    ) -> Result<Vec<u8>, ConnectorError> {
        let at = {
            let mut calls = self.lock();
            calls.push(call);
            calls.len() - 1
        };
        let bytes = read()?;
        if let Some(call) = self.lock().get_mut(at) {
            call.bytes = bytes.len() as u64;
        }
        Ok(bytes)
    }
}

impl<S: Storage> Storage for RecordingStore<S> {
    fn info(&self) -> StorageInfo {
        self.inner.info()
    }

    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        self.record(Call { bytes: config.len() as u64, ..Call::new(Operation::Create, None, None) });
        self.inner.create(config)
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        self.reading(Call::new(Operation::ReadConfig, None, None), || self.inner.read_config())
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        self.record(Call::new(Operation::List, Some(file), None));
        self.inner.list(file)
    }

    fn put(
        &self,
        file: StoreFile,
        name: &[u8; 32],
        body: Bytes,
        mode: PutMode,
    ) -> Result<(), ConnectorError> {
        let call = Call::new(Operation::Put, Some(file), Some(*name));
        self.record(Call { bytes: body.len() as u64, ..call });
        self.inner.put(file, name, body, mode)
    }

    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        self.reading(Call::new(Operation::Get, Some(file), Some(*name)), || self.inner.get(file, name))
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        if requests.is_empty() {
            return;
        }
        self.record(Call {
            ranges: requests.len(),
            bytes: requests.iter().map(|request| request.length).sum(),
            ..Call::new(Operation::GetRanges, requests.first().map(|request| request.file), None)
        });
        self.inner.get_ranges(requests, deliver);
    }

    fn delete(&self, file: StoreFile, name: &[u8; 32]) -> Result<(), ConnectorError> {
        self.record(Call::new(Operation::Delete, Some(file), Some(*name)));
        self.inner.delete(file, name)
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        self.inner.ping(report);
    }
}
