//! Packages written with another gRPC implementation: Python with grpcio, where there is one.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use bytes::Bytes;
use connector_plugin::{PluginCommand, PluginDestination, PluginSource, PluginStorage};
use kloset_connector::{ErrorKind, Options, PutMode, RangeRequest, ScanOptions, Source, Storage, StoreFile};
use testkit::suites::drive;
use testkit::tree::{build_small_tree, read_tree};

use crate::support::{Heard, context, location};

/// `$PLAKAR_TEST_PYTHON`, else that of the system, if it has grpcio.
fn package(role: &str, report: &Path) -> Option<PluginCommand> {
    let python = std::env::var("PLAKAR_TEST_PYTHON").unwrap_or_else(|_| "/usr/bin/python3".to_owned());
    let has_grpc = Command::new(&python).args(["-c", "import grpc"]).stderr(Stdio::null()).status();
    if !has_grpc.is_ok_and(|status| status.success()) {
        eprintln!("skipped: {python} has no grpcio; PLAKAR_TEST_PYTHON may name one that has");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/plugin.py");
    let mut command = PluginCommand::new("py", "/usr/bin/env");
    command.arguments = vec![
        format!("PLUGIN_REPORT={}", report.display()),
        python,
        script.display().to_string(),
        role.to_owned(),
    ];
    Some(command)
}

#[test]
fn a_foreign_source_is_scanned_read_and_acknowledged() {
    let temp = tempfile::tempdir().expect("temporary folder");
    let root = temp.path().canonicalize().expect("real path").join("tree");
    let report = temp.path().join("report");
    let Some(command) = package("importer", &report) else { return };
    build_small_tree(&root, 5, 20, 3000).expect("tree");
    std::fs::write(root.join("large"), vec![7u8; 3_500_000]).expect("write");
    std::fs::write(root.join("empty"), b"").expect("write");
    std::fs::create_dir(root.join("nothing")).expect("folder");
    std::os::unix::fs::symlink("large", root.join("link")).expect("link");
    let source = PluginSource::new(&command, &location(&root), &Options::new(), &context().0).expect("named");
    let info = source.info().expect("started");
    assert_eq!((info.kind.as_str(), info.origin.as_str()), ("py", "somewhere"));
    assert_eq!(info.directory, root.display().to_string().into_bytes());

    let options = ScanOptions {
        excluded: std::sync::Arc::new(|path: &[u8], _| path.ends_with(b"nothing")),
        xattr_values: true,
    };
    let scanned = drive::scan(&source, &options, usize::MAX).expect("scan");
    assert_eq!(scanned.chain[0].info.name, b"/");
    let last = scanned.chain.last().expect("root");
    assert_eq!(last.info.name, b"tree");
    assert_eq!((&last.xattrs[0].name[..], &last.xattrs[0].value[..]), (&b"user.note"[..], &b"a value"[..]));
    let unreadable = root.join("unreadable").display().to_string().into_bytes();
    assert_eq!(scanned.failed, [(unreadable, false, ErrorKind::Other)]);
    let records = scanned.records();
    assert_eq!(records.len(), 5 + 100 + 3);
    let path = |name: &str| root.join(name).display().to_string().into_bytes();
    assert_eq!(records[&path("link")].target.as_deref(), Some(b"large".as_slice()));

    let files: Vec<(Vec<u8>, u64)> = records
        .iter()
        .filter(|(path, record)| record.info.mode.is_regular() && !path.ends_with(b"1"))
        .map(|(path, record)| (path.clone(), record.info.size as u64))
        .collect();
    let contents = drive::read(&source, &files).expect("read");
    assert_eq!(contents.len(), files.len());
    for (path, content) in &contents {
        let wanted = std::fs::read(String::from_utf8_lossy(path).as_ref()).expect("read");
        assert!(content.as_ref() == Ok(&wanted), "{}", String::from_utf8_lossy(path));
    }
    // Every record was acknowledged, read or not.
    let report = std::fs::read_to_string(report).expect("report");
    let (sent, acknowledged) = report.split_once(' ').expect("two numbers");
    assert_eq!(sent, acknowledged);
}

#[test]
fn a_foreign_source_reads_once_only() {
    let temp = tempfile::tempdir().expect("temporary folder");
    let root = temp.path().canonicalize().expect("real path");
    let Some(command) = package("importer", &root.join("report")) else { return };
    std::fs::write(root.join("file"), b"content").expect("write");
    let source = PluginSource::new(&command, &location(&root), &Options::new(), &context().0).expect("named");
    let path = root.join("file").display().to_string().into_bytes();
    let contents = drive::read(&source, &[(path.clone(), 7)]).expect("read");
    assert_eq!(contents[&path], Err(ErrorKind::Other), "it was not told of");
}

#[test]
fn a_foreign_destination_is_restored_to() {
    let temp = tempfile::tempdir().expect("temporary folder");
    let base = temp.path().canonicalize().expect("real path");
    let Some(command) = package("exporter", &base.join("report")) else { return };
    let (source, target) = (base.join("source"), base.join("target"));
    build_small_tree(&source, 4, 10, 2000).expect("tree");
    std::fs::write(source.join("large"), vec![9u8; 2_500_000]).expect("write");
    std::fs::write(source.join("empty"), b"").expect("write");
    std::os::unix::fs::symlink("large", source.join("link")).expect("link");
    // The package complains that the root exists, which is no failure.
    std::fs::create_dir(&target).expect("folder");
    let (context, heard) = context();
    let destination =
        PluginDestination::new(&command, &location(&target), &Options::new(), &context).expect("named");
    let tree = read_tree(&source).expect("tree");
    let outcomes = drive::restore(&destination, &tree);
    for (path, outcome) in outcomes {
        outcome.unwrap_or_else(|error| panic!("{}: {error}", path.escape_ascii()));
    }
    let Heard(heard) = heard.as_ref();
    assert!(heard.lock().expect("lock").iter().any(|text| text.contains("exists")));
    for name in ["large", "empty"] {
        assert_eq!(std::fs::read(source.join(name)).ok(), std::fs::read(target.join(name)).ok());
    }
    assert_eq!(std::fs::read_link(target.join("link")).ok().as_deref(), Some(Path::new("large")));
    // What it does not do is times.
    let found = read_tree(&target).expect("tree");
    assert_eq!(found.keys().collect::<Vec<_>>(), tree.keys().collect::<Vec<_>>());
}

#[test]
fn a_foreign_store_keeps_what_it_is_given() {
    let temp = tempfile::tempdir().expect("temporary folder");
    let root = temp.path().join("store");
    let Some(command) = package("storage", &temp.path().join("report")) else { return };
    let store = PluginStorage::new(&command, &location(&root), &Options::new(), &context().0).expect("start");
    assert!(store.info().writable);
    assert!(store.read_config().is_err());
    store.create(b"configuration").expect("create");
    assert_eq!(store.read_config().expect("config"), b"configuration");
    let body: Bytes = (0..3_000_000u32).map(|i| (i >> 3) as u8).collect::<Vec<u8>>().into();
    let put = |body: &Bytes| store.put(StoreFile::Packfile, &[1; 32], body.clone(), PutMode::Immutable);
    put(&body).expect("put");
    put(&body).expect("the same again");
    // The protocol would replace it; the host does not let it.
    let error = put(&body.slice(1..)).expect_err("another content");
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
    store.put(StoreFile::State, &[2; 32], Bytes::new(), PutMode::Immutable).expect("an empty object");
    assert_eq!(store.get(StoreFile::State, &[2; 32]).expect("get"), b"");
    assert_eq!(store.get(StoreFile::Packfile, &[1; 32]).expect("get"), body);
    let range = |offset, length| RangeRequest { file: StoreFile::Packfile, name: [1; 32], offset, length };
    let results = Mutex::new(vec![None; 3]);
    store.get_ranges(&[range(100, 2_000_000), range(2_999_999, 1), range(2_999_999, 2)], &|index, result| {
        results.lock().expect("lock")[index] = Some(result.map_err(|error| error.kind));
    });
    let results = results.into_inner().expect("lock");
    assert_eq!(results[0], Some(Ok(body.slice(100..2_000_100))));
    assert_eq!(results[1], Some(Ok(body.slice(2_999_999..))));
    assert_eq!(results[2], Some(Err(ErrorKind::Corrupt)));
    assert_eq!(store.list(StoreFile::Packfile).expect("list").len(), 1);
    store.delete(StoreFile::Packfile, &[1; 32]).expect("delete");
    store.delete(StoreFile::Packfile, &[1; 32]).expect("deleting a missing file succeeds");
    assert_eq!(store.list(StoreFile::Packfile).expect("list"), []);
    let error = store.get(StoreFile::Packfile, &[1; 32]).expect_err("gone");
    assert!(error.message.contains("file does not exist"), "{error}");
}
