//! Counts the bytes and calls that reach a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::{ConnectorError, Listed, PutMode, RangeRequest, Storage, StorageInfo, StoreFile};

/// Running totals of one store.
#[derive(Default, Debug)]
pub struct Traffic {
    /// Bytes read from the store.
    pub read_bytes: AtomicU64,
    /// Bytes written to the store.
    pub written_bytes: AtomicU64,
    /// Calls that reached the store; a batch of ranges counts once.
    pub calls: AtomicU64,
}

/// A store that adds what passes to a [`Traffic`].
pub struct CountedStorage<S> {
    inner: S,
    traffic: Arc<Traffic>,
}

impl<S: Storage> CountedStorage<S> {
    /// Wraps `inner`; `traffic` is shared with whoever shows it.
    pub fn new(inner: S, traffic: Arc<Traffic>) -> Self {
        Self { inner, traffic }
    }

    fn call(&self) {
        self.traffic.calls.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self, bytes: usize) {
        self.traffic.read_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl<S: Storage> Storage for CountedStorage<S> {
    fn info(&self) -> StorageInfo {
        self.inner.info()
    }

    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        self.call();
        self.inner.create(config)
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        self.call();
        let bytes = self.inner.read_config()?;
        self.read(bytes.len());
        Ok(bytes)
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        self.call();
        self.inner.list(file)
    }

    fn put(
        &self,
        file: StoreFile,
        name: &[u8; 32],
        body: Bytes,
        mode: PutMode,
    ) -> Result<(), ConnectorError> {
        self.call();
        let length = body.len() as u64;
        self.inner.put(file, name, body, mode)?;
        self.traffic.written_bytes.fetch_add(length, Ordering::Relaxed);
        Ok(())
    }

    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        self.call();
        let bytes = self.inner.get(file, name)?;
        self.read(bytes.len());
        Ok(bytes)
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        self.call();
        self.inner.get_ranges(requests, &|index, result| {
            if let Ok(bytes) = &result {
                self.read(bytes.len());
            }
            deliver(index, result);
        });
    }

    fn delete(&self, file: StoreFile, name: &[u8; 32]) -> Result<(), ConnectorError> {
        self.call();
        self.inner.delete(file, name)
    }

    fn temporary_files(
        &self,
        older_than: std::time::Duration,
        remove: bool,
    ) -> Result<Vec<String>, ConnectorError> {
        self.inner.temporary_files(older_than, remove)
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        self.inner.ping(report);
    }
}
