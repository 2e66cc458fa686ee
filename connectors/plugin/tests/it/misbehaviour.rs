//! Packages that die, hang, flood or talk nonsense.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use connector_plugin::{PluginCommand, PluginSource, PluginStorage};
use kloset_connector::{ConnectorContext, ConnectorError, ErrorKind, Options, Source, Storage, StoreFile};

use crate::support::{command, context, location, script};

fn open(command: &PluginCommand, context: &ConnectorContext) -> Result<PluginStorage, ConnectorError> {
    PluginStorage::new(command, &location(Path::new("/nonexistent")), &Options::new(), context)
}

fn refusal(command: &PluginCommand) -> ConnectorError {
    let started = Instant::now();
    let Err(error) = open(command, &context().0) else { panic!("it opened") };
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    error
}

#[test]
fn a_package_that_dies_is_named_with_its_last_words() {
    let error = refusal(&script("printf 'no \\033[31mdatabase\\n' >&2; exit 3"));
    assert!(error.message.contains("package odd ended unexpectedly (exit status: 3)"), "{error}");
    assert!(error.message.contains("no  [31mdatabase"), "{error}");
}

#[test]
fn a_program_that_is_missing_is_named() {
    let error = refusal(&PluginCommand::new("gone", "/nonexistent/program"));
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("/nonexistent/program"), "{error}");
}

#[test]
fn nonsense_on_standard_output_is_told() {
    let error = refusal(&script("yes hello; sleep 100"));
    assert!(error.message.contains("package odd"), "{error}");
}

#[test]
fn a_package_that_hangs_is_given_up_and_killed() {
    let (mut context, _) = context();
    context.retry.connect_timeout = Duration::from_millis(100);
    context.retry.idle_timeout = Duration::from_millis(100);
    let started = Instant::now();
    let Err(error) = open(&script("sleep 1000"), &context) else { panic!("it opened") };
    assert!(error.message.contains("gave no answer"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[test]
fn an_interrupt_ends_the_wait_at_once() {
    let (context, _) = context();
    let flag = context.interrupted.clone();
    let helper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        flag.store(true, Ordering::Relaxed);
    });
    let started = Instant::now();
    let Err(error) = open(&script("sleep 1000"), &context) else { panic!("it opened") };
    assert_eq!(error.kind, ErrorKind::Interrupted);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    helper.join().expect("no panic");
}

#[test]
fn a_flood_on_standard_error_is_capped() {
    let (context, heard) = context();
    let mut served = command("storage", true);
    served.arguments = vec![
        "-c".to_owned(),
        format!("(yes noise | head -n 200000) >&2; exec {} storage", served.executable.display()),
    ];
    served.executable = "/bin/sh".into();
    let store = open(&served, &context).expect("it works all the same");
    assert!(store.read_config().is_err());
    let heard = heard.0.lock().expect("lock");
    assert!(heard.len() <= 101, "{} lines", heard.len());
    assert_eq!(heard[0], "package fs: noise");
}

#[test]
fn a_package_killed_in_the_middle_is_an_error_everywhere() {
    let temp = tempfile::tempdir().expect("temporary folder");
    let pid_file = temp.path().join("pid");
    let mut served = command("storage", true);
    served.arguments = vec![
        "-c".to_owned(),
        format!("echo $$ > {}; exec {} storage", pid_file.display(), served.executable.display()),
    ];
    served.executable = "/bin/sh".into();
    let store = PluginStorage::new(&served, &location(&temp.path().join("s")), &Options::new(), &context().0)
        .expect("start");
    store.create(b"config").expect("create");
    let pid: i32 = std::fs::read_to_string(&pid_file).expect("pid").trim().parse().expect("number");
    let pid = rustix::process::Pid::from_raw(pid).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("ours");
    let error = store.list(StoreFile::State).expect_err("it is dead");
    assert!(error.message.contains("ended unexpectedly"), "{error}");
    assert!(store.read_config().is_err());
}

#[test]
fn no_process_is_left_when_the_connector_goes() {
    let temp = tempfile::tempdir().expect("temporary folder");
    let pid_file = temp.path().join("pid");
    // The grandchild ignores the end of its input.
    let mut served = command("storage", true);
    served.arguments = vec![
        "-c".to_owned(),
        format!(
            "sleep 1000 </dev/null >/dev/null 2>&1 & echo $! > {}; exec {} storage",
            pid_file.display(),
            served.executable.display()
        ),
    ];
    served.executable = "/bin/sh".into();
    let started = Instant::now();
    drop(open(&served, &context().0).expect("start"));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let pid = std::fs::read_to_string(&pid_file).expect("pid");
    let gone = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    while !gone() {
        assert!(Instant::now() < deadline, "still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_source_that_ends_early_is_lost() {
    let source =
        PluginSource::new(&script("exit 1"), &location(Path::new("/x")), &Options::new(), &context().0)
            .expect("named");
    assert!(source.info().is_err());
    let mut failures = 0;
    source.ping(&mut |_, result| failures += usize::from(result.is_err()));
    assert_eq!(failures, 1);
}
