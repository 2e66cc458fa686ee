//! Single-file stores: made, read, refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use testkit::web_file::{Manner, WebFile};

use crate::support::{Home, with_upstream_store};

const SECRET: &[(&str, &str)] = &[("PLAKAR_PASSPHRASE", "a long enough passphrase")];

fn names(home: &Home) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(home.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name.contains("ptar"));
    names.sort();
    names
}

#[test]
fn sources_and_stores_go_into_one_file_that_is_a_store() {
    let home = Home::with_store_and_data();
    let old = home.run(["-quiet", "at", "store", "backup", "-tag", "kept", "data/docs"]).ok();
    fs::create_dir(home.path("more")).unwrap();
    // The same contents again, and some more than one packfile holds.
    fs::copy(home.path("data/docs/a.txt"), home.path("more/again")).unwrap();
    let noise: Vec<u8> =
        (0..70_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as u8 ^ (i >> 13) as u8).collect();
    fs::write(home.path("more/noise"), &noise).unwrap();
    let out = home.run_with(["ptar", "-k", "store", "-o", "a.ptar", "data", "more"], SECRET).ok();
    assert_eq!(out.matches(": backup completed without errors in ").count(), 3, "{out}");
    assert_eq!(fs::metadata(home.path("a.ptar")).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(names(&home), ["a.ptar"]);

    home.run(["at", "a.ptar", "ls"]).fails(77);
    let ls = home.run_with(["at", "a.ptar", "ls", "-tags"], SECRET).ok();
    assert_eq!(ls.lines().count(), 3, "{ls}");
    assert!(ls.contains(&format!(" {} ", &old[..8])) && ls.contains("tags=kept"), "{ls}");
    home.run_with(["at", "a.ptar", "check"], SECRET).ok();
    let newest = ls.lines().next().unwrap().split_whitespace().nth(1).unwrap();
    home.run_with(["-quiet", "at", "a.ptar", "restore", "-to", "back", newest], SECRET).ok();
    assert!(fs::read(home.path("back/noise")).unwrap() == noise);
    let text = home.run_with(["at", "a.ptar", "cat", &format!("{}:a.txt", &old[..8])], SECRET).ok();
    assert_eq!(text, "a".repeat(3000));
    let err = home.run_with(["at", "a.ptar", "backup", "data"], SECRET).fails(1);
    assert!(err.contains("storage is not writable"), "{err}");
    home.run_with(["at", "a.ptar", "sync", "to", "store"], SECRET).ok();
}

#[test]
fn a_file_on_a_web_server_is_a_store() {
    let home = with_upstream_store();
    let content = fs::read(home.path("data.ptar")).unwrap();
    let server = WebFile::start(content, Manner::Parts).unwrap();
    let url = format!("ptar+http://{}/backups/data.ptar", server.address());
    assert_eq!(home.run(["at", &url, "ls"]).ok(), home.run(["at", "data.ptar", "ls"]).ok());
    home.run(["at", &url, "check"]).ok();
    home.run(["-quiet", "at", &url, "restore", "-to", "far"]).ok();
    home.run(["-quiet", "at", "data.ptar", "restore", "-to", "near"]).ok();
    let same = Command::new("diff")
        .args(["-r", "--no-dereference", "far", "near"])
        .current_dir(home.path(""))
        .output()
        .unwrap();
    assert!(same.status.success(), "{same:?}");
    let err = home.run(["at", &url, "backup", "near"]).fails(1);
    assert!(err.contains("storage is not writable"), "{err}");
    home.run(["store", "add", "web", &url]).ok();
    assert!(home.run(["store", "ping", "web"]).ok().contains("configuration OK"));
    server.set_manner(Manner::Whole);
    let err = home.run(["at", "@web", "ls"]).fails(66);
    assert!(err.contains("the server gives no parts of files"), "{err}");
    home.run(["at", "ptar+https://127.0.0.1:1/x.ptar", "ls"]).fails(66);
}

#[test]
fn an_existing_file_is_replaced_only_on_demand() {
    let home = Home::with_store_and_data();
    fs::write(home.path("data/a.ptar"), "mine").unwrap();
    let err = home.run(["ptar", "-plaintext", "-o", "data/a.ptar", "data"]).fails(1);
    assert!(err.contains("data/a.ptar: file exists"), "{err}");
    assert_eq!(fs::read_to_string(home.path("data/a.ptar")).unwrap(), "mine");
    let words = [
        "ptar",
        "-plaintext",
        "-no-compression",
        "-hashing",
        "SHA256",
        "-overwrite",
        "-o",
        "data/a.ptar",
        "data",
    ];
    let out = home.run(words).ok();
    assert!(!out.contains("a.ptar"), "the file must not hold itself: {out}");
    let info = home.run(["at", "data/a.ptar", "info"]).ok();
    assert!(info.contains("SHA256") && info.contains("Snapshots: 1"), "{info}");
    home.run(["at", "data/a.ptar", "check"]).ok();
}

#[test]
fn what_cannot_be_made_leaves_nothing_behind() {
    let home = Home::with_store_and_data();
    home.run(["ptar", "-plaintext", "-o", "a.ptar", "nothing"]).fails(1);
    home.run(["ptar", "-plaintext", "-k", "no-store", "-o", "a.ptar"]).fails(66);
    home.run(["ptar", "-plaintext", "data"]).fails(64);
    home.run(["ptar", "-plaintext", "-hashing", "MD5", "-o", "a.ptar"]).fails(1);
    home.run(["ptar", "-plaintext", "-o", "no/folder/a.ptar", "data"]).fails(1);
    home.run(["ptar", "-o", "a.ptar", "data"]).fails(77);
    assert_eq!(names(&home), [""; 0]);
}
