//! Single-file stores: fixed names, ranges inside of the packfile, nothing writable.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use connector_fs::{ExistingFile, PtarStorage, PtarWriter, ptar};
use kloset_connector::{
    ArchiveFile, ConnectorContext, ConnectorError, ErrorKind, Location, Options, PutMode, RangeRequest,
    Storage, StoreFile,
};
use kloset_format::ptar::{PACKFILE_ID, STATE_ID};
use tempfile::TempDir;

const CONFIG: &[u8] = b"the configuration";
const PACKFILE: &[u8] = b"0123456789abcdef";
const STATE: &[u8] = b"the state";

fn ptar_bytes() -> Vec<u8> {
    let mut file = b"_PLATAR_\x00\x00\x01\x00".to_vec();
    let mut trailer = Vec::new();
    for part in [CONFIG, PACKFILE, STATE] {
        trailer.extend((file.len() as i64).to_le_bytes());
        trailer.extend((part.len() as i64).to_le_bytes());
        file.extend(part);
    }
    file.extend(trailer);
    file
}

fn written(bytes: &[u8]) -> (TempDir, PathBuf) {
    let temp = TempDir::new().expect("temporary folder");
    let path = temp.path().join("x.ptar");
    std::fs::write(&path, bytes).expect("write");
    (temp, path)
}

fn open(path: &Path) -> Result<PtarStorage, ConnectorError> {
    let location = Location::parse(&path.display().to_string());
    ptar::open(&location, &Options::new(), &ConnectorContext::silent("/".into()))
}

#[test]
fn the_three_files_are_read_under_any_name() {
    let (_temp, path) = written(&ptar_bytes());
    let store = open(&path).expect("well-formed");
    assert!(!store.info().writable);
    assert_eq!(store.read_config().expect("config"), CONFIG);
    assert_eq!(store.get(StoreFile::Packfile, &[9; 32]).expect("packfile"), PACKFILE);
    assert_eq!(store.get(StoreFile::State, &STATE_ID.0).expect("state"), STATE);
    assert_eq!(store.list(StoreFile::Packfile).expect("list")[0].name, PACKFILE_ID.0);
    assert_eq!(store.list(StoreFile::State).expect("list")[0].name, STATE_ID.0);
    assert_eq!(store.list(StoreFile::Lock).expect("list"), []);
    assert_eq!(PACKFILE_ID.0[..4], [0, 1, 2, 3]);
    assert_eq!(STATE_ID.0[..4], [15, 14, 13, 12]);
}

#[test]
fn ranges_count_from_the_start_of_the_packfile_and_end_with_it() {
    let (_temp, path) = written(&ptar_bytes());
    let store = open(&path).expect("well-formed");
    let range = |offset, length| RangeRequest { file: StoreFile::Packfile, name: [1; 32], offset, length };
    let requests = [range(10, 6), range(0, 16), range(10, 7), range(u64::MAX, 1)];
    let results = Mutex::new(vec![None; requests.len()]);
    store.get_ranges(&requests, &|index, result| {
        results.lock().expect("not poisoned")[index] = Some(result.map_err(|error| error.kind));
    });
    let results = results.into_inner().expect("not poisoned");
    assert_eq!(results[0], Some(Ok(b"abcdef".as_slice().into())));
    assert_eq!(results[1], Some(Ok(PACKFILE.into())));
    assert_eq!(results[2], Some(Err(ErrorKind::Corrupt)));
    assert_eq!(results[3], Some(Err(ErrorKind::Corrupt)));
}

#[test]
fn nothing_can_be_written() {
    let (_temp, path) = written(&ptar_bytes());
    let store = open(&path).expect("well-formed");
    let put = store.put(StoreFile::State, &[1; 32], b"x".as_slice().into(), PutMode::Immutable);
    for result in [store.create(b"x"), put, store.delete(StoreFile::State, &[1; 32])] {
        let error = result.expect_err("read-only");
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Unsupported, "storage is not writable"));
    }
    assert_eq!(std::fs::read(&path).expect("read"), ptar_bytes());
}

#[test]
fn damaged_files_are_refused_without_panic() {
    let good = ptar_bytes();
    for length in 0..good.len() {
        let (_temp, path) = written(&good[..length]);
        let error = open(&path).err();
        assert!(error.is_none_or(|error| error.kind == ErrorKind::Corrupt));
    }
    // A flipped byte in header or trailer is refused or leads to other, bounded places.
    for at in (0..12).chain(good.len() - 48..good.len()) {
        let mut bytes = good.clone();
        bytes[at] ^= 0xff;
        let (_temp, path) = written(&bytes);
        if let Ok(store) = open(&path) {
            let _ = store.read_config();
            let _ = store.get(StoreFile::Packfile, &[0; 32]);
            let _ = store.get(StoreFile::State, &[0; 32]);
        }
    }
    assert_eq!(open(Path::new("/nonexistent/x.ptar")).expect_err("missing").kind, ErrorKind::NotFound);
}

fn writer(path: &Path, existing: ExistingFile) -> PtarWriter {
    let location = Location::parse(&format!("ptar:{}", path.display()));
    PtarWriter::new(&location, existing, &ConnectorContext::silent("/".into())).expect("a named file")
}

#[test]
fn a_written_file_appears_when_it_is_complete() {
    let temp = TempDir::new().expect("folder");
    let path = temp.path().join("a.ptar");
    let file = writer(&path, ExistingFile::Refuse);
    assert!(file.append(b"x").is_err(), "nothing was begun");
    file.begin().expect("begin");
    assert_eq!(file.append(b"hello ").expect("append"), 0);
    assert_eq!(file.append(b"world").expect("append"), 6);
    assert_eq!(file.read(4..8).expect("read"), b"o wo".as_slice());
    assert_eq!(file.read(4..12).expect_err("outside").kind, ErrorKind::Corrupt);
    assert!(!path.exists() && file.temporary().is_some_and(|temporary| temporary.exists()));
    file.publish().expect("publish");
    assert_eq!(std::fs::read(&path).expect("read"), b"hello world");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).expect("stat"));
    assert_eq!(mode & 0o7777, 0o600);
    drop(file);
    assert!(path.exists());

    let error = writer(&path, ExistingFile::Refuse).begin().expect_err("it exists");
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::AlreadyExists, "file exists"));
    let other = writer(&path, ExistingFile::Replace);
    other.begin().expect("begin");
    other.append(b"new").expect("append");
    assert_eq!(std::fs::read(&path).expect("read"), b"hello world", "the old one stays until then");
    other.publish().expect("publish");
    assert_eq!(std::fs::read(&path).expect("read"), b"new");
    let given_up = writer(&path, ExistingFile::Replace);
    given_up.begin().expect("begin");
    drop(given_up);
    assert_eq!(std::fs::read_dir(temp.path()).expect("list").count(), 1);
}

#[test]
fn only_files_are_replaced() {
    let temp = TempDir::new().expect("folder");
    let path = temp.path().join("a.ptar");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    let error = writer(&path, ExistingFile::Replace).begin().expect_err("a pipe stays what it is");
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    assert!(!path.symlink_metadata().expect("still there").is_file());
}
