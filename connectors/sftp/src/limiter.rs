//! Holds the bytes of one direction, over all connections, to a rate.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Longest burst that unused time may earn.
const BURST: Duration = Duration::from_millis(250);

/// A rate; without one, everything passes.
pub(crate) struct Limiter {
    bytes_per_second: Option<u64>,
    /// When the bytes let through so far are paid for.
    paid_at: Mutex<Instant>,
}

impl Limiter {
    pub(crate) fn new(bytes_per_second: Option<u64>) -> Self {
        Self {
            bytes_per_second: bytes_per_second.filter(|&rate| rate > 0),
            paid_at: Mutex::new(Instant::now()),
        }
    }

    /// Returns once `bytes` may pass.
    pub(crate) fn pass(&self, bytes: usize) {
        let Some(rate) = self.bytes_per_second else { return };
        let cost = Duration::from_secs_f64(bytes as f64 / rate as f64);
        let now = Instant::now();
        let until = {
            let mut paid_at = self.paid_at.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let earliest = now.checked_sub(BURST).unwrap_or(now);
            *paid_at = (*paid_at).max(earliest) + cost;
            *paid_at
        };
        std::thread::sleep(until.saturating_duration_since(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_their_time() {
        let limiter = Limiter::new(Some(1_000_000));
        let start = Instant::now();
        for _ in 0..10 {
            limiter.pass(100_000);
        }
        assert!(start.elapsed() >= Duration::from_millis(700));
        Limiter::new(None).pass(usize::MAX);
    }
}
