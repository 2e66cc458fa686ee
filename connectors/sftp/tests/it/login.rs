//! Logins that fail, and servers that are peculiar.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use connector_sftp::SftpStorage;
use kloset_connector::layer::RetriedStorage;
use kloset_connector::{
    ConnectorError, ErrorKind, Location, Options, PutMode, RetryPolicy, Storage, StoreFile,
};
use testkit::sshd::{ALIAS, Sshd, SshdOptions, generate_key, generate_key_with_passphrase};

use crate::support::{Heard, context, options, storage, storage_by};

/// Everything of an error that a person sees.
fn words(error: &ConnectorError) -> String {
    format!("{error}; {}", error.hint.clone().unwrap_or_default())
}

/// Fails to connect, quickly.
fn failure(storage: &SftpStorage) -> ConnectorError {
    let start = Instant::now();
    let error = storage.read_config().expect_err("no way in");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}: {}", start.elapsed(), words(&error));
    error
}

fn expect(storage: &SftpStorage, kind: ErrorKind, parts: &[&str]) {
    let error = failure(storage);
    assert_eq!(error.kind, kind, "{}", words(&error));
    for part in parts {
        assert!(words(&error).contains(part), "{part:?} is not in: {}", words(&error));
    }
}

#[test]
fn changed_host_key_is_told_apart_from_an_unknown_one() {
    let server = Sshd::start().expect("private sshd");
    let root = server.folder();
    server.forge_known_hosts().expect("known hosts");
    let cure = format!("ssh-keygen -R '[127.0.0.1]:{}'", server.port());
    let last = "ssh says: Host key verification failed.";
    expect(&storage(&server, root), ErrorKind::HostKey, &["has changed", &cure, last, server.user()]);
    std::fs::write(server.known_hosts(), "").expect("known hosts");
    let cure = format!("sftp {ALIAS}");
    expect(&storage(&server, root), ErrorKind::HostKey, &["is unknown", &cure, last, "127.0.0.1"]);
}

#[test]
fn ignoring_the_host_key_warns_every_time() {
    let server = Sshd::start().expect("private sshd");
    server.forge_known_hosts().expect("known hosts");
    let (context, heard) = context();
    let mut options = options(&server.ssh_config());
    options.insert("insecure_ignore_host_key".to_owned(), "true".to_owned());
    for count in 1..3 {
        let location = Location::parse(&format!("sftp://{ALIAS}/nowhere"));
        let storage = SftpStorage::new(&location, &options, &context).expect("location");
        assert_eq!(failure(&storage).kind, ErrorKind::NotFound);
        assert_eq!(heard.warnings.lock().expect("lock").len(), count);
    }
    assert!(server.known_hosts().exists());
}

#[test]
fn refused_keys_have_their_own_words() {
    let server = Sshd::start().expect("private sshd");
    let key = server.folder().join("stranger");
    generate_key(&key).expect("key");
    let with = |identity: &Path| {
        let line = format!("IdentityFile {}", identity.display());
        let mut lines = std::fs::read_to_string(server.ssh_config()).expect("config");
        lines = lines.replace(&format!("IdentityFile {}", server.user_key().display()), &line);
        let path = server.folder().join("other_config");
        std::fs::write(&path, lines).expect("config");
        storage_by(&path, server.folder(), &context().0)
    };
    let refused = "Permission denied (publickey)";
    expect(&with(&key), ErrorKind::Authentication, &["refused", refused, "must know the public key"]);
    let encrypted = server.folder().join("encrypted");
    generate_key_with_passphrase(&encrypted, "secret").expect("key");
    let cure = format!("ssh-add {}", encrypted.display());
    expect(&with(&encrypted), ErrorKind::Authentication, &["passphrase", refused, &cure]);
    expect(&with(&server.folder().join("none")), ErrorKind::Authentication, &["refused", refused]);
}

#[test]
fn hosts_that_cannot_be_reached_say_so() {
    let server = Sshd::start().expect("private sshd");
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port();
    let config = server.ssh_config_for("closed", port, &[]).expect("config");
    let closed = storage_by(&config, server.folder(), &context().0);
    expect(&closed, ErrorKind::Unreachable, &["refused", "Connection refused", &port.to_string()]);
    let config = server.ssh_config_for("nameless", port, &["HostName no-such-host.invalid"]).expect("config");
    let nameless = storage_by(&config, server.folder(), &context().0);
    expect(&nameless, ErrorKind::Unreachable, &["resolve", "no-such-host.invalid"]);
    std::fs::write(&config, "Nonsense yes\n").expect("config");
    expect(
        &storage_by(&config, server.folder(), &context().0),
        ErrorKind::Invalid,
        &["nonsense", "terminating"],
    );
}

#[test]
fn missing_and_read_only_folders_are_no_login_problems() {
    let server = Sshd::start().expect("private sshd");
    let missing = storage(&server, Path::new("/no/such/store"));
    expect(&missing, ErrorKind::NotFound, &["file does not exist", "/no/such/store/CONFIG"]);
    let error = storage(&server, Path::new("/proc/store")).create(b"x").expect_err("nobody can");
    assert!(matches!(error.kind, ErrorKind::NotFound | ErrorKind::Permission | ErrorKind::Other), "{error}");

    let temp = tempfile::tempdir().expect("temporary folder");
    storage(&server, &temp.path().join("s")).create(b"config").expect("create");
    let read_only =
        Sshd::start_with(SshdOptions { read_only: true, ..SshdOptions::default() }).expect("sshd");
    let closed = storage(&read_only, &temp.path().join("s"));
    assert_eq!(closed.read_config().expect("config"), b"config");
    let error =
        closed.put(StoreFile::State, &[1; 32], Bytes::new(), PutMode::Immutable).expect_err("read-only");
    assert_eq!(error.kind, ErrorKind::Permission, "{error}");
    assert!(words(&error).contains("permission denied; the account on the server may not write there"));
    let mut steps = Vec::new();
    closed.ping(&mut |step, result| steps.push((step.to_owned(), result.is_ok())));
    let wanted = [("connect", true), ("path", true), ("write", false)];
    assert_eq!(steps, wanted.map(|(step, good)| (step.to_owned(), good)));
}

#[test]
fn servers_without_sftp_are_told_apart() {
    let server =
        Sshd::start_with(SshdOptions { no_subsystem: true, ..SshdOptions::default() }).expect("private sshd");
    expect(&storage(&server, server.folder()), ErrorKind::Unsupported, &["no sftp subsystem"]);
    let talks =
        SshdOptions { force_command: Some("echo Welcome, friend".to_owned()), ..SshdOptions::default() };
    let server = Sshd::start_with(talks).expect("private sshd");
    expect(
        &storage(&server, server.folder()),
        ErrorKind::Unsupported,
        &["not SFTP", "Welc", "start-up file"],
    );
    let silent = SshdOptions { force_command: Some("true".to_owned()), ..SshdOptions::default() };
    let server = Sshd::start_with(silent).expect("private sshd");
    let error = failure(&storage(&server, server.folder()));
    assert!(words(&error).contains("before SFTP began"), "{}", words(&error));
}

#[test]
fn chroot_works_and_a_bad_one_is_explained() {
    let server = Sshd::start().expect("private sshd");
    if server.user() != "root" {
        eprintln!("skipped: chroot needs root");
        return;
    }
    let jail =
        tempfile::Builder::new().prefix("testkit-").tempdir_in("/run").expect("folder owned by root alone");
    std::fs::set_permissions(jail.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
    let options = SshdOptions {
        chroot: Some(jail.path().to_owned()),
        force_command: Some("internal-sftp".to_owned()),
        ..SshdOptions::default()
    };
    let server = Sshd::start_with(options).expect("private sshd");
    storage(&server, Path::new("/inner/store")).create(b"config").expect("create");
    assert!(jail.path().join("inner/store/CONFIG").exists());

    // Below a folder that everybody may write to: sshd ends the session.
    let temp = tempfile::tempdir().expect("temporary folder");
    let options = SshdOptions { chroot: Some(temp.path().to_owned()), ..SshdOptions::default() };
    let server = Sshd::start_with(options).expect("private sshd");
    expect(&storage(&server, Path::new("/store")), ErrorKind::Transient, &["chroot"]);
}

#[test]
fn one_session_a_connection_is_enough() {
    let server = Sshd::start_with(SshdOptions { max_sessions: Some(1), ..SshdOptions::default() })
        .expect("private sshd");
    let temp = tempfile::tempdir().expect("temporary folder");
    let store = storage(&server, &temp.path().join("s"));
    store.create(b"config").expect("create");
    assert_eq!(store.warm_up().expect("channels"), 2, "a second login makes up for it");
    let body = Bytes::from(vec![7; 5_000_000]);
    store.put(StoreFile::Packfile, &[1; 32], body.clone(), PutMode::Immutable).expect("put");
    assert_eq!(store.get(StoreFile::Packfile, &[1; 32]).expect("get"), body);

    let server = Sshd::start_with(SshdOptions { max_sessions: Some(3), ..SshdOptions::default() })
        .expect("private sshd");
    assert_eq!(storage(&server, temp.path()).warm_up().expect("channels"), 3);
    let server = Sshd::start().expect("private sshd");
    assert_eq!(storage(&server, temp.path()).warm_up().expect("channels"), 4);
}

#[test]
fn key_given_as_text_never_touches_a_disk_and_logs_in() {
    let server = Sshd::start().expect("private sshd");
    let config = server.folder().join("keyless");
    let lines = std::fs::read_to_string(server.ssh_config()).expect("config");
    let keep = |line: &&str| !line.contains("Identity");
    std::fs::write(&config, lines.lines().filter(keep).collect::<Vec<_>>().join("\n")).expect("config");
    let mut options = options(&config);
    let key = std::fs::read_to_string(server.user_key()).expect("key");
    options.insert("ssh_private_key".to_owned(), key);
    options.insert("identity".to_owned(), "/nonexistent".to_owned());
    let open = |options: &Options| {
        SftpStorage::new(&Location::parse(&format!("sftp://{ALIAS}:/nowhere")), options, &context().0)
    };
    assert_eq!(failure(&open(&options).expect("location")).kind, ErrorKind::NotFound);
    let encrypted = server.folder().join("encrypted");
    generate_key_with_passphrase(&encrypted, "secret").expect("key");
    let key = std::fs::read_to_string(encrypted).expect("key");
    options.insert("ssh_private_key".to_owned(), key);
    expect(&open(&options).expect("location"), ErrorKind::Authentication, &["ssh_private_key", "passphrase"]);
    options.insert("ssh_private_key".to_owned(), "nonsense".to_owned());
    expect(&open(&options).expect("location"), ErrorKind::Authentication, &["ssh_private_key"]);
}

#[test]
fn dead_line_is_noticed_and_a_new_one_is_made() {
    let server = Sshd::start().expect("private sshd");
    let proxy = testkit::proxy::Proxy::start(server.port(), Duration::ZERO).expect("proxy");
    let config = server.ssh_config_for("frozen", proxy.port(), &[]).expect("config");
    let (mut context, heard) = context();
    context.retry = RetryPolicy { idle_timeout: Duration::from_secs(7), ..RetryPolicy::default() };
    let temp = tempfile::tempdir().expect("temporary folder");
    let store = storage_by(&config, &temp.path().join("s"), &context);
    store.create(b"config").expect("create");
    proxy.freeze();
    let start = Instant::now();
    let error = store.read_config().expect_err("frozen");
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    assert!((6..10).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert!(!heard.stalls.lock().expect("lock").is_empty());
    proxy.thaw();
    assert_eq!(store.read_config().expect("a new connection"), b"config");
    proxy.cut();
    let start = Instant::now();
    while store.read_config().is_err() {
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}

/// A server behind a proxy, a storage with little patience for each try, and what it says.
fn impatient(give_up_after: Duration) -> (Sshd, testkit::proxy::Proxy, impl Storage, std::sync::Arc<Heard>) {
    let server = Sshd::start().expect("private sshd");
    let proxy = testkit::proxy::Proxy::start(server.port(), Duration::ZERO).expect("proxy");
    let config = server.ssh_config_for("shaky", proxy.port(), &[]).expect("config");
    let (mut context, heard) = context();
    context.retry = RetryPolicy {
        give_up_after,
        first_wait: Duration::from_millis(50),
        longest_wait: Duration::from_millis(200),
        connect_timeout: Duration::from_secs(2),
        ..RetryPolicy::default()
    };
    let store = RetriedStorage::new(storage_by(&config, Path::new("/no/such/store"), &context), context);
    (server, proxy, store, heard)
}

#[test]
fn first_login_outlives_a_freeze_and_connections_that_are_cut() {
    let (_server, proxy, store, heard) = impatient(Duration::from_secs(60));
    proxy.freeze();
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(3500));
            proxy.thaw();
        });
        assert_eq!(store.read_config().expect_err("there is none").kind, ErrorKind::NotFound);
    });
    assert!(start.elapsed() > Duration::from_millis(3400), "{:?}", start.elapsed());
    let retries = heard.retries.lock().expect("lock").join("\n");
    assert!(retries.contains("does not answer") || retries.contains("no answer"), "{retries}");

    let (_server, proxy, store, heard) = impatient(Duration::from_secs(60));
    proxy.refuse(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(2500));
            proxy.refuse(false);
        });
        assert_eq!(store.read_config().expect_err("there is none").kind, ErrorKind::NotFound);
    });
    assert!(heard.retries.lock().expect("lock").len() > 5, "more often than a server that lets us in");
}

#[test]
fn first_login_gives_up_when_patience_ends_and_says_why() {
    let (_server, proxy, store, _) = impatient(Duration::from_secs(3));
    proxy.freeze();
    let start = Instant::now();
    let error = store.read_config().expect_err("frozen");
    assert_eq!(error.kind, ErrorKind::NoAnswer, "{error}");
    assert!((3..8).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert!(words(&error).contains("answer"), "{}", words(&error));

    let (_server, proxy, store, _) = impatient(Duration::ZERO);
    proxy.refuse(true);
    let error = store.read_config().expect_err("cut");
    assert_eq!(error.kind, ErrorKind::NoAnswer, "{error}");
    assert!(words(&error).contains("before the login"), "{}", words(&error));
}

#[test]
fn first_login_that_waits_says_so() {
    let server = Sshd::start().expect("private sshd");
    let proxy = testkit::proxy::Proxy::start(server.port(), Duration::ZERO).expect("proxy");
    let config = server.ssh_config_for("slow", proxy.port(), &[]).expect("config");
    let (context, heard) = context();
    let store = storage_by(&config, Path::new("/no/such/store"), &context);
    proxy.freeze();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(5500));
            proxy.thaw();
        });
        assert_eq!(store.read_config().expect_err("there is none").kind, ErrorKind::NotFound);
    });
    let stalls = heard.stalls.lock().expect("lock").clone();
    assert_eq!(stalls, [format!("connecting to {ALIAS} for 5 s")]);
}

#[test]
fn interrupt_ends_waiting() {
    let server = Sshd::start().expect("private sshd");
    let proxy = testkit::proxy::Proxy::start(server.port(), Duration::ZERO).expect("proxy");
    let config = server.ssh_config_for("frozen", proxy.port(), &[]).expect("config");
    let (context, _) = context();
    let temp = tempfile::tempdir().expect("temporary folder");
    let store = storage_by(&config, &temp.path().join("s"), &context);
    store.create(b"config").expect("create");
    proxy.freeze();
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| store.read_config().expect_err("interrupted"));
        std::thread::sleep(Duration::from_millis(300));
        let start = Instant::now();
        context.interrupted.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(reading.join().expect("no panic").kind, ErrorKind::Interrupted);
        assert!(start.elapsed() < Duration::from_millis(500));
    });
    proxy.thaw();
    // Cleaning up still works.
    store.delete(StoreFile::Lock, &[1; 32]).expect("an unlock after the interrupt");
}

/// Not a test of its own: holds connections until it is killed.
#[test]
#[ignore = "run by another test"]
fn helper_that_is_killed() {
    let Some(config) = std::env::var_os("HELPER_CONFIG") else { return };
    let named = if config.is_empty() { Options::new() } else { options(Path::new(&config)) };
    let location = Location::parse(&format!("sftp://{ALIAS}:/nowhere"));
    let store = SftpStorage::new(&location, &named, &context().0).expect("location");
    assert_eq!(store.warm_up().expect("channels"), 4);
    println!("ready");
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn wrapper_first_in_path_or_named_in_the_environment_is_the_ssh_that_runs() {
    let server = Sshd::start().expect("private sshd");
    let path = format!("{}:{}", server.program_folder().display(), std::env::var("PATH").expect("PATH"));
    let program = server.program_folder().join("ssh").display().to_string();
    for (name, value) in [("PATH", path), ("PLAKAR_SSH", program)] {
        let mut child = helper(&server, "").env(name, value).spawn().expect("helper");
        assert!(is_ready(&mut child), "{name}");
        child.kill().expect("kill");
        child.wait().expect("end");
    }
}

/// A program that will be killed; its control folder goes away with the server's folder.
fn helper(server: &Sshd, config: &str) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["login::helper_that_is_killed", "--exact", "--ignored", "--nocapture"])
        .env("HELPER_CONFIG", config)
        .env("TMPDIR", server.folder())
        .env_remove("XDG_RUNTIME_DIR")
        .stdout(std::process::Stdio::piped());
    command
}

fn is_ready(child: &mut std::process::Child) -> bool {
    use std::io::{BufRead, BufReader};
    let lines = BufReader::new(child.stdout.take().expect("pipe")).lines();
    lines.map_while(Result::ok).any(|line| line.contains("ready"))
}

#[test]
fn killed_program_leaves_no_ssh_behind() {
    let server = Sshd::start().expect("private sshd");
    let mut child = helper(&server, &server.ssh_config().display().to_string()).spawn().expect("helper");
    assert!(is_ready(&mut child), "the helper connects");
    let mark = format!("plakar-ssh-{}-", child.id());
    assert!(processes_with(&mark) >= 4, "a master and three more");
    child.kill().expect("kill");
    child.wait().expect("end");
    let start = Instant::now();
    while processes_with(&mark) > 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "ssh is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Number of processes whose arguments hold `mark`.
fn processes_with(mark: &str) -> usize {
    let entries = std::fs::read_dir("/proc").expect("proc").flatten();
    entries
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| line.windows(mark.len()).any(|part| part == mark.as_bytes()))
        .count()
}

#[test]
fn nothing_is_left_of_a_dropped_storage() {
    let server = Sshd::start().expect("private sshd");
    let store = storage(&server, Path::new("/nowhere"));
    store.warm_up().expect("channels");
    let start = Instant::now();
    drop(store);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}
