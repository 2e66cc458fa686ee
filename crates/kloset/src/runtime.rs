//! Time, threads and the user's interrupt, as injected values.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kloset_codec::codec::Scratch;
use kloset_format::Timestamp;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use crate::Error;

/// Tells the time. Tests put their own behind it.
pub trait Clock: Send + Sync {
    /// The present moment, UTC.
    fn now(&self) -> Timestamp;

    /// Time since then, on a clock that is never set.
    fn elapsed(&self, since: Instant) -> Duration {
        since.elapsed()
    }
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

/// Where names, padding and keys of blobs come from.
#[derive(Clone, Debug, Default)]
pub enum Randomness {
    /// The operating system.
    #[default]
    System,
    /// Predictable numbers, so that a test can be repeated. Never for a store that protects anything.
    Repeatable(Arc<AtomicU64>),
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
    /// Random numbers.
    pub randomness: Randomness,
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
            randomness: Randomness::System,
        }
    }

    /// A new name of something that is not named by its content.
    pub(crate) fn random_name(&self) -> [u8; 32] {
        let mut name = [0u8; 32];
        self.generator().fill_bytes(&mut name);
        name
    }

    /// Buffers and a random generator for a thread that writes.
    pub(crate) fn scratch(&self) -> Scratch {
        Scratch::with_generator(self.generator())
    }

    fn generator(&self) -> StdRng {
        match &self.randomness {
            Randomness::System => StdRng::from_os_rng(),
            Randomness::Repeatable(next) => StdRng::seed_from_u64(next.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// How long something has taken, as headers of snapshots tell.
    pub(crate) fn duration_ns(&self, started: Instant) -> i64 {
        i64::try_from(self.clock.elapsed(started).as_nanos()).unwrap_or(i64::MAX)
    }

    /// Fails once the user has interrupted.
    pub fn proceed(&self) -> Result<(), Error> {
        if self.interrupted.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}
