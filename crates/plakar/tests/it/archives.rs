//! Archives, differences, and looks inside a store.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::support::{Home, short_id};

fn backed_up(home: &Home) -> String {
    let out = home.run(["-quiet", "at", "store", "backup", "data"]).ok();
    out[..8].to_owned()
}

/// Unpacks with the system's program, if there is one.
fn unpack(home: &Home, program: &str, words: &[&str]) -> bool {
    match Command::new(program).args(words).current_dir(home.path("")).status() {
        Ok(status) => {
            assert!(status.success(), "{program} {words:?}");
            true
        }
        Err(_) => {
            eprintln!("skipped: there is no {program}");
            false
        }
    }
}

#[test]
fn tar_files_give_back_names_links_and_times() {
    let home = Home::with_store_and_data();
    let long = format!("{}/{}", "d".repeat(120), "n".repeat(200));
    fs::create_dir_all(home.path(format!("data/{}", "d".repeat(120)))).unwrap();
    fs::write(home.path(format!("data/{long}")), "long").unwrap();
    fs::write(home.path("data/é x"), "").unwrap();
    fs::hard_link(home.path("data/readme.txt"), home.path("data/second")).unwrap();
    let id = backed_up(&home);
    home.run(["at", "store", "archive", "-format", "tar", "-output", "a.tar", "-rebase", &id]).ok();
    fs::create_dir(home.path("out")).unwrap();
    if unpack(&home, "tar", &["-xf", "a.tar", "-C", "out"]) {
        assert_eq!(fs::read_to_string(home.path(format!("out/{long}"))).unwrap(), "long");
        assert_eq!(fs::read_to_string(home.path("out/é x")).unwrap(), "");
        assert_eq!(fs::read_link(home.path("out/link")).unwrap().to_str(), Some("docs/a.txt"));
        let meta = |path: &str| fs::metadata(home.path(path)).unwrap();
        assert_eq!(meta("out/second").ino(), meta("out/readme.txt").ino());
        let (new, old) = (meta("out/readme.txt"), meta("data/readme.txt"));
        assert_eq!((new.mtime(), new.mtime_nsec(), new.mode()), (old.mtime(), old.mtime_nsec(), old.mode()));
    }
    home.run(["at", "store", "archive", &format!("{id}:docs")]).ok();
    let named = fs::read_dir(home.path(""))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    assert_eq!(named.filter(|name| name.starts_with("plakar-") && name.ends_with("Z.tar.gz")).count(), 1);
    home.run(["at", "store", "archive"]).fails(64);
    home.run(["at", "store", "archive", "-format", "rar", &id]).fails(2);
    home.run(["at", "store", "archive", "-output", "no/such/folder", &id]).fails(1);
}

#[test]
fn zip_files_give_back_contents() {
    let home = Home::with_store_and_data();
    let id = backed_up(&home);
    home.run(["at", "store", "archive", "-format", "zip", "-output", "a.zip", "-rebase", &id]).ok();
    if unpack(&home, "unzip", &["-q", "a.zip", "-d", "out"]) {
        assert_eq!(fs::read_to_string(home.path("out/readme.txt")).unwrap(), "hello\n");
        assert_eq!(fs::read(home.path("out/docs/a.txt")).unwrap().len(), 3000);
    }
    assert!(fs::read(home.path("a.zip")).unwrap().starts_with(b"PK\x03\x04"));
}

#[test]
fn differences_are_told_as_diff_does() {
    let home = Home::with_store_and_data();
    let first = backed_up(&home);
    fs::write(home.path("data/readme.txt"), "hello\nworld\n").unwrap();
    fs::write(home.path("data/new"), b"\0").unwrap();
    let second = backed_up(&home);
    let data = home.path("data").canonicalize().unwrap();
    let data = data.to_str().unwrap();
    let (one, two) = (format!("{first}:readme.txt"), format!("{second}:readme.txt"));
    let text = home.run(["at", "store", "diff", &one, &two]).ok();
    assert_eq!(
        text,
        format!(
            "--- {first}:{data}/readme.txt\n+++ {second}:{data}/readme.txt\n@@ -1 +1,2 @@\n hello\n+world\n"
        )
    );
    let flat = home.run(["at", "store", "diff", &first, &second]).ok();
    assert_eq!(flat, format!("Common subdirectories: docs and docs\nOnly in {second}:{data}: new\n"));
    let deep = home.run(["at", "store", "diff", "-recursive", &first]).ok();
    assert!(
        deep.starts_with(&format!("Only in {data}: new\n--- {first}:{data}/readme.txt\n+++ {data}/")),
        "{deep}"
    );
    assert_eq!(home.run(["at", "store", "diff", "-recursive", &second]).ok(), "");
    fs::write(home.path("data/new"), b"\x01\0").unwrap();
    let binary = home.run(["at", "store", "diff", &format!("{second}:new")]).ok();
    assert_eq!(binary, format!("Binary files {second}:{data}/new and {data}/new differ\n"));
    home.run(["at", "store", "diff", &first, &two]).fails(1);
    home.run(["at", "store", "diff"]).fails(64);
}

#[test]
fn status_says_how_old_each_source_is_and_ends_with_1_if_one_is_too_old() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "status", "-max-age", "1h"]).fails(1);
    let old = ["at", "store", "backup", "-force-timestamp", "3 days", "data"];
    let first = short_id(&home.run(old).ok());
    let said = home.run(["at", "store", "status"]).ok();
    let data = home.path("data");
    let data = data.display();
    assert!(said.contains(&format!(", {data}: 1 snapshot, newest good {first} ")), "{said}");
    home.run(["at", "store", "status", "-max-age", "4 days"]).ok();
    let error = home.run(["at", "store", "status", "-max-age", "26h"]).fails(1);
    assert!(error.contains("no good snapshot since ") && error.contains(&format!(", {data}")), "{error}");

    // Another source that is young does not hide the old one; a filter leaves it out.
    fs::create_dir(home.path("other")).unwrap();
    home.run(["at", "store", "backup", "-name", "other", "other"]).ok();
    home.run(["at", "store", "status", "-max-age", "26h"]).fails(1);
    home.run(["at", "store", "status", "-max-age", "26h", "-name", "other"]).ok();
    let second = backed_up(&home);
    home.run(["at", "store", "status", "-max-age=26h"]).ok();
    let json = home.run(["-json", "at", "store", "status", "-root", &data.to_string()]).ok();
    let parsed: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    assert_eq!(parsed["sources"].as_array().map(Vec::len), Some(1), "{json}");
    assert_eq!(parsed["sources"][0]["snapshots"], 2);
    let newest = parsed["sources"][0]["newest_good"]["snapshot"].as_str().unwrap();
    assert!(newest.starts_with(&second) && parsed["sources"][0]["newest_good"]["age_seconds"].is_u64());
}

#[test]
fn status_and_diag_look_inside() {
    let home = Home::with_store_and_data();
    let id = backed_up(&home);
    let status = home.run(["at", "store", "status"]).ok();
    assert!(
        status.contains(&format!("Snapshots: 1, newest {id} ")) && status.contains("\nLocks: 0\n"),
        "{status}"
    );
    let json = home.run(["-json", "at", "store", "status"]).ok();
    assert!(json.contains("\"suspicions\":[]"), "{json}");
    assert!(home.run(["at", "store", "diag"]).ok().contains("\nHashing:\n"));
    let packfiles = home.run(["at", "store", "diag", "packfile"]).ok();
    let first = packfiles.lines().next().unwrap();
    let blobs = home.run(["at", "store", "diag", "packfile", first]).ok();
    let words: Vec<&str> = blobs.lines().next().unwrap().split(' ').collect();
    home.run(["at", "store", "diag", "blob", words[0], words[1]]).ok();
    assert!(home.run(["at", "store", "diag", "blobsearch", words[1]]).ok().contains(first));
    assert!(home.run(["at", "store", "diag", "snapshot", &id]).ok().contains("SnapshotID: "));
    assert!(home.run(["at", "store", "diag", "vfs", &format!("{id}:readme.txt")]).ok().contains("Path: "));
    assert!(home.run(["at", "store", "diag", "contenttype", &id]).ok().contains("text/plain"));
    assert_eq!(home.run(["at", "store", "diag", "locks"]).ok(), "");
    assert_eq!(home.run(["at", "store", "diag", "state"]).ok().lines().count(), 1);
    home.run(["at", "store", "diag", "xattr", &id]).ok();
}

#[test]
fn a_pipe_is_written_into_and_not_replaced() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "data"]).ok();
    let pipe = home.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let from = pipe.clone();
    let reader = std::thread::spawn(move || std::fs::read(from).unwrap());
    home.run(["at", "store", "archive", "-format", "tar", "-output", "pipe", ":"]).ok();
    let kind = std::fs::symlink_metadata(&pipe).unwrap().file_type();
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&kind), "it is a file now");
    assert!(reader.join().unwrap().len() > 3000);
}
