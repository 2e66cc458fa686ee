//! Stores behind a package.

use std::path::Path;
use std::sync::Mutex;

use bytes::Bytes;
use connector_plugin::PluginStorage;
use kloset_connector::{Options, PutMode, RangeRequest, Storage, StoreFile};

use crate::support::{command, context, location};

fn storage(path: &Path, extended: bool) -> PluginStorage {
    let command = command("storage", extended);
    PluginStorage::new(&command, &location(path), &Options::new(), &context().0).expect("the package starts")
}

#[test]
fn storage_behind_a_package_keeps_the_contract() {
    testkit::suites::storage::run(&|path| Box::new(storage(path, true)));
}

#[test]
fn storage_by_the_plain_protocol_keeps_the_contract() {
    testkit::suites::storage::run(&|path| Box::new(storage(path, false)));
}

#[test]
fn info_is_what_the_package_says() {
    let temp = tempfile::tempdir().expect("temporary folder");
    let info = storage(temp.path(), true).info();
    assert_eq!((info.kind.as_str(), info.writable), ("fs", true));
    assert_eq!(info.root, temp.path().display().to_string());
}

#[test]
fn large_files_and_many_ranges_travel_fast() {
    let temp = tempfile::tempdir().expect("temporary folder");
    let store = storage(&temp.path().join("s"), true);
    store.create(b"config").expect("create");
    let body: Bytes = (0..64usize << 20).map(|i| (i ^ (i >> 11)) as u8).collect::<Vec<u8>>().into();
    let started = std::time::Instant::now();
    store.put(StoreFile::Packfile, &[1; 32], body.clone(), PutMode::Immutable).expect("put");
    let requests: Vec<_> = (0..640u64)
        .map(|n| RangeRequest {
            file: StoreFile::Packfile,
            name: [1; 32],
            offset: n * 100_000,
            length: 90_000,
        })
        .collect();
    let wrong = Mutex::new(0);
    store.get_ranges(&requests, &|index, result| {
        let at = index * 100_000;
        if result.expect("range") != body.slice(at..at + 90_000) {
            *wrong.lock().expect("lock") += 1;
        }
    });
    assert_eq!(*wrong.lock().expect("lock"), 0);
    let elapsed = started.elapsed();
    assert!(elapsed.as_secs() < 20, "{elapsed:?}");
}
