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

/// Tells the child of the kill test which store to fill.
const KILLED_STORE: &str = "CONNECTOR_FS_KILLED_STORE";

fn killed_body(number: u16) -> Vec<u8> {
    (0..200_000u32).map(|i| (i.wrapping_mul(u32::from(number) * 2 + 1) >> 7) as u8).collect()
}

fn killed_name(number: u16) -> [u8; 32] {
    let mut name = [7u8; 32];
    name[..2].copy_from_slice(&number.to_le_bytes());
    name
}

/// Not a test of its own: fills a store until it is killed.
#[test]
fn child_of_the_kill_test() {
    let Some(root) = std::env::var_os(KILLED_STORE) else { return };
    let store = storage(Path::new(&root));
    for number in 0..u16::MAX {
        for file in [StoreFile::Packfile, StoreFile::State] {
            let body = killed_body(number).into();
            store.put(file, &killed_name(number), body, PutMode::Immutable).expect("put");
        }
    }
}

#[test]
fn a_killed_writer_leaves_whole_files_or_none_and_can_be_run_again() {
    let temp = TempDir::new().expect("temporary folder");
    let root = temp.path().join("store");
    let store = storage(&root);
    store.create(b"config").expect("create");
    for round in 0..8u64 {
        let mut child = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "storage::child_of_the_kill_test"])
            .env(KILLED_STORE, &root)
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("start");
        // However slow the disk is, something is there before the first kill.
        while store.list(StoreFile::Packfile).expect("list").is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        std::thread::sleep(std::time::Duration::from_millis(10 + round * 9));
        child.kill().expect("kill");
        child.wait().expect("wait");
    }
    let mut count = 0u16;
    for file in [StoreFile::Packfile, StoreFile::State] {
        for listed in store.list(file).expect("list") {
            let number = u16::from_le_bytes([listed.name[0], listed.name[1]]);
            assert_eq!(listed.name, killed_name(number));
            assert!(store.get(file, &listed.name).expect("get") == killed_body(number), "file {number}");
            count += 1;
        }
    }
    assert!(count > 0, "at least one write was finished");
    store.temporary_files(std::time::Duration::ZERO, true).expect("sweep");
    assert_eq!(std::fs::read_dir(root.join("packfiles")).expect("list").count(), 256);
    assert_eq!(std::fs::read_dir(root.join("states")).expect("list").count(), 256);
}
