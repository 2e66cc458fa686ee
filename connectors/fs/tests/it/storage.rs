//! Stores in folders: the conformance suite, and what only a local disk can do.

use std::path::Path;

use connector_fs::FsStorage;
use kloset_connector::{ConnectorContext, ErrorKind, Location, Options, PutMode, Storage, StoreFile};
use tempfile::TempDir;

fn storage(path: &Path) -> Box<dyn Storage> {
    let location = Location::parse(&format!("fs://{}", path.display()));
    let context = ConnectorContext::silent("/".into());
    Box::new(FsStorage::new(&location, &Options::new(), &context).expect("a named path"))
}

#[test]
fn folder_store_conforms() {
    testkit::suites::storage::run(&storage);
}

#[test]
fn relative_location_is_shown_absolute() {
    let context = ConnectorContext::silent("/srv/data".into());
    let storage =
        FsStorage::new(&Location::parse("../store/"), &Options::new(), &context).expect("a named path");
    let info = storage.info();
    assert_eq!((info.location.as_str(), info.root.as_str()), ("fs:///srv/store", "/srv/store"));
    assert!(info.writable);
}

#[test]
fn a_folder_in_place_of_a_file_fails_and_leaves_nothing() {
    let temp = TempDir::new().expect("temporary folder");
    let root = temp.path().join("store");
    let store = storage(&root);
    store.create(b"config").expect("create");
    let name = [5u8; 32];
    std::fs::create_dir(root.join("states/05").join("05".repeat(32))).expect("folder");
    let put = store.put(StoreFile::State, &name, b"x".as_slice().into(), PutMode::Immutable);
    assert!(put.is_err());
    let left: Vec<_> = std::fs::read_dir(root.join("states")).expect("list").flatten().collect();
    assert_eq!(left.len(), 256, "{left:?}");
}

#[test]
fn a_full_disk_is_reported_as_such_and_earlier_files_stay() {
    let temp = TempDir::new().expect("temporary folder");
    let Some(_mount) = SmallDisk::mount(temp.path()) else {
        eprintln!("skipped: mounting a small disk needs root");
        return;
    };
    let root = temp.path().join("store");
    let store = storage(&root);
    store.create(b"config").expect("create");
    let small = vec![1u8; 100_000];
    store.put(StoreFile::Packfile, &[1; 32], small.clone().into(), PutMode::Immutable).expect("fits");
    let large = vec![2u8; 9 << 20];
    let error =
        store.put(StoreFile::Packfile, &[2; 32], large.into(), PutMode::Immutable).expect_err("does not fit");
    assert_eq!(error.kind, ErrorKind::NoSpace, "{error}");
    assert_eq!(store.list(StoreFile::Packfile).expect("list").len(), 1);
    assert_eq!(store.get(StoreFile::Packfile, &[1; 32]).expect("get"), small);
    let left: Vec<_> = std::fs::read_dir(root.join("packfiles")).expect("list").flatten().collect();
    assert_eq!(left.len(), 256, "the temporary file is gone");
    // The room is free again.
    let fits = vec![3u8; 4 << 20];
    store.put(StoreFile::Packfile, &[3; 32], fits.into(), PutMode::Immutable).expect("fits");
}

/// A file system of 8 MiB in memory; unmounted when dropped.
struct SmallDisk {
    path: std::path::PathBuf,
}

impl SmallDisk {
    fn mount(path: &Path) -> Option<Self> {
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "small"])
            .arg(path)
            .stderr(std::process::Stdio::null())
            .status();
        status.is_ok_and(|status| status.success()).then(|| Self { path: path.to_owned() })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.path).status();
    }
}
