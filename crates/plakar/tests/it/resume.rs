//! A backup that was interrupted, and the one after it, which stores only the rest and says so.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testkit::sshd::{ALIAS, Sshd};

use crate::support::{Home, Ran, ran};

/// More than all uploads at a time hold.
const FILES: u8 = 14;
const FILE_BYTES: usize = 10 << 20;
const FOUND: &str = "info: what an earlier run without a snapshot had stored was not stored again: ";

/// Random contents, each file with its own.
fn fill(home: &Home) {
    let mut number = 1u64;
    for file in 0..FILES {
        let content: Vec<u8> = std::iter::repeat_with(|| {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            number.to_le_bytes()
        })
        .take(FILE_BYTES / 8)
        .flatten()
        .collect();
        std::fs::write(home.path(format!("data/{file}")), content).unwrap();
    }
}

/// Number and bytes of the finished packfiles of a store.
fn packfiles(store: &Path) -> (u64, u64) {
    let Ok(buckets) = std::fs::read_dir(store.join("packfiles")) else { return (0, 0) };
    let files = buckets.flatten().filter(|bucket| bucket.path().is_dir());
    let files = files.flat_map(|bucket| std::fs::read_dir(bucket.path()).unwrap().flatten());
    let sizes = files.filter(|file| file.file_name().len() == 64).map(|file| file.metadata().unwrap().len());
    sizes.fold((0, 0), |(files, bytes), more| (files + 1, bytes + more))
}

/// Starts the command and interrupts it when contents have arrived.
fn interrupted(mut command: Command, store: &Path) -> Ran {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while packfiles(store).1 < 1 << 20 {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing is stored");
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::INT).unwrap();
    ran(child.wait_with_output().unwrap())
}

fn report(home: &Home) -> Value {
    serde_json::from_slice(&std::fs::read(home.path("report.json")).unwrap()).unwrap()
}

fn counts(home: &Home) -> Value {
    report(home)["counts"].clone()
}

/// The number after a word of what was said.
fn said(out: &str, words: &str) -> u64 {
    let (_, rest) = out.split_once(words).unwrap_or_else(|| panic!("{words:?} is not in {out}"));
    rest.split(' ').next().unwrap().parse().unwrap()
}

/// `store` is how the program calls the store that lies in the folder `store`.
fn rerun_tells_what_it_found(home: &Home, store: &str, path: &str) {
    fill(home);
    let command = |words: &[&str]| {
        let mut command = home.command();
        command.env("PATH", path).args(words);
        command
    };
    let words = ["at", store, "backup", "-report", "report.json", "data"];
    let limited: Vec<&str> = ["-limit-upload", "40M"].into_iter().chain(words).collect();
    let first = interrupted(command(&limited), &home.path("store"));
    assert_eq!(first.code, 130, "{first:?}");
    let recorded = said(&first.out, "is recorded and will not be stored again: ");
    assert_eq!(counts(home)["recorded_blobs"], recorded);
    assert_eq!(counts(home)["found_blobs"], 0);
    let left_bytes = counts(home)["recorded_bytes"].as_u64().unwrap();
    let (left, _) = packfiles(&home.path("store"));
    assert!(left > 0 && recorded > 0);

    let second = ran(command(&words).output().unwrap()).ok();
    let found = said(&second, FOUND);
    assert!(0 < found && found <= recorded, "{found} of {recorded}");
    assert_eq!(counts(home)["found_blobs"], found);
    let found_bytes = counts(home)["found_bytes"].as_u64().unwrap();
    assert!(found_bytes > 10 << 20 && found_bytes <= left_bytes, "{found_bytes} of {left_bytes} bytes");
    assert_eq!(counts(home)["recorded_blobs"], Value::Null);

    // Contents are random, so each recorded byte that was uploaded again would show. An upload that the
    // server finished after the interrupt is on its disk and recorded nowhere: it does not count.
    let (files, _) = packfiles(&home.path("store"));
    let bytes = left_bytes + report(home)["store"]["written_bytes"].as_u64().unwrap();
    let whole = FILE_BYTES as u64 * u64::from(FILES);
    let bound = whole + whole / 100 + files * (128 << 10);
    assert!(whole < bytes && bytes < bound, "{bytes} bytes for {whole} in {files} packfiles");

    let third = ran(command(&words).output().unwrap()).ok();
    std::fs::copy(home.path("data/1"), home.path("data/copy")).unwrap();
    let fourth = ran(command(&words).output().unwrap()).ok();
    for ordinary in [third, fourth] {
        assert!(!ordinary.contains("earlier run"), "{ordinary}");
    }
    assert_eq!(counts(home)["found_blobs"], 0);
    ran(command(&["at", store, "check"]).output().unwrap()).ok();
}

#[test]
fn a_rerun_says_how_much_an_interrupted_backup_left_in_a_folder() {
    rerun_tells_what_it_found(&Home::with_store_and_data(), "store", "/usr/bin:/bin");
}

#[test]
fn a_rerun_says_how_much_an_interrupted_backup_left_behind_sftp() {
    if !Sshd::available() {
        eprintln!("skipped: no OpenSSH server here");
        return;
    }
    let (home, sshd) = (Home::with_store_and_data(), Sshd::start().unwrap());
    let path = format!("{}:/usr/bin:/bin", sshd.program_folder().display());
    let store = format!("sftp://{ALIAS}{}", home.path("store").display());
    rerun_tells_what_it_found(&home, &store, &path);
}
