//! Signals and readers that go away.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::Home;

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id() as i32).unwrap();
    kill_process(pid, signal).unwrap();
}

fn wait(child: &mut Child) -> i32 {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        assert!(started.elapsed() < Duration::from_secs(60), "the program did not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Number of finished packfiles.
fn packfiles(home: &Home) -> usize {
    let buckets = std::fs::read_dir(home.path("store/packfiles")).unwrap().flatten();
    let files = buckets.filter(|bucket| bucket.path().is_dir());
    let names = files.flat_map(|bucket| std::fs::read_dir(bucket.path()).unwrap().flatten());
    names.filter(|file| file.file_name().len() == 64).count()
}

#[test]
fn an_interrupted_backup_leaves_no_snapshot_and_tells_the_signal() {
    let home = Home::with_store_and_data();
    // Random bytes, enough to be busy for a while.
    let mut seed = 1u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u8
    };
    let content: Vec<u8> = (0..8 << 20).map(|_| next()).collect();
    for number in 0..24u8 {
        let mut content = content.clone();
        content.iter_mut().step_by(4096).for_each(|byte| *byte ^= number);
        std::fs::write(home.path(format!("data/big{number}")), content).unwrap();
    }
    for (sent, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut child = home
            .command()
            .args(["-limit-upload", "40M", "at", "store", "backup", "-report", "r.json", "data"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let started = Instant::now();
        // The first one is at work when something is stored, the second when it has its lock.
        let begun = || match sent {
            Signal::INT => packfiles(&home) > 0,
            _ => std::fs::read_dir(home.path("store/locks")).unwrap().count() > 0,
        };
        while !begun() {
            assert!(started.elapsed() < Duration::from_secs(60), "the backup does not begin");
            std::thread::sleep(Duration::from_millis(5));
        }
        signal(&child, sent);
        let drain = std::thread::spawn(move || {
            let mut rest = String::new();
            let _ = out.read_to_string(&mut rest);
            rest
        });
        assert_eq!(wait(&mut child), code);
        let out = drain.join().unwrap();
        assert!(
            sent != Signal::INT
                || out.contains("info: what was stored so far is recorded and will not be stored again: "),
            "{out}"
        );
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert!(err.starts_with("received interrupt signal, stopping gracefully...\n"), "{err}");
        assert!(err.ends_with(": interrupted\n"), "{err}");
        let report = std::fs::read_to_string(home.path("r.json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!((&report["result"], &report["exit_code"]), (&"interrupted".into(), &code.into()));
    }
    assert_eq!(home.run(["at", "store", "ls"]).ok(), "");
}

#[test]
fn a_reader_that_goes_away_ends_a_listing_quietly_and_not_a_backup() {
    let home = Home::with_store_and_data();
    for number in 0..3000 {
        std::fs::write(home.path(format!("data/{number:060}")), "").unwrap();
    }
    let run = |words: &[&str]| {
        let mut child =
            home.command().args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        drop(out);
        let code = wait(&mut child);
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (code, err)
    };
    assert_eq!(run(&["at", "store", "backup", "data"]), (0, String::new()));
    assert_eq!(home.run(["at", "store", "ls"]).ok().lines().count(), 1);
    assert_eq!(run(&["at", "store", "ls", "-recursive", ""]), (0, String::new()));
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "data"]).ok();
    let output = home.command().args(["at", "store", "ls"]).stdout(full).output().unwrap();
    let ran = crate::support::ran(output);
    assert!(ran.fails(1).contains("cannot write to standard output: "));
}
