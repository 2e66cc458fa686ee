//! Backup, listing, reading, checking, restoring, removing: wiring and lines.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Home, ran, short_id};

#[test]
fn a_backup_is_listed_read_checked_and_restored() {
    let home = Home::with_store_and_data();
    let out = home.run(["at", "store", "backup", "-tag", "x,y", "data"]).ok();
    let id = short_id(&out);
    let data = home.path("data").canonicalize().unwrap();
    let data = data.to_str().unwrap();
    assert!(out.contains(&format!("{id}: OK ✓ {data}/readme.txt\n")), "{out}");
    assert!(out.contains(&format!("{id}: OK ✓ /\n")), "{out}");
    assert!(out.contains(&format!("{id}: backup completed without errors in ")), "{out}");

    let listed = home.run(["at", "store", "ls", "-tags"]).ok();
    assert!(
        listed.ends_with(&format!(" {data} tags=x,y\n")) && listed.contains(&format!("   {id}")),
        "{listed}"
    );
    assert_eq!(home.run(["at", "store", "ls", "-tag", "!x"]).ok(), "");

    let inside = home.run(["at", "store", "ls", &id]).ok();
    let names: Vec<&str> = inside.lines().map(|line| line.split_whitespace().nth(6).unwrap()).collect();
    assert_eq!(names, ["docs", "link", "readme.txt"], "{inside}");
    assert!(inside.contains(" link -> docs/a.txt\n"), "{inside}");
    let all = home.run(["at", "store", "ls", "-recursive", &id]).ok();
    assert!(all.contains(&format!(" {data}/docs/a.txt\n")), "{all}");

    assert_eq!(home.run(["at", "store", "cat", &format!("{id}:readme.txt")]).ok(), "hello\n");
    assert_eq!(home.run(["at", "store", "cat", &format!("{id}:link")]).ok(), "a".repeat(3000));
    let digest = home.run(["at", "store", "digest", &format!("{id}:readme.txt")]).ok();
    assert_eq!(
        digest,
        format!(
            "SHA256 ({data}/readme.txt) = 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\n"
        )
    );

    let checked = home.run(["at", "store", "check"]).ok();
    assert!(checked.contains(&format!("{id}: check completed without errors in ")), "{checked}");

    let restored = home.run(["at", "store", "restore", "-to", "out", &id]).ok();
    assert!(restored.contains(&format!("{id}: restore completed without errors in ")), "{restored}");
    assert_eq!(fs::read_to_string(home.path("out/readme.txt")).unwrap(), "hello\n");
    assert_eq!(fs::read_link(home.path("out/link")).unwrap().to_str(), Some("docs/a.txt"));
    home.run(["at", "store", "restore", "-to=part", &format!("{id}:docs")]).ok();
    assert_eq!(fs::read(home.path("part/a.txt")).unwrap().len(), 3000);

    let info = home.run(["at", "store", "info"]).ok();
    assert!(
        info.contains("\nSnapshots: 1\n") && info.contains("\nHashing:\n - Algorithm: BLAKE3\n"),
        "{info}"
    );
    let info = home.run(["at", "store", "info", &id]).ok();
    assert!(info.contains(&format!(" - Directory: {data}\n")) && info.contains("Tags: x, y\n"), "{info}");
}

#[test]
fn quiet_and_silent_hide_lines_but_not_results() {
    let home = Home::with_store_and_data();
    let quiet = home.run(["-quiet", "at", "store", "backup", "data"]).ok();
    assert_eq!(quiet.lines().count(), 1, "{quiet}");
    assert_eq!(home.run(["-silent", "at", "store", "backup", "data"]).ok(), "");
    assert_eq!(home.run(["-silent", "at", "store", "ls"]).ok().lines().count(), 2);
}

#[test]
fn json_is_one_object_a_line() {
    let home = Home::with_store_and_data();
    let events = home.run(["-json", "at", "store", "backup", "data"]).ok();
    let kinds: Vec<String> = events
        .lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["workflow"], "import");
            value["type"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(kinds.first().map(String::as_str), Some("workflow.start"));
    assert_eq!(kinds.last().map(String::as_str), Some("workflow.end"));
    assert!(
        kinds.iter().any(|kind| kind == "file.ok") && kinds.iter().any(|kind| kind == "result"),
        "{kinds:?}"
    );
    for words in [&["ls"][..], &["info"], &["ls", "-recursive", "/"]] {
        let mut line = vec!["-json", "at", "store"];
        line.extend(words);
        for line in home.run(line).ok().lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }
}

#[test]
fn removal_is_planned_before_it_is_done() {
    let home = Home::with_store_and_data();
    let first = short_id(&home.run(["at", "store", "backup", "-tag=old", "data"]).ok());
    let second = short_id(&home.run(["at", "store", "backup", "data"]).ok());
    let plan = home.run(["at", "store", "rm", &first]).ok();
    assert!(plan.starts_with("rm: would remove these 1 snapshot(s), run with -apply to proceed\n"), "{plan}");
    assert!(plan.contains(&first) && plan.contains(" tags=old") && !plan.contains(&second), "{plan}");
    assert_eq!(home.run(["at", "store", "ls"]).ok().lines().count(), 2);
    let done = home.run(["at", "store", "rm", "-apply", "-tag", "old"]).ok();
    assert_eq!(done, format!("info: rm: removal of {first} completed successfully\n"));
    let left = home.run(["at", "store", "ls"]).ok();
    assert!(left.contains(&second) && left.lines().count() == 1, "{left}");
    let none = home.run(["at", "store", "rm", "-apply", "-tag", "old"]).ok();
    assert_eq!(none, "info: rm: no snapshots matched the selection\n");
}

#[test]
fn dry_run_writes_nothing() {
    let home = Home::with_store_and_data();
    let out = home.run(["at", "store", "backup", "-dry-run", "data"]).ok();
    assert!(out.contains("00000000: OK ✓ ") && out.contains("/data/readme.txt\n"), "{out}");
    assert_eq!(home.run(["at", "store", "ls"]).ok(), "");
}

#[test]
fn the_store_inside_the_source_is_left_out() {
    let home = Home::with_store_and_data();
    fs::rename(home.path("store"), home.path("data/store")).unwrap();
    let out = home.run(["at", "data/store", "backup", "data"]).ok();
    assert!(out.contains("/data/readme.txt\n") && !out.contains("/data/store/"), "{out}");
}

#[test]
fn ignore_rules_come_from_file_and_line() {
    let home = Home::with_store_and_data();
    fs::write(home.path("rules"), "# nothing\n\n*.txt\n").unwrap();
    let words = ["at", "store", "backup", "-ignore-file", "rules", "-ignore", "!readme.txt", "data"];
    let out = home.run(words).ok();
    assert!(out.contains("/data/readme.txt\n") && !out.contains("a.txt\n"), "{out}");
    home.run(["at", "store", "backup", "-ignore-file", "absent", "data"]).fails(1);
}

#[test]
fn a_missing_source_fails_without_a_snapshot() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "absent"]).fails(1);
    home.run(["at", "store", "backup", "-force-timestamp", "2199-01-01", "data"]).fails(1);
    assert_eq!(home.run(["at", "store", "ls"]).ok(), "");
}

#[test]
fn a_forced_time_and_names_are_recorded() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "-force-timestamp", "2001-02-03", "-job=j", "data"]).ok();
    let listed =
        home.run(["at", "store", "ls", "-job", "j", "-before", "2001-02-03", "-since", "2001-02-03"]).ok();
    assert!(listed.starts_with("2001-02-03T00:00:00Z "), "{listed}");
    assert_eq!(home.run(["at", "store", "ls", "-before", "2001-02-02"]).ok(), "");
    home.run(["at", "store", "backup", "data"]).ok();
    home.run(["at", "store", "backup", "data"]).ok();
    let lines = |flag: &str, n: &str| home.run(["at", "store", "ls", flag, n]).ok().lines().count();
    assert_eq!((lines("-years", "1"), lines("-per-year", "1"), lines("-days", "9999999")), (2, 2, 3));
}

#[test]
fn secrets_do_not_reach_the_header() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "-o", "password=hunter2", "data"]).ok();
    let info = home.run(["at", "store", "info", ""]).ok();
    assert!(info.contains(" - CommandLine: ") && !info.contains("hunter2"), "{info}");
}

#[test]
fn unreadable_entries_make_a_backup_partial() {
    let home = Home::with_store_and_data();
    let locked = home.path("data/locked");
    fs::write(&locked, "x").unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = home.command();
    // Root reads everything: then somebody else makes the backup.
    if fs::read(&locked).is_ok() {
        fs::set_permissions(home.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        give_away(&home.path(""));
        std::os::unix::process::CommandExt::uid(&mut command, NOBODY);
    }
    let ran = ran(command.args(["at", "store", "backup", "data"]).output().unwrap());
    assert!(ran.err.contains("KO ✘ ") && ran.out.contains("completed with 1 error in "), "{ran:?}");
    assert_eq!(ran.code, 3);
    let errors = home.run(["at", "store", "info", "-errors", ""]).ok();
    assert!(errors.contains("/data/locked: "), "{errors}");
    home.run(["at", "store", "info", "-errors"]).fails(64);
    // What is restored is all that was stored, and not all that there was.
    let restored = home.run(["at", "store", "restore", "-to", "out"]);
    assert!(restored.err.contains("was made with errors: 1 path could not be read then"), "{restored:?}");
    assert_eq!(restored.code, 0);
}

/// An account without rights.
const NOBODY: u32 = 65534;

/// Everything at and below `path` belongs to [`NOBODY`].
fn give_away(path: &std::path::Path) {
    std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.symlink_metadata().unwrap().is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give_away(&entry.unwrap().path()));
    }
}

#[test]
fn a_backup_can_be_checked_at_once() {
    let home = Home::with_store_and_data();
    let out = home.run(["-quiet", "at", "store", "backup", "-check", "data"]).ok();
    let verbs: Vec<&str> = out.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(verbs, ["backup", "check"], "{out}");
    let partly = home.run(["at", "store", "check", "-fast", ":docs"]).ok();
    assert!(partly.contains("/data/docs") && !partly.contains("/data/readme.txt"), "{partly}");
}
