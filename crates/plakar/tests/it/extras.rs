//! Flags of `backup`, `check`, `info` and `restore` that change what is read or told.

use std::fs;
use std::process::Command;

use crate::support::Home;

/// Every file below a folder, with its size.
fn files(home: &Home, folder: &str) -> Vec<(std::path::PathBuf, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![home.path(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => found.push((entry.path(), entry.metadata().unwrap().len())),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn errors_of_a_snapshot_are_listed_by_path() {
    let home = Home::with_store_and_data();
    let packed = Command::new("tar")
        .args(["-Pcf", "a.tar", "--transform", "s,^data/readme,../readme,", "data"])
        .current_dir(home.path(""))
        .status();
    if !packed.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no tar that transforms");
        return;
    }
    let ran = home.run(["at", "store", "backup", "tar:a.tar"]);
    let id = ran.out[..8].to_owned();
    assert!(ran.out.contains("backup completed with 1 error in"), "{ran:?}");
    let err = ran.fails(3);
    assert_eq!(err, format!("{id}: KO ✘ /../readme.txt: its name leads out of the archive\n"));
    let listed = home.run(["at", "store", "info", "-errors", &id]).ok();
    assert_eq!(listed, "/../readme.txt: its name leads out of the archive\n");
    assert_eq!(home.run(["at", "store", "info", "-errors", &format!("{id}:/data")]).ok(), "");
    assert!(home.run(["at", "store", "info", "-errors"]).fails(64).contains("-errors needs a snapshot"));
    assert!(
        home.run(["at", "store", "info", "-errors", "ffff"])
            .fails(1)
            .contains("no snapshot has prefix: ffff")
    );
    home.run(["at", "store", "check", &id]).ok();
}

#[test]
fn a_dry_run_writes_nothing_and_a_check_tells_a_second_summary() {
    let home = Home::with_store_and_data();
    let before = files(&home, "store");
    let out = home.run(["at", "store", "backup", "-dry-run", "data"]).ok();
    assert!(out.lines().all(|line| line.starts_with("00000000: OK ✓ /")), "{out}");
    assert!(out.contains("/data/docs/a.txt\n"), "{out}");
    assert_eq!(files(&home, "store"), before);
    assert!(home.run(["at", "store", "backup", "-dry-run", "nothing"]).fails(1).contains("no such file"));
    let out = home
        .run(["-quiet", "at", "store", "backup", "-check", "-packfiles", "memory", "-no-progress", "data"])
        .ok();
    let summaries: Vec<_> = out.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(summaries, ["backup", "check"], "{out}");
    let err = home.run(["at", "store", "backup", "-force-timestamp", "2199-01-01", "data"]).fails(1);
    assert!(err.contains("forced timestamp cannot be in the future"), "{err}");
    home.run(["at", "store", "backup", "-force-timestamp", "never", "data"]).fails(2);
}

#[test]
fn without_the_cache_every_file_is_read_again() {
    let home = Home::with_store_and_data();
    let json = |flags: &[&str]| {
        let words = ["-json", "at", "store", "backup"].iter().chain(flags).chain(&["data"]);
        home.run(words).ok()
    };
    json(&[]);
    assert!(json(&[]).contains("\"file.cached\""), "unchanged files are taken over");
    for flags in [["-cache", "no"], ["-cache", "anything"]] {
        assert!(!json(&flags).contains("\"file.cached\""), "{flags:?}");
    }
}

#[test]
fn a_fast_check_reads_no_contents() {
    let home = Home::with_store_and_data();
    fs::write(
        home.path("data/noise"),
        (0..2_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 9) as u8).collect::<Vec<_>>(),
    )
    .unwrap();
    home.run(["at", "store", "backup", "data"]).ok();
    let (path, size) = files(&home, "store/packfiles").into_iter().max_by_key(|(_, size)| *size).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[size as usize / 2] ^= 1;
    fs::write(&path, bytes).unwrap();
    home.run(["at", "store", "check", "-fast"]).ok();
    let ran = home.run(["at", "store", "check"]);
    assert!(ran.err.contains("/data/noise: "), "{ran:?}");
    assert!(ran.fails(65).ends_with("check failed for 1 snapshot\n"));
    assert!(home.run(["at", "store", "check", "xyz"]).fails(1).contains("invalid snapshot prefix: xyz"));
    home.run(["at", "store", "check", "ffff"]).fails(1);
}

#[test]
fn one_path_is_restored_at_a_time() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "data"]).ok();
    let err = home.run(["at", "store", "restore", "-to", "out", ":docs", ":readme.txt"]).fails(64);
    assert!(err.contains("multiple snapshots found, please specify one"), "{err}");
    assert!(!home.path("out").exists());
    home.run(["at", "store", "restore", "-to", "out", ":docs"]).ok();
    home.run(["at", "store", "restore", "-to", "out", ":readme.txt"]).ok();
    assert_eq!(files(&home, "out").len(), 2);
}
