//! Servers that can do less, or do it wrongly: the testkit's scripted server behind a real sshd.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kloset_connector::layer::RetriedStorage;
use kloset_connector::{
    ConnectorContext, Destination, ErrorKind, Limitation, Options, PutMode, RetryPolicy, Source, Storage,
    StoreFile,
};
use testkit::scripted_sftp::{Crowd, Dialect, ScriptedServer, Wrong};
use testkit::sshd::Sshd;
use testkit::tree::{Fidelity, assert_same_tree, build_small_tree};

use crate::destination::{destination_by, restore};
use crate::source::{check, read, requests, scan, source_by};
use crate::support::{context, location, options, storage_by};

/// A scripted server and the sshd in front of it.
struct Lesser {
    scripted: ScriptedServer,
    sshd: Sshd,
    temp: tempfile::TempDir,
}

impl Lesser {
    fn start(dialect: Dialect) -> Self {
        let scripted = ScriptedServer::start(dialect).expect("scripted server");
        let sshd = scripted.behind_sshd().expect("private sshd");
        Self { scripted, sshd, temp: tempfile::tempdir().expect("temporary folder") }
    }

    fn retried(&self, path: &Path) -> RetriedStorage<connector_sftp::SftpStorage> {
        let context = quick();
        RetriedStorage::new(storage_by(&self.sshd.ssh_config(), path, &context), context)
    }

    /// A small tree goes to the server and comes back, and a store lives there.
    fn serves_all_roles(&self) {
        let (tree, target) = (self.temp.path().join("tree"), self.temp.path().join("target"));
        build_small_tree(&tree, 12, 25, 3000).expect("tree");
        std::fs::write(tree.join("large"), vec![7; 5_000_000]).expect("write");
        let config = self.sshd.ssh_config();
        let source = source_by(&config, &tree, &quick());
        let found = scan(&source);
        let contents = read(&source, requests(&found));
        assert_eq!(*contents.failures.lock().expect("lock"), []);
        check(&tree, &found, &contents);
        restore(&tree, &destination_by(&config, &target, &quick()));
        assert_same_tree(&tree, &target, Fidelity { hard_links: false, ..Fidelity::sftp() });
        store_lives(&self.retried(&self.temp.path().join("store")), 24);
    }
}

fn quick() -> ConnectorContext {
    let (mut context, _) = context();
    context.retry = RetryPolicy {
        first_wait: Duration::from_millis(20),
        longest_wait: Duration::from_millis(200),
        give_up_after: Duration::from_secs(20),
        ..RetryPolicy::default()
    };
    context
}

fn name(number: usize) -> [u8; 32] {
    let mut name = [number as u8; 32];
    name[0] = (number * 37) as u8;
    name
}

fn body(number: usize) -> Bytes {
    Bytes::from((0..90_000 * (number % 4) + 10).map(|at| (at * 31 + number) as u8).collect::<Vec<u8>>())
}

fn store_lives(store: &dyn Storage, count: usize) {
    store.create(b"config").expect("create");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for number in (thread..count).step_by(4) {
                    for _ in 0..2 {
                        let put =
                            store.put(StoreFile::Packfile, &name(number), body(number), PutMode::Immutable);
                        put.expect("put, also a second time");
                    }
                }
            });
        }
    });
    let listed: BTreeSet<_> =
        store.list(StoreFile::Packfile).expect("list").into_iter().map(|one| (one.name, one.size)).collect();
    let wanted: BTreeSet<_> =
        (0..count).map(|number| (name(number), Some(body(number).len() as u64))).collect();
    assert_eq!(listed, wanted);
    for number in 0..count {
        assert!(store.get(StoreFile::Packfile, &name(number)).expect("get") == body(number));
    }
    let other = store.put(StoreFile::Packfile, &name(1), Bytes::from_static(b"other"), PutMode::Immutable);
    assert_eq!(other.expect_err("the name is taken").kind, ErrorKind::AlreadyExists);
    store.put(StoreFile::Lock, &name(1), Bytes::from_static(b"lock"), PutMode::Replace).expect("lock");
    assert_eq!(store.get(StoreFile::Lock, &name(1)).expect("get"), b"lock");
}

#[test]
fn server_without_extensions_and_with_small_packets_serves_all_roles() {
    Lesser::start(Dialect { data_bytes_max: 32 << 10, ..Dialect::default() }).serves_all_roles();
}

#[test]
fn server_with_eight_handles_serves_all_roles() {
    let lesser = Lesser::start(Dialect { handles_max: 8, data_bytes_max: 32 << 10, ..Dialect::default() });
    lesser.serves_all_roles();
    assert!(lesser.scripted.handles_most() <= 8);
}

#[test]
fn users_limit_of_files_in_flight_is_kept() {
    let lesser = Lesser::start(Dialect::default());
    let tree = lesser.temp.path().join("tree");
    build_small_tree(&tree, 10, 20, 3000).expect("tree");
    let mut context = quick();
    context.concurrency = Some(2);
    let source = source_by(&lesser.sshd.ssh_config(), &tree, &context);
    let found = scan(&source);
    check(&tree, &found, &read(&source, requests(&found)));
    // The second channel may come too late to be used: the limit bounds, it does not promise.
    let (handles, sessions) = (lesser.scripted.handles_most(), lesser.scripted.sessions() as usize);
    assert!(
        (1..=2).contains(&sessions) && handles * sessions <= 2,
        "{handles} handles in {sessions} sessions"
    );
}

#[test]
fn slow_folders_are_read_side_by_side() {
    let lesser = Lesser::start(Dialect {
        readdir_delay: Duration::from_millis(50),
        readdir_names: 10,
        ..Dialect::default()
    });
    let tree = lesser.temp.path().join("tree");
    build_small_tree(&tree, 30, 20, 100).expect("tree");
    let source = source_by(&lesser.sshd.ssh_config(), &tree, &quick());
    source.warm_up().expect("channels");
    let start = Instant::now();
    let found = scan(&source);
    // One after the other on one channel: 30 folders x 4 answers x 50 ms = 6 s.
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(found.listed.lock().expect("lock").len(), 31);
}

#[test]
fn folder_of_200_000_files_is_listed_whole() {
    let temp = tempfile::tempdir().expect("temporary folder");
    let path = temp.path().join("crowd");
    std::fs::create_dir(&path).expect("folder");
    let crowd = Crowd { path: path.clone(), files: 200_000 };
    let lesser = Lesser::start(Dialect { crowd: Some(crowd), ..Dialect::default() });
    let found = scan(&source_by(&lesser.sshd.ssh_config(), &path, &quick()));
    assert_eq!(found.records.lock().expect("lock").len(), 200_000);
}

#[test]
fn full_server_fails_at_once_and_keeps_what_was_there() {
    let lesser = Lesser::start(Dialect { quota_bytes: Some(1_000_000), ..Dialect::default() });
    let root = lesser.temp.path().join("store");
    let store = lesser.retried(&root);
    store.create(b"config").expect("create");
    store.put(StoreFile::State, &name(2), body(2), PutMode::Immutable).expect("fits");
    let start = Instant::now();
    let big = Bytes::from(vec![1; 2_000_000]);
    let error = store.put(StoreFile::Packfile, &name(1), big, PutMode::Immutable).expect_err("full");
    assert!(!error.is_transient() && start.elapsed() < Duration::from_secs(5), "{error:?}");
    assert_eq!(store.list(StoreFile::Packfile).expect("list"), []);
    assert!(store.get(StoreFile::State, &name(2)).expect("get") == body(2));
    let left = std::fs::read_dir(root.join("packfiles")).expect("list").count();
    assert_eq!(left, 256, "no temporary file stays");
}

#[test]
fn owners_that_may_not_be_set_are_counted() {
    let lesser = Lesser::start(Dialect { denied: vec!["owner"], ..Dialect::default() });
    let (tree, target) = (lesser.temp.path().join("tree"), lesser.temp.path().join("target"));
    build_small_tree(&tree, 2, 3, 100).expect("tree");
    let limitations = restore(&tree, &destination_by(&lesser.sshd.ssh_config(), &target, &quick()));
    assert!(limitations.contains(&Limitation::Owner), "{limitations:?}");
}

#[test]
fn destination_without_permission_to_write_says_so() {
    let lesser = Lesser::start(Dialect { denied: vec!["write", "mkdir"], ..Dialect::default() });
    let destination = destination_by(&lesser.sshd.ssh_config(), &lesser.temp.path().join("target"), &quick());
    let error = destination.prepare().expect_err("denied");
    assert_eq!(error.kind, ErrorKind::Permission);
    assert!(error.hint.is_some_and(|hint| hint.contains("give it to the account")));
}

/// What is in a store but no lock.
fn store_denying(denied: &[&'static str], extensions: &[&'static str]) -> Lesser {
    let lesser = Lesser::start(Dialect {
        denied: denied.to_vec(),
        extensions: extensions.to_vec(),
        ..Dialect::default()
    });
    store_lives(&lesser.retried(&lesser.temp.path().join("store")), 12);
    lesser
}

#[test]
fn store_lives_where_nothing_is_deleted_or_replaced() {
    store_denying(&["remove", "rmdir", "posix-rename", "setstat", "overwrite"], &[]);
}

#[test]
fn store_lives_where_names_are_only_added() {
    let denied = ["remove", "rmdir", "rename", "posix-rename", "setstat", "overwrite"];
    let lesser = store_denying(&denied, &["hardlink", "fsync"]);
    let store = lesser.retried(&lesser.temp.path().join("store"));
    let error = store.put(StoreFile::Lock, &name(1), Bytes::from_static(b"new"), PutMode::Replace);
    let kind = error.expect_err("a lock cannot be replaced").kind;
    assert!(matches!(kind, ErrorKind::AlreadyExists | ErrorKind::Permission), "{kind:?}");
    assert_eq!(store.get(StoreFile::Lock, &name(1)).expect("get"), b"lock", "the old one stays whole");
}

#[test]
fn store_lives_where_names_cannot_be_given_at_all_and_completes_what_was_cut_short() {
    let lesser = store_denying(&["remove", "rmdir", "rename"], &[]);
    let root = lesser.temp.path().join("store");
    let hex: String = name(50).iter().map(|byte| format!("{byte:02x}")).collect();
    let path = root.join("packfiles").join(&hex[..2]).join(&hex);
    std::fs::write(&path, &body(50)[..1000]).expect("a beginning");
    let store = lesser.retried(&root);
    store.put(StoreFile::Packfile, &name(50), body(50), PutMode::Immutable).expect("completed");
    assert!(std::fs::read(&path).expect("read") == body(50));
}

#[test]
fn upload_that_ends_under_its_final_name_shows_that_it_is_unfinished_and_can_be_finished() {
    use kloset_format::envelope::is_unfinished;
    let denied = vec!["remove", "rmdir", "rename"];
    let full = Lesser::start(Dialect {
        denied: denied.clone(),
        quota_bytes: Some(500_000),
        data_bytes_max: 32 << 10,
        ..Dialect::default()
    });
    let root = full.temp.path().join("store");
    let store = full.retried(&root);
    store.create(b"config").expect("create");
    let whole = Bytes::from((0..900_000u32).map(|at| (at % 251) as u8 + 1).collect::<Vec<u8>>());
    store.put(StoreFile::State, &name(5), whole.clone(), PutMode::Immutable).expect_err("full");
    let left = store.get(StoreFile::State, &name(5)).expect("something is left");
    assert!(left.len() > 100_000 && is_unfinished(&left), "{} bytes", left.len());

    let roomy = Lesser::start(Dialect { denied, ..Dialect::default() });
    let store = storage_by(&roomy.sshd.ssh_config(), &root, &quick());
    store.put(StoreFile::State, &name(5), whole.clone(), PutMode::Immutable).expect("finished");
    assert!(store.get(StoreFile::State, &name(5)).expect("get") == whole);
    let other = whole.slice(..whole.len() - 1);
    let error = store.put(StoreFile::State, &name(5), other, PutMode::Immutable).expect_err("another");
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
}

#[test]
fn wrong_answers_end_in_errors_and_never_in_wrong_data() {
    for wrong in [
        Wrong::Number(3),
        Wrong::Kind(2),
        Wrong::Length(3),
        Wrong::Torn(2),
        Wrong::Number(1),
        Wrong::LongReads,
    ] {
        let lesser = Lesser::start(Dialect { wrong: Some(wrong), ..Dialect::default() });
        let root = lesser.temp.path().join("store");
        std::fs::create_dir(&root).expect("folder");
        std::fs::write(root.join("CONFIG"), b"config").expect("write");
        let mut context = quick();
        context.retry.give_up_after = Duration::from_millis(300);
        let store = RetriedStorage::new(storage_by(&lesser.sshd.ssh_config(), &root, &context), context);
        match store.read_config() {
            Ok(bytes) => assert_eq!(bytes, b"config", "{wrong:?}"),
            Err(error) => assert!(
                matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Transient),
                "{wrong:?}: {error:?}"
            ),
        }
    }
}

#[test]
fn relay_stands_in_for_the_ssh_program_too() {
    let scripted = ScriptedServer::start(Dialect::default()).expect("scripted server");
    let told = std::process::Command::new(scripted.relay()).args(["-G", "--", "x"]).output().expect("run");
    assert!(String::from_utf8_lossy(&told.stdout).contains("hostname h"));
}

#[test]
fn contract_holds_on_a_lesser_server() {
    let scripted = ScriptedServer::start(Dialect {
        data_bytes_max: 32 << 10,
        handles_max: 16,
        extensions: vec!["posix-rename"],
        ..Dialect::default()
    })
    .expect("scripted server");
    let sshd = scripted.behind_sshd().expect("private sshd");
    let config = sshd.ssh_config();
    testkit::suites::storage::run(&|path| {
        let context = quick();
        Box::new(RetriedStorage::new(storage_by(&config, path, &context), context))
    });
    let make = |path: &Path, more: &Options| {
        let mut options = options(&config);
        options.extend(more.clone());
        let source = connector_sftp::SftpSource::new(&location(path), &options, &quick());
        Box::new(source.expect("a good location")) as Box<dyn Source>
    };
    testkit::suites::source::run(&testkit::suites::source::Factory {
        fidelity: Fidelity::sftp(),
        make: &make,
    });
}
