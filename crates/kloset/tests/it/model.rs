//! Model test: random sequences of what clients do to a store, compared with plain copies of the
//! trees that were backed up.
//!
//! `KLOSET_MODEL_STEPS` sets the number of steps and `KLOSET_MODEL_SEED` the seed; a failure names
//! both.

use std::collections::BTreeMap;
use std::sync::Arc;

use kloset::remove::remove;
use kloset::repository::OpenOptions;
use kloset::{Error, Repository, SilentMonitor};
use kloset_connector::{ErrorKind, StoreFile};
use kloset_format::SnapshotId;
use testkit::{Fault, FaultyStore, Lasting, MemoryStore, MemoryTree, Script};

use crate::rig::{
    Contents, Numbers, backup_with, listed, open, open_with, read_back, runtime, small_encrypted_store,
    small_store, try_open,
};

/// The store, the clients, and what they should find.
struct Model {
    store: MemoryStore,
    numbers: Numbers,
    tree: MemoryTree,
    /// What every listed snapshot holds.
    snapshots: BTreeMap<SnapshotId, Contents>,
    /// A client that opened the store some time ago, with what it saw.
    stale: (Arc<Repository>, Vec<SnapshotId>),
    /// A client with a local cache.
    cache: tempfile::TempDir,
    /// For messages.
    log: Vec<String>,
}

impl Model {
    fn new(store: MemoryStore, seed: u64) -> Self {
        let stale = (open(&store), Vec::new());
        Self {
            store,
            numbers: Numbers::new(seed),
            tree: MemoryTree::new(),
            snapshots: BTreeMap::new(),
            stale,
            cache: tempfile::TempDir::new().unwrap(),
            log: vec![format!("seed {seed}")],
        }
    }

    fn run(&mut self, steps: usize) {
        for step in 0..steps {
            match self.numbers.below(14) {
                0..=3 => self.change_tree(),
                4 | 5 => self.back_up(),
                6 => self.back_up_with_cache(),
                7 => self.back_up_from_stale_client(),
                8 => self.remove_some(),
                9 => self.reopen_stale_client(),
                10 => self.crash(),
                11 => self.fail(),
                12 => self.lose_or_damage_the_cache(),
                _ => self.two_at_once(),
            }
            self.compare(step % 10 == 9);
        }
        self.compare(true);
    }

    fn say(&mut self, text: impl Into<String>) {
        self.log.push(text.into());
    }

    fn change_tree(&mut self) {
        for _ in 0..=self.numbers.below(4) {
            let folders = ["", "a/", "a/b/", "c/"];
            let folder = folders[self.numbers.below(4)];
            let path = format!("{folder}{}", self.numbers.below(12));
            match self.numbers.below(5) {
                0 => self.tree.remove(&path),
                1 => self.tree.write(&path, ""),
                // A content that exists elsewhere, so that there is something to deduplicate.
                2 => self.tree.write(&path, Numbers::new(self.numbers.next() % 4).bytes(40_000)),
                3 => self.tree.write(&path, "a line of text\n".repeat(self.numbers.below(4000))),
                _ => {
                    let length = self.numbers.below(60_000);
                    self.tree.write(&path, self.numbers.bytes(length));
                }
            }
        }
        self.say(format!("change: {} files", self.tree.paths().len()));
    }

    /// Backs the tree up with a client that nothing happens to.
    fn must_back_up(&mut self, repository: &Arc<Repository>, who: &str) {
        self.say(format!("backup by {who}"));
        match backup_with(repository, &self.tree) {
            Ok(report) => {
                assert_eq!(report.errors, 0, "{}", self.story());
                self.snapshots.insert(report.snapshot, self.tree.contents());
            }
            Err(error) => panic!("{error}: {}", self.story()),
        }
    }

    fn back_up(&mut self) {
        self.must_back_up(&open(&self.store), "a fresh client");
    }

    fn cached_client(&self) -> Arc<Repository> {
        let mut options = OpenOptions::new(runtime(2), Arc::new(SilentMonitor));
        options.cache = Some(self.cache.path().join("cache"));
        options.memory = Some(self.cache.path().join("memory"));
        open_with(self.store.clone(), options).unwrap_or_else(|error| panic!("{error}: {}", self.story()))
    }

    fn back_up_with_cache(&mut self) {
        let client = self.cached_client();
        assert!(client.suspicions().is_empty(), "{:?}: {}", client.suspicions(), self.story());
        self.must_back_up(&client, "a client with a cache");
    }

    fn lose_or_damage_the_cache(&mut self) {
        let states = self.cache.path().join("cache");
        if self.numbers.below(2) == 0 {
            let _ = std::fs::remove_dir_all(&states);
            return self.say("the cache is lost");
        }
        for file in files_below(&states) {
            let bytes = std::fs::read(&file).unwrap();
            let half = bytes.len() / (1 + self.numbers.below(3));
            std::fs::write(&file, &bytes[..half]).unwrap();
        }
        self.say("the cache is torn");
    }

    fn back_up_from_stale_client(&mut self) {
        let client = Arc::clone(&self.stale.0);
        self.must_back_up(&client, "the stale client");
    }

    fn reopen_stale_client(&mut self) {
        let reopened = if self.numbers.below(2) == 0 {
            open(&self.store)
        } else {
            Arc::new(self.stale.0.refresh().unwrap())
        };
        let mut seen = reopened.snapshots();
        seen.sort();
        assert!(seen.iter().eq(self.snapshots.keys()), "{}", self.story());
        self.stale = (reopened, seen);
        self.say("the stale client looks again");
    }

    fn remove_some(&mut self) {
        let ids: Vec<SnapshotId> = self.snapshots.keys().copied().collect();
        let chosen: Vec<SnapshotId> = ids.iter().filter(|_| self.numbers.below(3) == 0).copied().collect();
        let client = if self.numbers.below(2) == 0 { open(&self.store) } else { Arc::clone(&self.stale.0) };
        remove(&client, &chosen).unwrap_or_else(|error| panic!("{error}: {}", self.story()));
        chosen.iter().for_each(|id| drop(self.snapshots.remove(id)));
        self.say(format!("remove {} of {}", chosen.len(), ids.len()));
    }

    /// Backs up on a store that misbehaves; whatever comes of it is taken over if it is right.
    fn back_up_under(&mut self, fault: Fault, lasting: Lasting) {
        let call = self.numbers.below(20) as u64;
        let script = Script::At { call, fault, lasting };
        let faulty = FaultyStore::new(self.store.clone(), script, self.numbers.next());
        let result =
            try_open(faulty.clone()).map_err(Error::from).and_then(|client| backup_with(&client, &self.tree));
        self.say(format!("{fault:?} {lasting:?} at call {call}: {:?}", result.as_ref().err()));
        for id in listed(&self.store) {
            // An unfinished or doubtful backup may be there, but only whole.
            self.snapshots.entry(id).or_insert_with(|| self.tree.contents());
        }
        if let Ok(report) = result {
            assert!(self.snapshots.contains_key(&report.snapshot), "{}", self.story());
        }
    }

    fn crash(&mut self) {
        let faults = [Fault::CrashBefore, Fault::CrashAfter];
        let fault = faults[self.numbers.below(faults.len())];
        self.back_up_under(fault, Lasting::Once);
    }

    fn fail(&mut self) {
        let faults = [
            Fault::Fail(ErrorKind::Transient),
            Fault::Fail(ErrorKind::Permission),
            Fault::FailAfterwards(ErrorKind::Other),
            Fault::FailOneRange(ErrorKind::Other),
            Fault::Truncate,
            Fault::FlipBit,
            Fault::Vanish,
            Fault::StaleListing,
        ];
        let lastings = [Lasting::Once, Lasting::SameOperation, Lasting::Everything];
        let (fault, lasting) = (self.numbers.below(faults.len()), self.numbers.below(lastings.len()));
        self.back_up_under(faults[fault], lastings[lasting]);
    }

    /// Two clients back up different trees at the same time.
    fn two_at_once(&mut self) {
        // Written to the one tree, so that no two contents ever have the same time.
        self.tree.write("other", self.numbers.bytes(30_000));
        let other = self.tree.clone();
        self.tree.remove("other");
        let clients = [open(&self.store), open(&self.store)];
        let (one, two) = std::thread::scope(|scope| {
            let two = scope.spawn(|| backup_with(&clients[1], &other));
            (backup_with(&clients[0], &self.tree), two.join().unwrap())
        });
        self.say("two backups at once");
        self.snapshots.insert(one.unwrap().snapshot, self.tree.contents());
        self.snapshots.insert(two.unwrap().snapshot, other.contents());
    }

    /// A fresh client lists exactly the snapshots of the model and reads them exactly: the newest
    /// ones, or all.
    fn compare(&self, all: bool) {
        let repository = open(&self.store);
        let mut ids = repository.snapshots();
        ids.sort();
        assert!(ids.iter().eq(self.snapshots.keys()), "{ids:?}: {}", self.story());
        let sample = if all { ids.len() } else { 1 };
        for id in ids.iter().take(sample) {
            match read_back(&repository, *id) {
                Ok(read) => assert!(read == self.snapshots[id], "{id:?} differs: {}", self.story()),
                Err(error) => panic!("{id:?} is not whole: {error}: {}", self.story()),
            }
        }
        for id in &self.stale.1 {
            if all {
                let read = read_back(&self.stale.0, *id);
                assert!(read.is_ok(), "the stale client cannot read what it saw: {}", self.story());
            }
        }
    }

    fn story(&self) -> String {
        let locks = self.store.names(StoreFile::Lock).len();
        format!("{locks} locks, after: {}", self.log.join("; "))
    }
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn random_histories_agree_with_plain_copies() {
    let seed = number("KLOSET_MODEL_SEED").unwrap_or(1);
    let steps = number("KLOSET_MODEL_STEPS").unwrap_or(120) as usize;
    Model::new(small_store(), seed).run(steps);
}

#[test]
fn random_histories_of_encrypted_stores_agree_with_plain_copies() {
    let seed = number("KLOSET_MODEL_SEED").unwrap_or(2);
    let steps = number("KLOSET_MODEL_STEPS").unwrap_or(80) as usize;
    Model::new(small_encrypted_store(), seed).run(steps);
}
