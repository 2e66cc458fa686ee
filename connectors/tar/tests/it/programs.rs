//! Archives as the system's tar makes them.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::{TempDir, tempdir};

use crate::support::{everything, source};

/// A folder with a bit of everything that tar can tell.
fn tree() -> TempDir {
    let folder = tempdir().expect("folder");
    let at = |name: &str| folder.path().join("tree").join(name);
    std::fs::create_dir_all(at(&format!("sub/{}", "deep/".repeat(30)))).expect("folders");
    std::fs::write(at("file"), "hello").expect("write");
    std::fs::write(at(&"n".repeat(180)), "long name").expect("write");
    std::fs::write(at("é ü\n"), "odd name").expect("write");
    std::fs::write(at("empty"), "").expect("write");
    std::fs::hard_link(at("file"), at("sub/second")).expect("link");
    symlink("../file", at("sub/link")).expect("link");
    symlink("t".repeat(200), at("long-link")).expect("link");
    std::fs::set_permissions(at("file"), PermissionsExt::from_mode(0o4751)).expect("mode");
    let sparse = std::fs::File::create(at("sparse")).expect("create");
    for place in 0..12u64 {
        std::os::unix::fs::FileExt::write_at(&sparse, b"data", place * (1 << 20) + 4096).expect("write");
    }
    sparse.set_len(16 << 20).expect("length");
    assert!(Command::new("mkfifo").arg(at("pipe")).status().expect("mkfifo").success());
    folder
}

/// Packs with the system's program; `false` if there is none.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn pack(folder: &Path, words: &[&str]) -> bool {
    let made = Command::new("tar").args(words).arg("-C").arg(folder).arg("tree").env("LC_ALL", "C").output();
    match made {
        Ok(made) if made.status.success() => true,
        Ok(made) => panic!("tar {words:?}: {}", String::from_utf8_lossy(&made.stderr)),
        Err(_) => {
            eprintln!("skipped: there is no tar program");
            false
        }
    }
}

#[test]
fn every_format_of_the_program_is_read_as_it_was_packed() {
    let folder = tree();
    let formats: [&[&str]; 6] = [
        &["--format=gnu"],
        &["--format=posix"],
        &["--format=gnu", "-S"],
        &["--format=posix", "-S"],
        &["--format=posix", "-S", "--sparse-version=0.0"],
        &["--format=posix", "-S", "-z", "--sparse-version=0.1"],
    ];
    for format in formats {
        let archive = folder.path().join("a.tar");
        let file = archive.to_str().expect("text");
        if !pack(folder.path(), &[format, &["-cf", file]].concat()) {
            return;
        }
        let (records, contents, failed) = everything(&source(&archive));
        assert_eq!(failed, [""; 0], "{format:?}");
        let mut count = 1;
        for path in walk(&folder.path().join("tree")) {
            count += 1;
            let inside =
                format!("/tree{}", path.to_str().expect("text").split_once("/tree").expect("tree").1);
            let found = records.get(&inside).unwrap_or_else(|| panic!("{format:?} {inside}"));
            compare(&path, &inside, found, &contents, format);
        }
        assert_eq!(records.len(), count, "{format:?}");
        let (one, two) = (&records["/tree/file"].info, &records["/tree/sub/second"].info);
        assert_eq!((one.nlink, one.ino), (2, two.ino), "{format:?}");
    }
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("list") {
        let entry = entry.expect("entry");
        found.push(entry.path());
        if entry.file_type().expect("kind").is_dir() {
            found.extend(walk(&entry.path()));
        }
    }
    found
}

fn compare(
    path: &Path,
    inside: &str,
    found: &kloset_connector::Record,
    contents: &testkit::suites::drive::Contents,
    format: &[&str],
) {
    let stat = path.symlink_metadata().expect("stat");
    let info = &found.info;
    let mode = kloset_format::FileMode::from_st_mode(stat.mode());
    assert_eq!(info.mode.to_text(), mode.to_text(), "{format:?} {inside}");
    assert_eq!((info.uid, info.gid), (u64::from(stat.uid()), u64::from(stat.gid())), "{format:?} {inside}");
    assert_eq!(info.mod_time.seconds, stat.mtime(), "{format:?} {inside}");
    if format.contains(&"--format=posix") {
        assert_eq!(i64::from(info.mod_time.nanoseconds), stat.mtime_nsec(), "{format:?} {inside}");
    }
    let target = std::fs::read_link(path).ok().map(|t| t.into_os_string().into_string().expect("text"));
    assert_eq!(found.target.clone().map(|t| String::from_utf8(t).expect("text")), target, "{inside}");
    if stat.is_file() {
        let content =
            contents[inside.as_bytes()].as_ref().unwrap_or_else(|e| panic!("{format:?} {inside}: {e:?}"));
        assert!(*content == std::fs::read(path).expect("read"), "{format:?} {inside}");
        assert_eq!(info.size, stat.len() as i64, "{format:?} {inside}");
    }
}

#[test]
fn extended_attributes_come_along() {
    let folder = tempdir().expect("folder");
    std::fs::create_dir(folder.path().join("tree")).expect("folder");
    let file = folder.path().join("tree/file");
    std::fs::write(&file, "x").expect("write");
    let set = rustix::fs::setxattr(&file, "user.odd", b"a\nb=\0\xff", rustix::fs::XattrFlags::empty());
    if set.is_err() {
        eprintln!("skipped: no extended attributes here");
        return;
    }
    let archive = folder.path().join("a.tar");
    if pack(folder.path(), &["--xattrs", "-cf", archive.to_str().expect("text")]) {
        let (records, ..) = everything(&source(&archive));
        let found = &records["/tree/file"].xattrs;
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].name.as_slice(), found[0].value.as_slice()),
            (b"user.odd".as_slice(), b"a\nb=\0\xff".as_slice())
        );
    }
}
