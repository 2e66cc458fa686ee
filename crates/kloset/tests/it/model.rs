//! Model test: random sequences of what clients do to two stores, compared with plain copies of the
//! trees that were backed up.
//!
//! `KLOSET_MODEL_STEPS` sets the number of steps, `KLOSET_MODEL_SEED` the seed, and a seed repeats a run.
//! With `KLOSET_MODEL_FOLDER` the final stores, and some on the way, are written there for other readers.

// Seed and sizes are the result of a long run.
#![allow(clippy::print_stdout)]

mod outcome;
mod side;
mod steps;
mod turns;
mod upkeep;

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kloset::runtime::{Clock, Randomness};
use kloset::{Repository, Runtime};
use kloset_connector::StoreFile;
use kloset_format::{SnapshotId, Timestamp};
use testkit::{MemoryStore, MemoryTree};

use self::side::Side;
use crate::foreign::{CachedReader, readers_agree};
use crate::rig::{Contents, Numbers, other_store, runtime, small_encrypted_store, small_store};

/// Time that passes with each step.
const STEP: Duration = Duration::from_secs(60);
/// The stores on the way that are written to the folder.
const STORES_WRITTEN: usize = 4;

/// A clock that the model moves; some clients' clocks are wrong.
#[derive(Clone)]
struct ModelClock {
    seconds: Arc<AtomicI64>,
    skew_seconds: i64,
}

impl Clock for ModelClock {
    fn now(&self) -> Timestamp {
        let seconds = 1_700_000_000 + self.seconds.load(Ordering::Relaxed) + self.skew_seconds;
        Timestamp { seconds, nanoseconds: 0 }
    }

    /// Nothing takes any time, so that a seed repeats a run to the byte.
    fn elapsed(&self, _: Instant) -> Duration {
        Duration::ZERO
    }
}

/// A client that opened the first store some time ago.
struct Stale {
    repository: Arc<Repository>,
    /// What it saw.
    seen: Vec<SnapshotId>,
    /// Whether anything can have been deleted since.
    swept_since: bool,
}

/// The stores, the clients, and what they should find.
struct Model {
    numbers: Numbers,
    clock: ModelClock,
    randomness: Randomness,
    tree: MemoryTree,
    main: Side,
    peer: Side,
    stale: Stale,
    /// Other readers of the first store, with caches as old as it happens.
    foreign: [CachedReader; 2],
    /// A client of the first store with a local cache.
    cache: tempfile::TempDir,
    /// Snapshots of the first store whose removal was taken back.
    brought_back: HashSet<SnapshotId>,
    /// Those that a client with an old parent removed: taking that back for good is left open by the format.
    removed_behind: HashSet<SnapshotId>,
    /// For messages.
    log: Vec<String>,
}

impl Model {
    fn new(name: &str, main: MemoryStore, seed: u64) -> Self {
        let clock = ModelClock { seconds: Arc::default(), skew_seconds: 0 };
        let randomness = Randomness::Repeatable(Arc::new(AtomicU64::new(seed << 32)));
        let (main, peer) = (Side::new("main", main), Side::new("peer", other_store(4 << 10)));
        let machine =
            Runtime { clock: Arc::new(clock.clone()), randomness: randomness.clone(), ..runtime(1) };
        let stale = Stale { repository: main.open(&machine), seen: Vec::new(), swept_since: false };
        let mut model = Self {
            numbers: Numbers::new(seed),
            clock,
            randomness,
            tree: MemoryTree::new(),
            main,
            peer,
            stale,
            foreign: [false, true].map(CachedReader::new),
            cache: tempfile::TempDir::new().unwrap(),
            brought_back: HashSet::new(),
            removed_behind: HashSet::new(),
            log: vec![format!("{name} seed {seed}")],
        };
        model.look_again_with_stale_client();
        model
    }

    fn run(mut self, steps: usize) -> Vec<[u8; 32]> {
        let marks = steps.div_ceil(STORES_WRITTEN).max(1);
        for step in 0..steps {
            self.pass_time(STEP);
            self.step();
            self.compare(step % 20 == 19);
            if step % marks == marks - 1 {
                self.write_stores(&format!("{}", step + 1));
            }
        }
        self.compare(true);
        self.tidy_up();
        (0..2).for_each(|which| self.look_again_with(which));
        self.write_stores("end");
        self.names()
    }

    fn step(&mut self) {
        match self.numbers.below(26) {
            0..=3 => self.change_tree(),
            4 | 5 => self.back_up(),
            6 => self.back_up_with_cache(),
            7 => self.back_up_from_stale_client(),
            8 => self.remove_some(),
            9 => self.prune(),
            10 => self.look_again_with_stale_client(),
            11 => self.lose_or_damage_the_cache(),
            12 => self.back_up_twice_at_once(),
            13 | 14 => self.maintain(),
            15 => self.synchronize(),
            16 => self.bring_back(),
            17 => self.duplicate(),
            18 => self.repair(),
            19 => self.wait(),
            20 => self.remove_from_peer(),
            21 => self.look_again_with_foreign_client(),
            22 => self.remove_by_foreign_client(),
            _ => self.fail_at_something(),
        }
    }

    fn say(&mut self, text: impl Into<String>) {
        self.log.push(text.into());
    }

    fn pass_time(&mut self, time: Duration) {
        self.clock.seconds.fetch_add(time.as_secs() as i64, Ordering::Relaxed);
        self.main.store.advance(time);
        self.peer.store.advance(time);
    }

    /// A machine whose clock is right.
    fn machine(&self) -> Runtime {
        Runtime { clock: Arc::new(self.clock.clone()), randomness: self.randomness.clone(), ..runtime(1) }
    }

    /// A machine whose clock may be wrong: by minutes, now and then by a year.
    fn some_machine(&mut self) -> Runtime {
        let skew_seconds = match self.numbers.below(50) {
            0 => 365 * 24 * 3600,
            other => (other as i64 % 7 - 3) * 120,
        };
        let clock = ModelClock { skew_seconds, ..self.clock.clone() };
        Runtime { clock: Arc::new(clock), ..self.machine() }
    }

    /// A fresh client lists exactly the snapshots of the model and reads them exactly: the newest one
    /// of each store, or all.
    fn compare(&self, all: bool) {
        for side in [&self.main, &self.peer] {
            if all {
                let agreed = readers_agree(&side.store);
                agreed.unwrap_or_else(|why| {
                    self.write_stores("disagreed");
                    panic!("{}: {why}: {}", side.name, self.story())
                });
            }
            side.compare(&self.machine(), all).unwrap_or_else(|why| panic!("{why}: {}", self.story()));
        }
        if all && !self.stale.swept_since {
            for id in &self.stale.seen {
                let read = crate::rig::read_back(&self.stale.repository, *id);
                assert!(read.is_ok(), "the stale client cannot read what it saw: {}", self.story());
            }
        }
    }

    /// Names of all files of both stores: runs of one seed end with the same ones.
    fn names(&self) -> Vec<[u8; 32]> {
        let stores = [&self.main, &self.peer].map(|side| side.store.clone());
        let names = |file| stores.iter().flat_map(move |store| store.names(file));
        names(StoreFile::Packfile).chain(names(StoreFile::State)).collect()
    }

    fn write_stores(&self, when: &str) {
        let Some(folder) = std::env::var_os("KLOSET_MODEL_FOLDER") else { return };
        for side in [&self.main, &self.peer] {
            let name = format!("{}-{when}-{}", self.log[0].replace(' ', "-"), side.name);
            side.write_to(&std::path::Path::new(&folder).join(name));
        }
    }

    fn story(&self) -> String {
        let locks = self.main.store.names(StoreFile::Lock).len();
        let last = self.log.len().saturating_sub(60);
        format!("{}, {locks} locks, after: {}", self.log[0], self.log[last..].join("; "))
    }
}

/// A snapshot and what it holds.
type Known = (SnapshotId, Rc<Contents>);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn run(name: &str, store: MemoryStore, seed: u64, steps: usize) {
    let seed = number("KLOSET_MODEL_SEED").unwrap_or(seed);
    let steps = number("KLOSET_MODEL_STEPS").map_or(steps, |steps| steps as usize);
    println!("model: {name}, seed {seed}, {steps} steps");
    Model::new(name, store, seed).run(steps);
}

#[test]
fn a_seed_repeats_a_history_to_the_byte() {
    let names = || Model::new("repeated", small_store(), 3).run(60);
    assert!(names() == names());
}

#[test]
fn random_histories_agree_with_plain_copies() {
    run("plain", small_store(), 1, 150);
}

#[test]
fn random_histories_of_encrypted_stores_agree_with_plain_copies() {
    run("encrypted", small_encrypted_store(), 2, 60);
}
