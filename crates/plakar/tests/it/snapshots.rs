//! What is read from snapshots: checks that find damage, `cat`, restores.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Home, short_id};

#[test]
fn damage_is_found_and_ends_with_65() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "data"]).ok();
    let mut damaged = 0;
    for bucket in fs::read_dir(home.path("store/packfiles")).unwrap() {
        for file in fs::read_dir(bucket.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            let at = bytes.len() / 3;
            bytes[at] ^= 1;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0);
    let ran = home.run(["at", "store", "check"]);
    assert_eq!(ran.code, 65, "{ran:?}");
    assert!(ran.err.contains("check failed for 1 snapshot\n"), "{ran:?}");
}

#[test]
fn cat_prints_what_it_can_and_tells_the_rest() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "data"]).ok();
    let ran = home.run(["at", "store", "cat", ":absent", ":readme.txt", ":docs", "zz:x"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, "hello\n"), "{ran:?}");
    assert!(ran.err.contains("/data/absent: no such file\n"), "{ran:?}");
    assert!(ran.err.contains("/data/docs: not a regular file\n"), "{ran:?}");
    assert!(ran.err.starts_with("error: cat: ") && ran.err.ends_with(": errors occurred\n"), "{ran:?}");
    home.run(["at", "store", "cat"]).fails(64);
}

#[test]
fn cat_unpacks_gzip_only_when_asked() {
    let home = Home::with_store_and_data();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, b"unpacked\n").unwrap();
    let packed = packed.finish().unwrap();
    fs::write(home.path("data/x.gz"), &packed).unwrap();
    home.run(["at", "store", "backup", "data"]).ok();
    assert_eq!(home.run(["at", "store", "cat", "-decompress", ":x.gz"]).ok(), "unpacked\n");
    let raw = home.command().args(["at", "store", "cat", ":x.gz"]).output().unwrap();
    assert_eq!(raw.stdout, packed);
}

#[test]
fn a_snapshot_with_an_unreadable_header_is_told_and_can_be_removed() {
    let home = Home::with_store_and_data();
    let id = short_id(&home.run(["at", "store", "backup", "data"]).ok());
    for bucket in fs::read_dir(home.path("store/packfiles")).unwrap() {
        for file in fs::read_dir(bucket.unwrap().path()).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
    let err = home.run(["at", "store", "ls"]).fails(1);
    assert!(err.starts_with(&format!("error: {id}: ")), "{err}");
    home.run(["at", "store", "rm", "-apply", "-before", "2199-01-01"]).fails(1);
    assert!(home.run(["at", "store", "rm", &id]).ok().contains(&id));
    home.run(["at", "store", "rm", "-apply", &id]).ok();
    assert_eq!(home.run(["at", "store", "ls"]).ok(), "");
}

#[test]
fn restore_chooses_the_newest_and_uses_named_destinations() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "-tag=old", "data"]).ok();
    fs::write(home.path("data/readme.txt"), "changed\n").unwrap();
    home.run(["at", "store", "backup", "data"]).ok();
    let text = |path: &str| fs::read_to_string(home.path(path)).unwrap();
    home.run(["at", "store", "restore", "-to", "new"]).ok();
    assert_eq!(text("new/readme.txt"), "changed\n");
    home.run(["at", "store", "restore", "-to", "old", "-tag", "old"]).ok();
    assert_eq!(text("old/readme.txt"), "hello\n");
    fs::create_dir(home.path("named")).unwrap();
    home.run(["destination", "add", "d", home.path("named").to_str().unwrap()]).ok();
    home.run(["at", "store", "restore", ":readme.txt", "-to", "@d:deeper"]).ok();
    assert_eq!(text("named/deeper/readme.txt"), "changed\n");
    home.run(["at", "store", "restore", ":docs"]).ok();
    let made = fs::read_dir(home.path(""))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let made: Vec<String> = made.filter(|name| name.starts_with("plakar-")).collect();
    assert_eq!(made.len(), 1, "{made:?}");
    assert!(home.path(&made[0]).join("a.txt").exists());
    home.run(["at", "store", "restore", "a", "b"]).fails(64);
    assert!(
        home.run(["at", "store", "restore", "-to", "@x"]).fails(1).contains("could not resolve exporter: @x")
    );
}

#[test]
fn a_restore_with_failed_entries_is_partial() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "data"]).ok();
    // A directory stands where a file belongs.
    fs::create_dir_all(home.path("out/readme.txt")).unwrap();
    let ran = home.run(["at", "store", "restore", "-to", "out"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("KO ✘ ") && ran.out.contains("restore completed with 1 error in "), "{ran:?}");
    assert!(home.path("out/docs/a.txt").exists());
}
