//! Tries transient failures again; the only place that does so for stores.
//!
//! Rules: back-off from [`RetryPolicy::first_wait`], doubled with jitter up to
//! [`RetryPolicy::longest_wait`]; no limit on tries; gives up after
//! [`RetryPolicy::give_up_after`] without progress anywhere in the same command. Permanent errors
//! fail at once. Every operation of [`Storage`] is repeatable by contract.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{
    ConnectorContext, ConnectorError, ErrorKind, Listed, PutMode, RangeRequest, RetryPolicy, Storage,
    StorageInfo, StoreFile,
};

/// Decides whether and when to try again; shared by all operations of one connection.
pub struct Retrier {
    context: ConnectorContext,
    last_progress: Mutex<Instant>,
}

impl Retrier {
    /// Starts counting now.
    pub fn new(context: ConnectorContext) -> Self {
        Self { context, last_progress: Mutex::new(Instant::now()) }
    }

    /// The rules in force.
    pub fn policy(&self) -> RetryPolicy {
        self.context.retry
    }

    /// Something moved: the patience starts anew.
    pub fn progress(&self) {
        *self.lock() = Instant::now();
    }

    /// Runs `operation` until it succeeds, fails for good, or patience ends.
    pub fn run<T>(
        &self,
        mut operation: impl FnMut() -> Result<T, ConnectorError>,
    ) -> Result<T, ConnectorError> {
        let mut wait = self.context.retry.first_wait;
        let started = Instant::now();
        loop {
            match operation() {
                Ok(value) => {
                    self.progress();
                    return Ok(value);
                }
                Err(error) if error.is_transient() => {
                    self.pause(&mut wait, started, error)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits before the next try, or gives the error back when patience has ended.
    ///
    /// `started` is when the failing operation began: idle time before it is not held against it.
    pub fn pause(
        &self,
        wait: &mut Duration,
        started: Instant,
        error: ConnectorError,
    ) -> Result<(), ConnectorError> {
        let quiet_since = (*self.lock()).max(started);
        let patience = self.context.retry.give_up_after;
        if quiet_since.elapsed() + *wait > patience {
            return Err(error);
        }
        self.context.events.retried(&error.to_string());
        let until = Instant::now() + jittered(*wait);
        while Instant::now() < until {
            if self.context.interrupted.load(Ordering::Relaxed) {
                return Err(ConnectorError::new(
                    ErrorKind::Interrupted,
                    error.operation,
                    error.location.clone(),
                    "interrupted while waiting to try again",
                ));
            }
            std::thread::sleep(
                Duration::from_millis(50).min(until.saturating_duration_since(Instant::now())),
            );
        }
        *wait = (*wait * 2).min(self.context.retry.longest_wait);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.last_progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Between 75 % and 125 % of `wait`, from the clock's low bits: spread, not secrecy, is wanted.
fn jittered(wait: Duration) -> Duration {
    let noise = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos() % 512);
    wait * (768 + noise) / 1024
}

/// A store whose transient failures are tried again.
pub struct RetriedStorage<S> {
    inner: S,
    retrier: Retrier,
}

impl<S: Storage> RetriedStorage<S> {
    /// Wraps `inner` with the patience of `context`.
    pub fn new(inner: S, context: ConnectorContext) -> Self {
        Self { inner, retrier: Retrier::new(context) }
    }
}

impl<S: Storage> Storage for RetriedStorage<S> {
    fn info(&self) -> StorageInfo {
        self.inner.info()
    }

    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        self.retrier.run(|| self.inner.create(config))
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        self.retrier.run(|| self.inner.read_config())
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        self.retrier.run(|| self.inner.list(file))
    }

    fn put(
        &self,
        file: StoreFile,
        name: &[u8; 32],
        body: Bytes,
        mode: PutMode,
    ) -> Result<(), ConnectorError> {
        self.retrier.run(|| self.inner.put(file, name, body.clone(), mode))
    }

    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        self.retrier.run(|| self.inner.get(file, name))
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        let mut pending: Vec<usize> = (0..requests.len()).collect();
        let mut wait = self.retrier.policy().first_wait;
        let started = Instant::now();
        while !pending.is_empty() {
            let batch: Vec<RangeRequest> = pending.iter().map(|&i| requests[i]).collect();
            let lost: Mutex<Vec<(usize, ConnectorError)>> = Mutex::new(Vec::new());
            self.inner.get_ranges(&batch, &|at, result| match result {
                Err(error) if error.is_transient() => {
                    lost.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((pending[at], error));
                }
                result => {
                    self.retrier.progress();
                    deliver(pending[at], result);
                }
            });
            let lost = lost.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
            let Some((_, first)) = lost.first() else { return };
            let cause = ConnectorError::new(
                first.kind,
                first.operation,
                first.location.clone(),
                first.message.clone(),
            );
            if lost.len() < batch.len() {
                wait = self.retrier.policy().first_wait;
            }
            if self.retrier.pause(&mut wait, started, cause).is_err() {
                for (index, error) in lost {
                    deliver(index, Err(error));
                }
                return;
            }
            pending = lost.into_iter().map(|(index, _)| index).collect();
        }
    }

    fn delete(&self, file: StoreFile, name: &[u8; 32]) -> Result<(), ConnectorError> {
        self.retrier.run(|| self.inner.delete(file, name))
    }

    fn temporary_files(&self, older_than: Duration, remove: bool) -> Result<Vec<String>, ConnectorError> {
        self.retrier.run(|| self.inner.temporary_files(older_than, remove))
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        self.inner.ping(report);
    }
}
