//! Single-file stores: several snapshots in one file, which appears whole or not at all.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use connector_fs::{ExistingFile, PtarWriter};
use kloset::archive::Archive;
use kloset::backup::{BackupOptions, backup};
use kloset::check::{CheckOptions, check};
use kloset::repository::{CreateOptions, OpenOptions};
use kloset::{Error, Repository, SilentMonitor};
use kloset_codec::compress::Compression;
use kloset_codec::hash::HashAlgorithm;
use kloset_connector::{ArchiveFile, ConnectorContext, ConnectorError, ErrorKind, Location, StorageInfo};
use tempfile::tempdir;
use testkit::MemoryTree;

use crate::fixtures::store::{by_age, open_ptar};
use crate::rig::{Numbers, read_back, runtime};

fn settings() -> (CreateOptions, OpenOptions) {
    let (hashing, compression) = (HashAlgorithm::Blake3, Some(Compression::Lz4));
    let options = CreateOptions { hashing, compression, passphrase: None };
    (options, OpenOptions::new(runtime(2), Arc::new(SilentMonitor)))
}

fn writer(path: &Path) -> PtarWriter {
    let location = Location { scheme: "ptar".to_owned(), rest: path.to_str().unwrap().to_owned() };
    PtarWriter::new(&location, ExistingFile::Refuse, &ConnectorContext::silent("/".into())).unwrap()
}

/// Two trees with much in common, and more in them than one packfile holds.
fn trees() -> [MemoryTree; 2] {
    let mut numbers = Numbers::new(7);
    let mut first = MemoryTree::new();
    for file in 0..16 {
        first.write(&format!("folder/{file}"), numbers.bytes(3 << 20));
    }
    let mut second = first.clone();
    second.write("folder/3", numbers.bytes(100_000));
    second.write("new", b"small".to_vec());
    [first, second]
}

fn add<F: ArchiveFile + 'static>(
    archive: &Arc<Archive<F>>,
    repository: Repository,
    tree: &MemoryTree,
) -> Result<Repository, Error> {
    let repository = Arc::new(repository);
    let options = BackupOptions { ignore_parent: true, ..BackupOptions::default() };
    backup(&repository, tree, &options, &SilentMonitor)?;
    assert!(archive.written_bytes() > 0);
    Ok(repository.refresh().unwrap())
}

#[test]
fn several_snapshots_share_what_they_have_in_common() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.ptar");
    let (options, open) = settings();
    let (archive, mut repository) = Archive::create(writer(&path), &options, open).unwrap();
    let trees = trees();
    let mut written = Vec::new();
    for tree in &trees {
        repository = add(&archive, repository, tree).unwrap();
        written.push(archive.written_bytes());
    }
    assert!(!path.exists(), "it has no name before it is complete");
    archive.finish(&repository).unwrap();
    assert!(written[0] > 48 << 20 && written[1] - written[0] < 1 << 20, "{written:?}");

    let opened = open_ptar(&path);
    let snapshots = by_age(&opened);
    assert_eq!(snapshots.len(), 2);
    for (snapshot, tree) in snapshots.iter().zip(&trees) {
        assert!(read_back(&opened, snapshot.id()).unwrap() == tree.contents());
    }
    let targets: Vec<_> = snapshots.iter().map(|snapshot| (snapshot.id(), b"/".to_vec())).collect();
    let mut checked = 0;
    check(&opened, &targets, CheckOptions::default(), &SilentMonitor, &mut |one| {
        assert_eq!(one.errors, 0, "{one:?}");
        checked += 1;
    })
    .unwrap();
    assert_eq!(checked, 2);
}

/// A file in memory that fails after so many bytes.
struct Failing {
    bytes: Mutex<Vec<u8>>,
    bytes_max: usize,
    published: Mutex<bool>,
}

impl ArchiveFile for Failing {
    fn info(&self) -> StorageInfo {
        StorageInfo {
            kind: "ptar".to_owned(),
            location: "ptar:///memory".to_owned(),
            origin: String::new(),
            root: "/memory".to_owned(),
            writable: true,
            puts_at_once: 1,
            gets_at_once: 1,
            gap_bytes: 0,
        }
    }
    fn begin(&self) -> Result<(), ConnectorError> {
        Ok(())
    }
    fn append(&self, bytes: &[u8]) -> Result<u64, ConnectorError> {
        let mut all = self.bytes.lock().unwrap();
        if all.len() + bytes.len() > self.bytes_max {
            return Err(ConnectorError::new(ErrorKind::NoSpace, "write", "/memory", "no space left"));
        }
        all.extend_from_slice(bytes);
        Ok((all.len() - bytes.len()) as u64)
    }
    fn read(&self, range: Range<u64>) -> Result<Bytes, ConnectorError> {
        Ok(Bytes::copy_from_slice(&self.bytes.lock().unwrap()[range.start as usize..range.end as usize]))
    }
    fn publish(&self) -> Result<(), ConnectorError> {
        *self.published.lock().unwrap() = true;
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_at_every_place_and_publishes_nothing() {
    let mut tree = MemoryTree::new();
    tree.write("file", Numbers::new(1).bytes(50_000));
    let attempt = |bytes_max| -> Result<usize, String> {
        let file = Failing { bytes: Mutex::default(), bytes_max, published: Mutex::default() };
        let (options, open) = settings();
        let made = Archive::create(file, &options, open).map_err(|error| format!("{error:?}"))?;
        let (archive, repository) = made;
        let result = add(&archive, repository, &tree).and_then(|repository| archive.finish(&repository));
        assert_eq!(*archive.file().published.lock().unwrap(), result.is_ok());
        result.map_err(|error| format!("{error:?}")).map(|()| archive.file().bytes.lock().unwrap().len())
    };
    let whole = attempt(usize::MAX).unwrap();
    // Padding is random: the sizes differ by a few KiB.
    for bytes_max in (0..whole - (40 << 10)).step_by(whole / 50) {
        let error = attempt(bytes_max).expect_err("the disk was full");
        assert!(error.contains("NoSpace") || error.contains("no space left"), "{error}");
    }
}

#[test]
fn what_is_not_finished_leaves_no_file() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.ptar");
    let (options, open) = settings();
    let (archive, repository) = Archive::create(writer(&path), &options, open.clone()).unwrap();
    let mut tree = MemoryTree::new();
    tree.write("file", b"x".to_vec());
    let repository = add(&archive, repository, &tree).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    drop((archive, repository));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    // A file that appears meanwhile is not replaced.
    let (archive, repository) = Archive::create(writer(&path), &options, open).unwrap();
    let repository = add(&archive, repository, &tree).unwrap();
    std::fs::write(&path, "mine").unwrap();
    assert!(archive.finish(&repository).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}
