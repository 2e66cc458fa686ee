//! Says every call that reaches a store: what, how long, how many bytes.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{
    ConnectorError, ConnectorEvents, Listed, PutMode, RangeRequest, Storage, StorageInfo, StoreFile,
};

/// The subsystem under which calls of a store are traced.
pub const SUBSYSTEM: &str = "repository";

/// A store whose calls are told to [`ConnectorEvents::trace`], if that is wanted.
pub struct TracedStorage<S> {
    inner: S,
    events: Option<Arc<dyn ConnectorEvents>>,
}

impl<S: Storage> TracedStorage<S> {
    /// Wraps `inner`; without interest in [`SUBSYSTEM`], every call passes straight through.
    pub fn new(inner: S, events: &Arc<dyn ConnectorEvents>) -> Self {
        Self { inner, events: events.traces(SUBSYSTEM).then(|| Arc::clone(events)) }
    }

    fn traced<T>(
        &self,
        what: impl FnOnce() -> String,
        bytes: impl FnOnce(&T) -> Option<u64>,
        call: impl FnOnce() -> Result<T, ConnectorError>,
    ) -> Result<T, ConnectorError> {
        let Some(events) = &self.events else { return call() };
        let started = Instant::now();
        let result = call();
        let mut line = what();
        match &result {
            Ok(value) => {
                if let Some(bytes) = bytes(value) {
                    let _ = write!(line, ": {bytes} bytes");
                }
            }
            Err(error) => {
                let _ = write!(line, ": failed: {error}");
            }
        }
        events.trace(SUBSYSTEM, &ended(line, started.elapsed()));
        result
    }
}

fn ended(mut line: String, elapsed: Duration) -> String {
    let _ = write!(line, " in {elapsed:.1?}");
    line
}

/// `packfiles/0123…` as the file lies in the store.
fn file_name(file: StoreFile, name: &[u8; 32]) -> String {
    let mut text = format!("{}/", folder(file));
    for byte in name {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn folder(file: StoreFile) -> &'static str {
    match file {
        StoreFile::Packfile => "packfiles",
        StoreFile::State => "states",
        StoreFile::Lock => "locks",
    }
}

fn none<T>(_: &T) -> Option<u64> {
    None
}

impl<S: Storage> Storage for TracedStorage<S> {
    fn info(&self) -> StorageInfo {
        self.inner.info()
    }

    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        self.traced(|| "create".to_owned(), none, || self.inner.create(config))
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        let length = |bytes: &Vec<u8>| Some(bytes.len() as u64);
        self.traced(|| "get CONFIG".to_owned(), length, || self.inner.read_config())
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        let Some(events) = &self.events else { return self.inner.list(file) };
        let started = Instant::now();
        let result = self.inner.list(file);
        let found = match &result {
            Ok(files) => format!("{} files", files.len()),
            Err(error) => format!("failed: {error}"),
        };
        events.trace(SUBSYSTEM, &ended(format!("list {}: {found}", folder(file)), started.elapsed()));
        result
    }

    fn put(
        &self,
        file: StoreFile,
        name: &[u8; 32],
        body: Bytes,
        mode: PutMode,
    ) -> Result<(), ConnectorError> {
        let length = body.len() as u64;
        self.traced(
            || format!("put {}", file_name(file, name)),
            |()| Some(length),
            || self.inner.put(file, name, body, mode),
        )
    }

    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        let length = |bytes: &Vec<u8>| Some(bytes.len() as u64);
        self.traced(|| format!("get {}", file_name(file, name)), length, || self.inner.get(file, name))
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        let Some(events) = &self.events else { return self.inner.get_ranges(requests, deliver) };
        let started = Instant::now();
        let (bytes, failed) = (AtomicU64::new(0), AtomicUsize::new(0));
        self.inner.get_ranges(requests, &|at, result| {
            match &result {
                Ok(found) => bytes.fetch_add(found.len() as u64, Ordering::Relaxed),
                Err(_) => failed.fetch_add(1, Ordering::Relaxed) as u64,
            };
            deliver(at, result);
        });
        let mut line = match requests {
            [one] => format!("get {} from {}", file_name(one.file, &one.name), one.offset),
            several => format!("get {} ranges", several.len()),
        };
        let _ = write!(line, ": {} bytes", bytes.into_inner());
        if failed.load(Ordering::Relaxed) > 0 {
            let _ = write!(line, ", {} failed", failed.into_inner());
        }
        events.trace(SUBSYSTEM, &ended(line, started.elapsed()));
    }

    fn delete(&self, file: StoreFile, name: &[u8; 32]) -> Result<(), ConnectorError> {
        self.traced(|| format!("delete {}", file_name(file, name)), none, || self.inner.delete(file, name))
    }

    fn temporary_files(&self, older_than: Duration, remove: bool) -> Result<Vec<String>, ConnectorError> {
        self.inner.temporary_files(older_than, remove)
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        self.inner.ping(report);
    }
}
