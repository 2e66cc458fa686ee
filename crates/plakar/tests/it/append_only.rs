//! A store behind an account that can add files and do nothing else, as the documentation sets it up.

use std::path::Path;
use std::time::{Duration, SystemTime};

use testkit::sshd::{ALIAS, Sshd, SshdOptions};

use crate::support::{Home, Ran};

/// The requests that the documented `sshd_config` denies.
const DENIED: [&str; 7] = ["remove", "rmdir", "rename", "posix-rename", "setstat", "fsetstat", "lsetstat"];

fn run(home: &Home, sshd: &Sshd, words: &[&str]) -> Ran {
    let path = format!("{}:/usr/bin:/bin", sshd.program_folder().display());
    home.run_with(words, &[("PATH", &path)])
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

#[test]
fn store_of_an_append_only_account_takes_backups_and_loses_nothing() {
    if !Sshd::available() {
        eprintln!("skipped: no OpenSSH server here");
        return;
    }
    let denied_requests = DENIED.iter().map(|&name| name.to_owned()).collect();
    let sshd = Sshd::start_with(SshdOptions { denied_requests, ..SshdOptions::default() }).unwrap();
    let home = Home::with_store_and_data();
    let far = format!("sftp://{ALIAS}{}", home.path("far").display());
    let store = home.path("far");
    run(&home, &sshd, &["at", &far, "create", "-plaintext"]).ok();
    let mut before = Vec::new();
    for round in 0..3 {
        std::fs::write(home.path(format!("data/round{round}")), format!("round {round}")).unwrap();
        run(&home, &sshd, &["at", &far, "backup", home.path("data").to_str().unwrap()]).ok();
        let mut after = Vec::new();
        files(&store, &mut after);
        assert!(before.iter().all(|path| after.contains(path)), "nothing went away");
        before = after;
        // The lock stays; an old one binds nobody, and is not read.
        for entry in std::fs::read_dir(store.join("locks")).unwrap().flatten() {
            if round == 1 {
                std::fs::write(entry.path(), b"cut short").unwrap();
            }
            let old = SystemTime::now() - Duration::from_secs(3600);
            std::fs::File::open(entry.path()).unwrap().set_modified(old).unwrap();
        }
    }
    assert_eq!(std::fs::read_dir(store.join("locks")).unwrap().count(), 3, "one lock a backup");
    assert_eq!(run(&home, &sshd, &["at", &far, "ls"]).ok().lines().count(), 3);
    run(&home, &sshd, &["at", &far, "check"]).ok();
    let out = home.path("out");
    run(&home, &sshd, &["at", &far, "restore", "-to", out.to_str().unwrap()]).ok();
    assert_eq!(std::fs::read_to_string(out.join("round2")).unwrap(), "round 2");
    // What the account wrote for good cannot be opened for writing again by it.
    use std::os::unix::fs::PermissionsExt;
    let mut packfiles = Vec::new();
    files(&store.join("packfiles"), &mut packfiles);
    packfiles.retain(|path| !path.to_string_lossy().contains("/tmp."));
    assert!(!packfiles.is_empty());
    packfiles.push(store.join("CONFIG"));
    for path in packfiles {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o222, 0, "{} is {mode:o}", path.display());
    }
}
