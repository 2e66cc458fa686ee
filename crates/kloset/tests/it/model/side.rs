//! One store of the model and what is expected of it.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use kloset::repository::OpenOptions;
use kloset::{Repository, Runtime, SilentMonitor};
use kloset_connector::{Storage, StoreFile};
use kloset_format::{Mac, SnapshotId};
use testkit::MemoryStore;

use super::Known;
use crate::rig::{Contents, open_with, read_back};

pub struct Side {
    pub name: &'static str,
    pub store: MemoryStore,
    /// Every listed snapshot, in the order in which it came.
    pub snapshots: Vec<Known>,
    /// Snapshots that must not be listed any more.
    pub removed: Vec<Known>,
    /// What snapshots would hold that were never finished: repair may find them.
    pub unfinished: Vec<Rc<Contents>>,
}

impl Side {
    pub fn new(name: &'static str, store: MemoryStore) -> Self {
        Self { name, store, snapshots: Vec::new(), removed: Vec::new(), unfinished: Vec::new() }
    }

    pub fn open(&self, machine: &Runtime) -> Arc<Repository> {
        open_with(self.store.clone(), OpenOptions::new(machine.clone(), Arc::new(SilentMonitor)))
            .unwrap_or_else(|error| panic!("{} does not open: {error}", self.name))
    }

    pub fn ids(&self) -> Vec<SnapshotId> {
        self.snapshots.iter().map(|(id, _)| *id).collect()
    }

    pub fn contents(&self, id: SnapshotId) -> Rc<Contents> {
        let all = self.snapshots.iter().chain(&self.removed);
        Rc::clone(&all.into_iter().find(|(known, _)| *known == id).expect("a snapshot of the model").1)
    }

    pub fn expect(&mut self, id: SnapshotId, contents: Rc<Contents>) {
        self.removed.retain(|(known, _)| *known != id);
        if !self.snapshots.iter().any(|(known, _)| *known == id) {
            self.snapshots.push((id, contents));
        }
    }

    pub fn forget(&mut self, id: SnapshotId) {
        let gone = self.snapshots.extract_if(.., |(known, _)| *known == id);
        self.removed.extend(gone);
    }

    /// Snapshots that a fresh client lists and the model does not know of.
    pub fn unexpected(&self, machine: &Runtime) -> Vec<SnapshotId> {
        let mut listed = self.open(machine).snapshots();
        listed.sort();
        listed.retain(|id| !self.snapshots.iter().any(|(known, _)| known == id));
        listed
    }

    /// What a fresh client finds, if it is not what it should be.
    pub fn compare(&self, machine: &Runtime, all: bool) -> Result<(), String> {
        let repository = self.open(machine);
        let (mut found, mut wanted) = (repository.snapshots(), self.ids());
        found.sort();
        wanted.sort();
        if found != wanted {
            return Err(format!("{}: {found:?} are listed, not {wanted:?}", self.name));
        }
        let sample = if all { wanted.len() } else { 1 };
        for (id, contents) in self.snapshots.iter().rev().take(sample) {
            match read_back(&repository, *id) {
                Ok(read) if read == **contents => {}
                Ok(_) => return Err(format!("{}: {id} differs", self.name)),
                Err(error) => return Err(format!("{}: {id} is not whole: {error}", self.name)),
            }
        }
        Ok(())
    }

    /// Writes the store to a folder, as a local store lies there.
    pub fn write_to(&self, folder: &Path) {
        for (file, name) in [(StoreFile::Packfile, "packfiles"), (StoreFile::State, "states")] {
            for bucket in 0..=255u8 {
                std::fs::create_dir_all(folder.join(name).join(format!("{bucket:02x}"))).unwrap();
            }
            for id in self.store.names(file) {
                let body = self.store.body(file, &id).unwrap();
                let bucket = folder.join(name).join(format!("{:02x}", id[0]));
                std::fs::write(bucket.join(Mac(id).to_string()), body).unwrap();
            }
        }
        std::fs::create_dir_all(folder.join("locks")).unwrap();
        std::fs::write(folder.join("CONFIG"), self.store.read_config().unwrap()).unwrap();
    }
}
