//! Holds the bytes of one direction to a rate, over everything that one command moves.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{
    ConnectorContext, ConnectorError, ErrorKind, Listed, PutMode, RangeRequest, Storage, StorageInfo,
    StoreFile,
};

/// Longest burst that unused time may earn.
const BURST: Duration = Duration::from_millis(250);
/// Waits are cut into slices, so that whoever waits can show signs of life or stop.
const SLICE: Duration = Duration::from_millis(100);
/// What a store's file is paid for at a time.
const PIECE_BYTES: usize = 256 << 10;

/// A rate; without one, everything passes.
#[derive(Debug)]
pub struct Throttle {
    bytes_per_second: Option<u64>,
    /// When the bytes let through so far are paid for.
    paid_at: Mutex<Instant>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Throttle {
    /// Lets this many bytes pass in a second; `None` and zero mean no limit.
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        Self {
            bytes_per_second: bytes_per_second.filter(|&rate| rate > 0),
            paid_at: Mutex::new(Instant::now()),
        }
    }

    /// Whether there is a limit.
    pub fn is_limited(&self) -> bool {
        self.bytes_per_second.is_some()
    }

    /// Waits until `bytes` may pass. `waiting` is asked several times a second meanwhile; `false`
    /// ends the wait early.
    pub fn pass(&self, bytes: usize, waiting: &mut dyn FnMut() -> bool) {
        let Some(rate) = self.bytes_per_second else { return };
        let cost = Duration::from_secs_f64(bytes as f64 / rate as f64);
        let now = Instant::now();
        let until = {
            let mut paid_at = self.paid_at.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let earliest = now.checked_sub(BURST).unwrap_or(now);
            *paid_at = (*paid_at).max(earliest) + cost;
            *paid_at
        };
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !waiting() {
                return;
            }
            std::thread::sleep(left.min(SLICE));
        }
    }
}

/// A store whose files move at the rates of a context. For stores that move their bytes at once;
/// those with a line of their own throttle the line.
pub struct ThrottledStorage<S> {
    inner: S,
    context: ConnectorContext,
}

impl<S: Storage> ThrottledStorage<S> {
    /// Wraps `inner`.
    pub fn new(inner: S, context: ConnectorContext) -> Self {
        Self { inner, context }
    }

    fn pay(&self, throttle: &Arc<Throttle>, bytes: usize) -> Result<(), ConnectorError> {
        if !throttle.is_limited() {
            return Ok(());
        }
        // What begins after an interrupt cleans up, and is small.
        let interrupted = || self.context.interrupted.load(Ordering::Relaxed);
        let began_interrupted = interrupted();
        let mut left = bytes;
        while left > 0 {
            let piece = left.min(PIECE_BYTES);
            throttle.pass(piece, &mut || began_interrupted || !interrupted());
            if interrupted() && !began_interrupted {
                let location = self.inner.info().location;
                return Err(ConnectorError::new(ErrorKind::Interrupted, "wait for", location, "interrupted"));
            }
            left -= piece;
        }
        Ok(())
    }
}

impl<S: Storage> Storage for ThrottledStorage<S> {
    fn info(&self) -> StorageInfo {
        self.inner.info()
    }

    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        self.inner.create(config)
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        self.inner.read_config()
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        self.inner.list(file)
    }

    fn put(
        &self,
        file: StoreFile,
        name: &[u8; 32],
        body: Bytes,
        mode: PutMode,
    ) -> Result<(), ConnectorError> {
        self.pay(&self.context.upload, body.len())?;
        self.inner.put(file, name, body, mode)
    }

    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        let bytes = self.inner.get(file, name)?;
        self.pay(&self.context.download, bytes.len())?;
        Ok(bytes)
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        self.inner.get_ranges(requests, &|index, result| {
            let paid = result.and_then(|bytes| self.pay(&self.context.download, bytes.len()).map(|()| bytes));
            deliver(index, paid);
        });
    }

    fn delete(&self, file: StoreFile, name: &[u8; 32]) -> Result<(), ConnectorError> {
        self.inner.delete(file, name)
    }

    fn temporary_files(&self, older_than: Duration, remove: bool) -> Result<Vec<String>, ConnectorError> {
        self.inner.temporary_files(older_than, remove)
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        self.inner.ping(report);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_their_time() {
        let throttle = Throttle::new(Some(1_000_000));
        let start = Instant::now();
        for _ in 0..10 {
            throttle.pass(100_000, &mut || true);
        }
        assert!(start.elapsed() >= Duration::from_millis(700));
    }

    #[test]
    fn no_limit_and_a_stopped_wait_do_not_wait() {
        let start = Instant::now();
        Throttle::new(None).pass(usize::MAX, &mut || true);
        Throttle::new(Some(0)).pass(usize::MAX, &mut || true);
        Throttle::new(Some(1)).pass(1_000_000, &mut || false);
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}
