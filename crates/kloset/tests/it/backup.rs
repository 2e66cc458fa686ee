//! Backups into a local store, read back by the engine itself.

use std::path::Path;
use std::sync::Arc;

use connector_fs::{FsSource, FsStorage};
use kloset::backup::{BackupOptions, BackupReport, backup};
use kloset::check::{CheckOptions, check};
use kloset::repository::{CreateOptions, LockedStore, OpenOptions, create};
use kloset::{Repository, Runtime, SilentMonitor, Snapshot};
use kloset_codec::compress::Compression;
use kloset_codec::hash::HashAlgorithm;
use kloset_connector::{ConnectorContext, Location, Options, Storage};

fn runtime() -> Runtime {
    Runtime::system(2, "testhost".to_owned())
}

fn storage(path: &Path) -> Arc<dyn Storage> {
    let location = Location::parse(path.to_str().unwrap());
    Arc::new(FsStorage::new(&location, &Options::new(), &ConnectorContext::silent("/".into())).unwrap())
}

fn make_store(path: &Path) {
    let options = CreateOptions {
        hashing: HashAlgorithm::Blake3,
        compression: Some(Compression::Lz4),
        passphrase: None,
    };
    create(storage(path).as_ref(), &options, &runtime()).unwrap();
}

fn open(path: &Path) -> Arc<Repository> {
    let options = OpenOptions::new(runtime(), Arc::new(SilentMonitor));
    match LockedStore::probe(storage(path), options).unwrap().unlock(None) {
        Ok(repository) => Arc::new(repository),
        Err((_, error)) => panic!("{error}"),
    }
}

fn run(store: &Path, tree: &Path) -> BackupReport {
    let location = Location::parse(tree.to_str().unwrap());
    let source = FsSource::new(&location, &Options::new(), &ConnectorContext::silent("/".into())).unwrap();
    let options = BackupOptions { name: "default".to_owned(), ..BackupOptions::default() };
    backup(&open(store), &source, &options, &SilentMonitor).unwrap()
}

fn check_is_clean(store: &Path) {
    let repository = open(store);
    let targets: Vec<_> = repository.snapshots().into_iter().map(|id| (id, b"/".to_vec())).collect();
    let mut errors = 0;
    check(&repository, &targets, CheckOptions::default(), &SilentMonitor, &mut |one| errors += one.errors)
        .unwrap();
    assert_eq!(errors, 0);
}

fn fill(tree: &Path) {
    std::fs::create_dir_all(tree.join("a/b")).unwrap();
    std::fs::create_dir(tree.join("empty")).unwrap();
    std::fs::write(tree.join("a/one"), b"one").unwrap();
    std::fs::write(tree.join("a/b/zero"), b"").unwrap();
    std::fs::write(tree.join("big"), vec![7u8; 20 << 20]).unwrap();
    std::os::unix::fs::symlink("a/one", tree.join("link")).unwrap();
    let noise: Vec<u8> =
        (0..5_000_000u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as u8).collect();
    std::fs::write(tree.join("noise"), noise).unwrap();
}

#[test]
fn backup_is_listed_complete_and_clean() {
    let folder = tempfile::tempdir().unwrap();
    let (store, tree) = (folder.path().join("store"), folder.path().join("tree"));
    fill(&tree);
    make_store(&store);
    let report = run(&store, &tree);
    assert_eq!((report.errors, report.files, report.files_unchanged), (0, 4, 0));
    let repository = open(&store);
    assert_eq!(repository.snapshots(), vec![report.snapshot]);
    let snapshot = Snapshot::open(&repository, report.snapshot).unwrap();
    let names: Vec<_> = snapshot
        .children(tree.as_os_str().as_encoded_bytes())
        .unwrap()
        .into_iter()
        .map(|e| e.info.name)
        .collect();
    assert_eq!(names, [&b"a"[..], b"big", b"empty", b"link", b"noise"]);
    let found = snapshot.entry(tree.join("noise").as_os_str().as_encoded_bytes()).unwrap();
    let mut content = Vec::new();
    snapshot.write_content(&found.entry, &mut content).unwrap().unwrap();
    assert_eq!(content, std::fs::read(tree.join("noise")).unwrap());
    check_is_clean(&store);
}

#[test]
fn unchanged_files_are_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, tree) = (folder.path().join("store"), folder.path().join("tree"));
    fill(&tree);
    make_store(&store);
    run(&store, &tree);
    std::fs::write(tree.join("a/two"), b"two").unwrap();
    let second = run(&store, &tree);
    assert_eq!((second.files, second.files_unchanged, second.read_bytes), (5, 4, 3));
    check_is_clean(&store);
}
