//! Steps that add and remove snapshots.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crossbeam_channel::Receiver;
use kloset::backup::{BackupOptions, BackupReport, backup};
use kloset::remove::remove;
use kloset::repository::OpenOptions;
use kloset::runtime::Randomness;
use kloset::{Error, Repository, Runtime, SilentMonitor};
use kloset_connector::{ConnectorError, ContentSink, ReadRequest, ScanOptions, ScanSink, Source, SourceInfo};
use kloset_format::SnapshotId;
use testkit::MemoryTree;

use super::turns::Turns;
use super::{Model, Stale};
use crate::foreign::remove_behind;
use crate::rig::{Contents, Numbers, open, open_with};

/// Snapshots that pruning leaves.
const KEPT: usize = 6;

/// A tree whose contents are delivered when the scan has ended, so that threads do not decide on the
/// order of blobs.
struct InOrder<'a>(&'a MemoryTree);

impl Source for InOrder<'_> {
    fn info(&self) -> Result<SourceInfo, ConnectorError> {
        self.0.info()
    }

    fn scan(&self, options: &ScanOptions, sink: &dyn ScanSink) -> Result<(), ConnectorError> {
        self.0.scan(options, sink)
    }

    fn read(&self, requests: Receiver<ReadRequest>, sink: &dyn ContentSink) -> Result<(), ConnectorError> {
        let all: Vec<ReadRequest> = requests.iter().collect();
        let (send, receive) = crossbeam_channel::unbounded();
        all.into_iter().for_each(|request| drop(send.send(request)));
        drop(send);
        self.0.read(receive, sink)
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        self.0.ping(report);
    }
}

pub fn backup_of(repository: &Arc<Repository>, tree: &MemoryTree) -> Result<BackupReport, Error> {
    let options = BackupOptions { name: "default".to_owned(), ..BackupOptions::default() };
    backup(repository, &InOrder(tree), &options, &SilentMonitor)
}

impl Model {
    pub fn contents_now(&self) -> Rc<Contents> {
        Rc::new(self.tree.contents())
    }

    pub fn change_tree(&mut self) {
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
        let outcome = backup_of(repository, &self.tree);
        if let Some(report) = self.done(outcome) {
            assert_eq!(report.errors, 0, "{}", self.story());
            self.main.expect(report.snapshot, self.contents_now());
        }
    }

    pub fn back_up(&mut self) {
        let machine = self.some_machine();
        let client = self.main.open(&machine);
        self.must_back_up(&client, "a fresh client");
    }

    pub fn cached_client(&self) -> Arc<Repository> {
        let mut options = OpenOptions::new(self.machine(), Arc::new(SilentMonitor));
        options.cache = Some(self.cache.path().join("cache"));
        options.memory = Some(self.cache.path().join("memory"));
        let client = open_with(self.main.store.clone(), options);
        let client = client.unwrap_or_else(|error| panic!("{error}: {}", self.story()));
        assert!(client.suspicions().is_empty(), "{:?}: {}", client.suspicions(), self.story());
        client
    }

    pub fn back_up_with_cache(&mut self) {
        let client = self.cached_client();
        self.must_back_up(&client, "a client with a cache");
    }

    pub fn lose_or_damage_the_cache(&mut self) {
        let cache = self.cache.path().join("cache");
        if self.numbers.below(2) == 0 {
            let _ = std::fs::remove_dir_all(&cache);
            return self.say("the cache is lost");
        }
        for file in files_below(&cache) {
            let bytes = std::fs::read(&file).unwrap();
            let half = bytes.len() / (1 + self.numbers.below(3));
            std::fs::write(&file, &bytes[..half]).unwrap();
        }
        self.say("the cache is torn");
    }

    pub fn back_up_from_stale_client(&mut self) {
        let client = Arc::clone(&self.stale.repository);
        self.must_back_up(&client, "the stale client");
    }

    pub fn look_again_with_stale_client(&mut self) {
        let machine = self.machine();
        let repository = if self.numbers.below(2) == 0 {
            self.main.open(&machine)
        } else {
            Arc::new(self.stale.repository.refresh().unwrap())
        };
        let mut seen = repository.snapshots();
        seen.sort();
        self.stale = Stale { repository, seen, swept_since: false };
        self.say("the stale client looks again");
    }

    pub fn look_again_with(&mut self, which: usize) {
        let agreed = self.foreign[which].look_again(&self.main.store);
        agreed.unwrap_or_else(|why| panic!("{why}: {}", self.story()));
    }

    pub fn look_again_with_foreign_client(&mut self) {
        let which = self.numbers.below(2);
        self.say(format!("foreign client {which} looks again"));
        self.look_again_with(which);
    }

    /// A client that names the newest state of its last look as the parent, old as it may be.
    pub fn remove_by_foreign_client(&mut self) {
        // Nobody took its removal back: that, an old parent leaves open.
        let ids: Vec<SnapshotId> =
            self.main.ids().into_iter().filter(|id| !self.brought_back.contains(id)).collect();
        let Some(&id) = ids.get(self.numbers.below(ids.len().max(1))) else { return };
        if open(&self.main.store).config().encryption.is_some() {
            return;
        }
        let which = self.numbers.below(2);
        self.say(format!("foreign client {which} removes {}", id.short()));
        let parent = self.foreign[which].latest;
        self.look_again_with(which);
        let now_ns = self.machine().clock.now().to_nanoseconds();
        remove_behind(&self.main.store, parent, id, now_ns);
        self.removed_behind.insert(id);
        self.main.forget(id);
        self.look_again_with(which);
    }

    /// Some of the snapshots, chosen by the seed.
    pub fn choose(&mut self, ids: &[SnapshotId], one_in: usize) -> Vec<SnapshotId> {
        ids.iter().filter(|_| self.numbers.below(one_in) == 0).copied().collect()
    }

    pub fn remove_some(&mut self) {
        let by_stale = self.numbers.below(2) == 0;
        let client =
            if by_stale { Arc::clone(&self.stale.repository) } else { self.main.open(&self.machine()) };
        let visible: Vec<SnapshotId> =
            self.main.ids().into_iter().filter(|id| !by_stale || self.stale.seen.contains(id)).collect();
        let chosen = self.choose(&visible, 3);
        self.say(format!("remove {} of {}, stale: {by_stale}", chosen.len(), visible.len()));
        if self.done(remove(&client, &chosen)).is_some() {
            chosen.iter().for_each(|&id| self.main.forget(id));
        }
    }

    /// All but the last few go.
    pub fn prune(&mut self) {
        let ids = self.main.ids();
        let doomed = &ids[..ids.len().saturating_sub(KEPT)];
        self.say(format!("prune {} of {}", doomed.len(), ids.len()));
        let machine = self.some_machine();
        let client = self.main.open(&machine);
        if self.done(remove(&client, doomed)).is_some() {
            doomed.iter().for_each(|&id| self.main.forget(id));
        }
    }

    /// A machine whose random numbers do not depend on what others do at the same time.
    fn machine_apart(&mut self) -> Runtime {
        let randomness = Randomness::Repeatable(Arc::new(AtomicU64::new(self.numbers.next())));
        Runtime { randomness, ..self.machine() }
    }

    /// Two clients back up different trees at the same time.
    pub fn back_up_twice_at_once(&mut self) {
        // Written to the one tree, so that no two contents ever have the same time.
        self.tree.write("other", self.numbers.bytes(30_000));
        let other = self.tree.clone();
        self.tree.remove("other");
        let turns = Turns::new(&mut self.numbers);
        self.say(format!("two backups at once, {turns:?}"));
        let machines = [0, 1].map(|_| self.machine_apart());
        let back_up = |who: usize, tree: &MemoryTree| {
            let options = OpenOptions::new(machines[who].clone(), Arc::new(SilentMonitor));
            let client = open_with(turns.of(who, self.main.store.clone()), options)?;
            backup_of(&client, tree)
        };
        let (one, two) = turns.take(|| back_up(0, &self.tree), || back_up(1, &other));
        let other = Rc::new(other.contents());
        for (report, contents) in [(one, self.contents_now()), (two, other)] {
            if let Some(report) = self.done(report) {
                self.main.expect(report.snapshot, contents);
            }
        }
    }
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
