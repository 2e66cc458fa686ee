//! Time, threads and the user's interrupt, as injected values.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kloset_format::Timestamp;

use crate::Error;

/// Tells the time. Tests put their own behind it.
pub trait Clock: Send + Sync {
    /// The present moment, UTC.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => Timestamp { seconds: since.as_secs() as i64, nanoseconds: since.subsec_nanos() },
            Err(_) => Timestamp::EPOCH,
        }
    }
}

/// Whether operations take locks in the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Locking {
    /// They do, and honour those of others.
    #[default]
    Take,
    /// They do not: the user vouches that nobody else writes.
    Skip,
}

/// What the engine may use of the machine.
#[derive(Clone)]
pub struct Runtime {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Threads for CPU work, at least 1.
    pub threads: usize,
    /// Name of this machine, written into locks.
    pub hostname: String,
    /// Set by the user's interrupt; operations stop soon after.
    pub interrupted: Arc<AtomicBool>,
    /// Whether locks are taken.
    pub locking: Locking,
}

impl Runtime {
    /// The system's clock, `threads` threads.
    pub fn system(threads: usize, hostname: String) -> Self {
        Self {
            clock: Arc::new(SystemClock),
            threads: threads.max(1),
            hostname,
            interrupted: Arc::default(),
            locking: Locking::Take,
        }
    }

    /// Fails once the user has interrupted.
    pub fn proceed(&self) -> Result<(), Error> {
        if self.interrupted.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}
