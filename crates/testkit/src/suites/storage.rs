//! What every storage must do.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use kloset_connector::{ErrorKind, PutMode, RangeRequest, Storage, StoreFile};
use kloset_format::Mac;
use tempfile::TempDir;

use super::announce;

/// Makes a storage for the store folder at a local path.
pub type Factory<'a> = &'a dyn Fn(&Path) -> Box<dyn Storage>;

/// Runs every case.
pub fn run(factory: Factory<'_>) {
    for (sentence, case) in CASES {
        announce("storage", sentence);
        case(&factory);
    }
}

/// One thing that must hold: its sentence and the test.
type Case = (&'static str, fn(&Factory<'_>));

const CASES: &[Case] = &[
    ("create makes the whole layout and config comes back", create_makes_the_whole_layout),
    ("create refuses a folder that is not empty", create_refuses_a_folder_that_is_not_empty),
    ("create finishes an unfinished create", create_finishes_an_unfinished_create),
    ("a store without config is not found", store_without_config_is_not_found),
    ("files come back whole, listed, and go away", files_come_back_whole),
    ("an existing immutable file is never replaced", immutable_files_are_never_replaced),
    ("a lock can be replaced", lock_can_be_replaced),
    ("a missing bucket fails the listing", missing_bucket_fails_the_listing),
    ("foreign names are left out of listings", foreign_names_are_left_out),
    ("ranges come back exactly once each", ranges_come_back_exactly_once_each),
    ("ranges outside of a file are damage", ranges_outside_of_a_file_are_damage),
    ("many puts at once all arrive", many_puts_at_once_all_arrive),
    ("a failed put leaves nothing behind", failed_put_leaves_nothing_behind),
    ("old temporary files are found and removed", old_temporary_files_are_removed),
    ("ping reports its steps", ping_reports_its_steps),
];

const CONFIG: &[u8] = b"configuration of a store";

/// A created store in a folder of its own.
struct Store {
    _temp: TempDir,
    root: std::path::PathBuf,
    storage: Box<dyn Storage>,
}

fn created(factory: &Factory<'_>) -> Store {
    let temp = TempDir::new().expect("temporary folder");
    let root = temp.path().join("parent").join("store");
    let storage = factory(&root);
    storage.create(CONFIG).expect("create a store with missing parents");
    Store { _temp: temp, root, storage }
}

fn name(number: u32) -> [u8; 32] {
    let mut name = [0u8; 32];
    name[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
    name[28..].copy_from_slice(&number.to_be_bytes());
    name
}

fn body(number: u32, length: usize) -> Bytes {
    (0..length).map(|i| (i as u32).wrapping_mul(number | 1).to_le_bytes()[1]).collect::<Vec<u8>>().into()
}

fn create_makes_the_whole_layout(factory: &Factory<'_>) {
    let store = created(factory);
    assert_eq!(store.storage.read_config().expect("config"), CONFIG);
    for folder in ["packfiles", "states"] {
        for bucket in 0..256 {
            assert!(store.root.join(folder).join(format!("{bucket:02x}")).is_dir(), "{folder}/{bucket:02x}");
        }
    }
    assert!(store.root.join("locks").is_dir());
    for file in [StoreFile::Packfile, StoreFile::State, StoreFile::Lock] {
        assert_eq!(store.storage.list(file).expect("list"), []);
    }
    let leftovers: Vec<_> = std::fs::read_dir(&store.root).expect("root").flatten().collect();
    assert_eq!(leftovers.len(), 4, "nothing but CONFIG and three folders: {leftovers:?}");
}

fn create_refuses_a_folder_that_is_not_empty(factory: &Factory<'_>) {
    let store = created(factory);
    let error = store.storage.create(b"other").expect_err("a store is there");
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
    assert_eq!(store.storage.read_config().expect("config"), CONFIG);

    let temp = TempDir::new().expect("temporary folder");
    std::fs::write(temp.path().join("precious"), b"x").expect("write");
    let error = factory(temp.path()).create(CONFIG).expect_err("not empty");
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
    assert!(error.message.contains("is not empty"), "{error}");

    let empty = TempDir::new().expect("temporary folder");
    factory(empty.path()).create(CONFIG).expect("an empty folder will do");
}

fn create_finishes_an_unfinished_create(factory: &Factory<'_>) {
    let store = created(factory);
    std::fs::remove_file(store.root.join("CONFIG")).expect("remove");
    std::fs::remove_dir(store.root.join("states").join("77")).expect("remove");
    store.storage.create(CONFIG).expect("leftovers are finished");
    assert!(store.root.join("states").join("77").is_dir());

    // With data in it, it is a store that lost its CONFIG: a new one would hide that.
    store.storage.put(StoreFile::State, &name(1), body(1, 10), PutMode::Immutable).expect("put");
    std::fs::remove_file(store.root.join("CONFIG")).expect("remove");
    let error = store.storage.create(CONFIG).expect_err("data is there");
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
}

fn store_without_config_is_not_found(factory: &Factory<'_>) {
    let store = created(factory);
    std::fs::remove_file(store.root.join("CONFIG")).expect("remove");
    assert_eq!(store.storage.read_config().expect_err("gone").kind, ErrorKind::NotFound);
    std::fs::write(store.root.join("CONFIG"), vec![0; (64 << 10) + 1]).expect("write");
    assert!(store.storage.read_config().is_err(), "a CONFIG above the limit is refused");
    std::fs::remove_dir_all(&store.root).expect("remove");
    assert_eq!(store.storage.read_config().expect_err("gone").kind, ErrorKind::NotFound);
}

fn files_come_back_whole(factory: &Factory<'_>) {
    let store = created(factory);
    for file in [StoreFile::Packfile, StoreFile::State, StoreFile::Lock] {
        for (number, length) in [(1, 0), (2, 1), (3, 70_000), (4, 3_000_001)] {
            let content = body(number, length);
            store.storage.put(file, &name(number), content.clone(), PutMode::Immutable).expect("put");
            assert_eq!(store.storage.get(file, &name(number)).expect("get"), content);
        }
        let mut listed = store.storage.list(file).expect("list");
        listed.sort_by_key(|listed| listed.name);
        let mut names: Vec<_> = (1..=4).map(name).collect();
        names.sort_unstable();
        assert_eq!(listed.iter().map(|listed| listed.name).collect::<Vec<_>>(), names);
        let size = listed.iter().find(|listed| listed.name == name(3)).and_then(|listed| listed.size);
        assert!(matches!(size, None | Some(70_000)), "{size:?}");
        store.storage.delete(file, &name(3)).expect("delete");
        store.storage.delete(file, &name(3)).expect("deleting a missing file succeeds");
        let error = store.storage.get(file, &name(3)).expect_err("gone");
        assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
        assert_eq!(store.storage.list(file).expect("list").len(), 3);
    }
}

fn immutable_files_are_never_replaced(factory: &Factory<'_>) {
    let store = created(factory);
    let put = |content: Bytes| store.storage.put(StoreFile::Packfile, &name(9), content, PutMode::Immutable);
    put(body(9, 5000)).expect("first");
    put(body(9, 5000)).expect("the same again is success");
    for other in [body(10, 5000), body(9, 4999), body(9, 5001), Bytes::new()] {
        let error = put(other).expect_err("other content");
        assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
    }
    assert_eq!(store.storage.get(StoreFile::Packfile, &name(9)).expect("get"), body(9, 5000));
    no_temporary_files(&store);
}

fn lock_can_be_replaced(factory: &Factory<'_>) {
    let store = created(factory);
    for number in 0..3 {
        let content = body(number, 100 + number as usize);
        store.storage.put(StoreFile::Lock, &name(7), content.clone(), PutMode::Replace).expect("put");
        assert_eq!(store.storage.get(StoreFile::Lock, &name(7)).expect("get"), content);
    }
    assert_eq!(store.storage.list(StoreFile::Lock).expect("list").len(), 1);
    no_temporary_files(&store);
}

fn missing_bucket_fails_the_listing(factory: &Factory<'_>) {
    let store = created(factory);
    store.storage.put(StoreFile::State, &name(1), body(1, 10), PutMode::Immutable).expect("put");
    for (file, folder) in [(StoreFile::State, "states"), (StoreFile::Packfile, "packfiles")] {
        std::fs::remove_dir(store.root.join(folder).join("fe")).expect("remove");
        let error = store.storage.list(file).expect_err("a bucket is missing");
        assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
        std::fs::remove_dir_all(store.root.join(folder)).expect("remove");
        assert!(store.storage.list(file).is_err());
    }
}

fn foreign_names_are_left_out(factory: &Factory<'_>) {
    let store = created(factory);
    store.storage.put(StoreFile::Packfile, &name(1), body(1, 10), PutMode::Immutable).expect("put");
    let bucket = store.root.join("packfiles").join("00");
    std::fs::write(bucket.join("README"), b"x").expect("write");
    std::fs::write(bucket.join(format!("{}.tmp", "0".repeat(64))), b"x").expect("write");
    std::fs::write(bucket.join("g".repeat(64)), b"x").expect("write");
    std::fs::create_dir(bucket.join("0".repeat(64))).expect("folder");
    std::fs::write(store.root.join("packfiles").join("tmp.123"), b"x").expect("write");
    let listed = store.storage.list(StoreFile::Packfile).expect("list");
    assert_eq!(listed.iter().map(|listed| listed.name).collect::<Vec<_>>(), [name(1)]);
}

fn ranges_come_back_exactly_once_each(factory: &Factory<'_>) {
    let store = created(factory);
    let bodies: Vec<Bytes> = (0..5).map(|number| body(number, 400_000 + number as usize)).collect();
    for (number, content) in bodies.iter().enumerate() {
        let put =
            store.storage.put(StoreFile::Packfile, &name(number as u32), content.clone(), PutMode::Immutable);
        put.expect("put");
    }
    let mut requests = Vec::new();
    for step in 0..300u64 {
        let number = (step * 7 % 5) as u32;
        let offset = step * 1_313 % 390_000;
        requests.push(range(number, offset, step * 97 % 9_000));
    }
    requests.push(range(2, 0, 400_002));
    requests.push(range(2, 400_002, 0));
    let results = fetch(store.storage.as_ref(), &requests);
    for (request, result) in requests.iter().zip(results) {
        let number = (0..5).find(|&number| name(number) == request.name).expect("one of ours");
        let (start, end) = (request.offset as usize, (request.offset + request.length) as usize);
        assert_eq!(result.expect("inside of the file"), bodies[number as usize].slice(start..end));
    }
}

fn range(number: u32, offset: u64, length: u64) -> RangeRequest {
    RangeRequest { file: StoreFile::Packfile, name: name(number), offset, length }
}

fn fetch(storage: &dyn Storage, requests: &[RangeRequest]) -> Vec<Result<Bytes, ErrorKind>> {
    let results: Mutex<Vec<Option<Result<Bytes, ErrorKind>>>> = Mutex::new(vec![None; requests.len()]);
    storage.get_ranges(requests, &|index, result| {
        let mut results = results.lock().expect("not poisoned");
        let slot = results.get_mut(index).expect("an index that was asked for");
        let before = slot.replace(result.map_err(|error| error.kind));
        assert!(before.is_none(), "range {index} was delivered twice");
    });
    let results = results.into_inner().expect("not poisoned");
    results.into_iter().map(|result| result.expect("every range is delivered")).collect()
}

fn ranges_outside_of_a_file_are_damage(factory: &Factory<'_>) {
    let store = created(factory);
    store.storage.put(StoreFile::Packfile, &name(1), body(1, 1000), PutMode::Immutable).expect("put");
    let requests = [
        range(1, 0, 1000),
        range(1, 1, 1000),
        range(1, 1000, 1),
        range(1, u64::MAX, 2),
        range(1, 0, u64::MAX),
        range(2, 0, 1),
    ];
    let kinds: Vec<_> = fetch(store.storage.as_ref(), &requests)
        .into_iter()
        .map(|result| result.map(|bytes| bytes.len()))
        .collect();
    let damage = Err(ErrorKind::Corrupt);
    assert_eq!(kinds, [Ok(1000), damage, damage, damage, damage, Err(ErrorKind::NotFound)]);
}

fn many_puts_at_once_all_arrive(factory: &Factory<'_>) {
    let store = created(factory);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let storage = store.storage.as_ref();
            scope.spawn(move || {
                for number in 0..12 {
                    // Every name is written by two threads.
                    let number = thread / 2 * 100 + number;
                    let put = storage.put(
                        StoreFile::Packfile,
                        &name(number),
                        body(number, 20_000),
                        PutMode::Immutable,
                    );
                    put.expect("put");
                }
            });
        }
    });
    assert_eq!(store.storage.list(StoreFile::Packfile).expect("list").len(), 48);
    no_temporary_files(&store);
}

fn failed_put_leaves_nothing_behind(factory: &Factory<'_>) {
    let store = created(factory);
    let name = name(3);
    let bucket = store.root.join("packfiles").join(format!("{:02x}", name[0]));
    std::fs::remove_dir(&bucket).expect("remove");
    let put = store.storage.put(StoreFile::Packfile, &name, body(3, 100), PutMode::Immutable);
    assert!(put.is_err(), "the bucket is gone");
    std::fs::create_dir(&bucket).expect("folder");
    no_temporary_files(&store);
    assert!(!bucket.join(Mac(name).to_string()).exists());
    store.storage.put(StoreFile::Packfile, &name, body(3, 100), PutMode::Immutable).expect("repeated");
}

/// Looks at every file of the store from outside.
fn no_temporary_files(store: &Store) {
    let mut folders = vec![store.root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("list").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                let name = entry.file_name().to_string_lossy().into_owned();
                assert!(name == "CONFIG" || Mac::from_hex(&name).is_some(), "left over: {:?}", entry.path());
            }
        }
    }
}

fn old_temporary_files_are_removed(factory: &Factory<'_>) {
    let store = created(factory);
    let leftover = store.root.join("packfiles").join("tmp.1234");
    std::fs::write(&leftover, b"half").expect("write");
    let find = |older_than, remove| store.storage.temporary_files(older_than, remove).expect("look");
    assert_eq!(find(Duration::from_secs(3600), true), Vec::<String>::new(), "it is young");
    std::thread::sleep(Duration::from_millis(1100));
    let found = find(Duration::from_secs(1), false);
    if found.is_empty() {
        eprintln!("skipped: this storage does not look for temporary files");
        return;
    }
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("tmp.1234") && leftover.exists());
    assert_eq!(find(Duration::from_secs(1), true), found);
    assert!(!leftover.exists());
}

fn ping_reports_its_steps(factory: &Factory<'_>) {
    let store = created(factory);
    let mut steps = Vec::new();
    store.storage.ping(&mut |step, result| {
        result.unwrap_or_else(|error| panic!("{step}: {error}"));
        steps.push(step.to_owned());
    });
    assert!(steps.len() >= 2, "{steps:?}");
    no_temporary_files(&store);
}
