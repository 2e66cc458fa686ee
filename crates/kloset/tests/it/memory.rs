//! A store that went backwards, changed its identity or lost its encryption is read, not written.

use std::path::Path;
use std::sync::Arc;

use connector_fs::{FsSource, FsStorage};
use kloset::backup::{BackupOptions, backup};
use kloset::repository::{Acceptance, CreateOptions, LockedStore, OpenOptions, create};
use kloset::{Error, Repository, Runtime, SilentMonitor};
use kloset_codec::hash::HashAlgorithm;
use kloset_connector::{ConnectorContext, Location, Options};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tree")).unwrap();
        std::fs::write(folder.path().join("tree/file"), b"content").unwrap();
        let place = Self { folder };
        place.create();
        place
    }

    fn store(&self) -> std::path::PathBuf {
        self.folder.path().join("store")
    }

    fn storage(&self) -> Arc<FsStorage> {
        let location = Location::parse(self.store().to_str().unwrap());
        Arc::new(FsStorage::new(&location, &Options::new(), &ConnectorContext::silent("/".into())).unwrap())
    }

    fn create(&self) {
        let options = CreateOptions { hashing: HashAlgorithm::Blake3, compression: None, passphrase: None };
        create(self.storage().as_ref(), &options, &Runtime::system(1, "test".to_owned())).unwrap();
    }

    fn open(&self, acceptance: Acceptance) -> Arc<Repository> {
        let options = OpenOptions {
            memory: Some(self.folder.path().join("memory")),
            acceptance,
            ..OpenOptions::new(Runtime::system(1, "test".to_owned()), Arc::new(SilentMonitor))
        };
        match LockedStore::probe(self.storage(), options).unwrap().unlock(None) {
            Ok(repository) => Arc::new(repository),
            Err((_, error)) => panic!("{error}"),
        }
    }

    fn backup(&self, acceptance: Acceptance) -> Result<(), Error> {
        let location = Location::parse(self.folder.path().join("tree").to_str().unwrap());
        let source =
            FsSource::new(&location, &Options::new(), &ConnectorContext::silent("/".into())).unwrap();
        backup(&self.open(acceptance), &source, &BackupOptions::default(), &SilentMonitor).map(|_| ())
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[test]
fn rolled_back_store_is_read_but_not_written_until_accepted() {
    let place = Place::new();
    place.backup(Acceptance::Compare).unwrap();
    let old = place.folder.path().join("old");
    copy(&place.store(), &old);
    std::fs::write(place.folder.path().join("tree/file"), b"changed").unwrap();
    place.backup(Acceptance::Compare).unwrap();
    std::fs::remove_dir_all(place.store()).unwrap();
    copy(&old, &place.store());

    let rolled_back = place.open(Acceptance::Compare);
    assert_eq!(rolled_back.snapshots().len(), 1);
    assert_eq!(rolled_back.suspicions().len(), 1);
    assert!(matches!(place.backup(Acceptance::Compare), Err(Error::StoreChanged(_))));
    assert!(matches!(
        kloset::remove::remove(&rolled_back, &rolled_back.snapshots()),
        Err(Error::StoreChanged(_))
    ));
    place.backup(Acceptance::AcceptChanges).unwrap();
    place.backup(Acceptance::Compare).unwrap();
}

#[test]
fn two_processes_at_once_do_not_suspect_each_other() {
    let place = Place::new();
    place.backup(Acceptance::Compare).unwrap();
    let options = OpenOptions {
        memory: Some(place.folder.path().join("memory")),
        ..OpenOptions::new(Runtime::system(1, "test".to_owned()), Arc::new(SilentMonitor))
    };
    for _ in 0..5 {
        // One process lists the states while it derives the key; another one publishes meanwhile.
        let early = LockedStore::probe(place.storage(), options.clone()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        place.backup(Acceptance::Compare).unwrap();
        let early = early.unlock(None).map_err(|(_, error)| error).unwrap();
        assert!(early.suspicions().is_empty(), "{:?}", early.suspicions());
        // What the other one has published is not forgotten.
        let later = place.open(Acceptance::Compare);
        let newest = later.states().last().unwrap().to_string();
        let file = place.store().join("states").join(&newest[..2]).join(&newest);
        let hidden = place.folder.path().join("hidden");
        drop(early);
        std::fs::rename(&file, &hidden).unwrap();
        assert_eq!(place.open(Acceptance::Compare).suspicions().len(), 1);
        std::fs::rename(&hidden, &file).unwrap();
    }
}

#[test]
fn another_store_at_the_same_place_is_not_written() {
    let place = Place::new();
    place.backup(Acceptance::Compare).unwrap();
    std::fs::remove_dir_all(place.store()).unwrap();
    place.create();
    assert!(matches!(place.backup(Acceptance::Compare), Err(Error::StoreChanged(_))));
    place.backup(Acceptance::AcceptChanges).unwrap();
}
