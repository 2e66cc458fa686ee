//! Stores behind SFTP.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use kloset_connector::layer::{RetriedStorage, Throttle};
use kloset_connector::{ErrorKind, PutMode, RangeRequest, RetryPolicy, Storage, StoreFile};
use testkit::proxy::{CutPlan, Proxy};
use testkit::sshd::Sshd;

use crate::support::{context, storage, storage_by};

#[test]
fn storage_keeps_the_contract() {
    let server = Sshd::start().expect("private sshd");
    testkit::suites::storage::run(&|path| Box::new(storage(&server, path)));
}

fn body(number: usize) -> Bytes {
    Bytes::from((0..400_000 * (number % 5)).map(|at| (at * 31 + number) as u8).collect::<Vec<u8>>())
}

fn name(number: usize) -> [u8; 32] {
    let mut name = [number as u8; 32];
    name[0] = (number * 37) as u8;
    name
}

#[test]
fn every_object_survives_connections_that_are_cut() {
    let server = Sshd::start().expect("private sshd");
    let temp = tempfile::tempdir().expect("temporary folder");
    let root = temp.path().join("store");
    let proxy = Proxy::start(server.port(), Duration::from_millis(1)).expect("proxy");
    let config = server.ssh_config_for("cut", proxy.port(), &[]).expect("config");
    let (mut context, heard) = context();
    context.retry = RetryPolicy { first_wait: Duration::from_millis(50), ..RetryPolicy::default() };
    let store = RetriedStorage::new(storage_by(&config, &root, &context), context);
    store.create(b"config").expect("create");
    proxy.set_plan(Some(CutPlan { seed: 11, bytes_min: 200_000, bytes_max: 5_000_000, cuts: 12 }));
    proxy.cut();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for number in (thread..40).step_by(4) {
                    let put = store.put(StoreFile::Packfile, &name(number), body(number), PutMode::Immutable);
                    put.expect("put");
                }
            });
        }
    });
    let listed: BTreeSet<_> =
        store.list(StoreFile::Packfile).expect("list").into_iter().map(|one| (one.name, one.size)).collect();
    let wanted: BTreeSet<_> = (0..40).map(|number| (name(number), Some(body(number).len() as u64))).collect();
    assert_eq!(listed, wanted);
    assert!(proxy.connections() > 5, "{}", proxy.connections());
    let before = proxy.connections();
    proxy.set_plan(Some(CutPlan { seed: 12, bytes_min: 200_000, bytes_max: 3_000_000, cuts: before + 4 }));
    proxy.cut();
    let ranges: Vec<RangeRequest> = (0..40)
        .map(|number| RangeRequest {
            file: StoreFile::Packfile,
            name: name(number),
            offset: 0,
            length: body(number).len() as u64,
        })
        .collect();
    let delivered = Mutex::new(BTreeSet::new());
    store.get_ranges(&ranges, &|index, result| {
        assert!(result.expect("range") == body(index), "content of {index}");
        assert!(delivered.lock().expect("lock").insert(index));
    });
    assert_eq!(delivered.into_inner().expect("lock").len(), 40);
    assert!(!heard.retries.lock().expect("lock").is_empty());
}

#[test]
fn patience_of_zero_fails_at_the_first_loss() {
    let server = Sshd::start().expect("private sshd");
    let temp = tempfile::tempdir().expect("temporary folder");
    let proxy = Proxy::start(server.port(), Duration::ZERO).expect("proxy");
    let config = server.ssh_config_for("cut", proxy.port(), &[]).expect("config");
    let (mut context, _) = context();
    context.retry = RetryPolicy { give_up_after: Duration::ZERO, ..RetryPolicy::default() };
    let store = RetriedStorage::new(storage_by(&config, &temp.path().join("s"), &context), context);
    store.create(b"config").expect("create");
    proxy.refuse(true);
    proxy.cut();
    let error = store.read_config().expect_err("no way");
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
}

#[test]
fn uploads_and_downloads_keep_to_their_limits() {
    let server = Sshd::start().expect("private sshd");
    let temp = tempfile::tempdir().expect("temporary folder");
    let (mut context, _) = context();
    context.upload = Throttle::new(Some(4_000_000)).into();
    context.download = Throttle::new(Some(8_000_000)).into();
    let store = storage_by(&server.ssh_config(), &temp.path().join("s"), &context);
    store.create(b"config").expect("create");
    store.warm_up().expect("channels");
    let body = Bytes::from(vec![9; 8_000_000]);
    let start = std::time::Instant::now();
    store.put(StoreFile::Packfile, &name(1), body.clone(), PutMode::Immutable).expect("put");
    assert!(start.elapsed() > Duration::from_millis(1600), "{:?}", start.elapsed());
    let start = std::time::Instant::now();
    assert_eq!(store.get(StoreFile::Packfile, &name(1)).expect("get"), body);
    assert!(start.elapsed() > Duration::from_millis(650), "{:?}", start.elapsed());
}
