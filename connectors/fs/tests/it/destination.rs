//! Local destinations: the conformance suite, and what only a local file system can do.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use connector_fs::FsDestination;
use kloset_connector::{
    ConnectorContext, Destination, ErrorKind, FileContent, Limitation, Location, Options, Target, Xattr,
};
use kloset_format::{FileInfo, FileMode, Timestamp};
use tempfile::TempDir;
use testkit::suites::drive::Collect;
use testkit::tree::Fidelity;

fn destination(path: &Path) -> Box<dyn Destination> {
    let location = Location::parse(&format!("fs://{}", path.display()));
    let context = ConnectorContext::silent("/".into());
    Box::new(FsDestination::new(&location, &Options::new(), &context).expect("a named path"))
}

#[test]
fn local_destination_conforms() {
    testkit::suites::destination::run(&testkit::suites::destination::Factory {
        fidelity: Fidelity::everything(),
        make: &destination,
    });
}

fn target(path: &[u8], st_mode: u32) -> Target {
    let owner = fs::metadata("/proc/self").expect("proc");
    let info = FileInfo {
        mode: FileMode::from_st_mode(st_mode),
        mod_time: Timestamp { seconds: 1_000_000_000, nanoseconds: 1 },
        uid: owner.uid().into(),
        gid: owner.gid().into(),
        ..FileInfo::made_up_directory(b"")
    };
    Target { path: path.to_vec(), info, xattrs: Vec::new(), link: None }
}

fn write(destination: &dyn Destination, target: Target) -> kloset_connector::Outcome {
    let collect = Collect::new(1);
    let file = FileContent { target, pieces: vec![b"content".as_slice().into()] };
    destination.files(vec![file], &collect.report());
    collect.finish().pop().expect("one outcome")
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let temp = TempDir::new().expect("temporary folder");
    let destination = destination(&temp.path().join("target"));
    destination.prepare().expect("prepare");
    let paths: [&[u8]; 8] = [b"..", b".", b"", b"../x", b"a/../../x", b"/etc/x", b"a//b", b"a\0b"];
    for path in paths {
        let error = write(destination.as_ref(), target(path, 0o100_644)).expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Invalid, "{}: {error}", path.escape_ascii());
    }
    assert_eq!(fs::read_dir(temp.path()).expect("list").count(), 1);
    assert_eq!(fs::read_dir(temp.path().join("target")).expect("list").count(), 0);
}

#[test]
fn set_user_bit_is_left_out_when_the_owner_cannot_be_set() {
    let temp = TempDir::new().expect("temporary folder");
    let destination = destination(temp.path());
    destination.prepare().expect("prepare");
    let mut target = target(b"program", 0o106_755);
    // No system has this owner, whatever our privileges.
    target.info.uid = u64::from(u32::MAX);
    target.info.gid = u64::MAX;
    let applied = write(destination.as_ref(), target).expect("written all the same");
    assert_eq!(applied.limitations, [Limitation::Owner]);
    let mode = fs::metadata(temp.path().join("program")).expect("there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn a_bad_attribute_fails_the_path_but_not_its_content() {
    let temp = TempDir::new().expect("temporary folder");
    let destination = destination(temp.path());
    destination.prepare().expect("prepare");
    let mut target = target(b"file", 0o100_600);
    target.xattrs = vec![Xattr { name: [b"user.".as_slice(), &[b'x'; 300]].concat(), value: Vec::new() }];
    let error = write(destination.as_ref(), target).expect_err("the name is too long");
    assert!(error.location.ends_with("file"), "{error}");
    assert_eq!(fs::read(temp.path().join("file")).expect("read"), b"content");
}

#[test]
fn impossible_times_are_refused_or_told() {
    let temp = TempDir::new().expect("temporary folder");
    let destination = destination(temp.path());
    destination.prepare().expect("prepare");
    let mut odd = target(b"now", 0o100_600);
    // To the system this number would mean the present time.
    odd.info.mod_time.nanoseconds = 0x3fff_ffff;
    assert_eq!(write(destination.as_ref(), odd).expect_err("refused").kind, ErrorKind::Invalid);
    let mut unset = target(b"unset", 0o100_600);
    unset.info.mod_time = Timestamp::UNSET;
    let applied = write(destination.as_ref(), unset).expect("written");
    let found = fs::metadata(temp.path().join("unset")).expect("there").mtime();
    let told = applied.limitations == [Limitation::TimeRange];
    assert!(told != (found == Timestamp::UNSET.seconds), "{applied:?}, {found}");
}

#[test]
fn devices_are_counted_not_made() {
    let temp = TempDir::new().expect("temporary folder");
    let destination = destination(temp.path());
    destination.prepare().expect("prepare");
    let collect = Collect::new(2);
    let targets = [target(b"disk", 0o060_600), target(b"null", 0o020_666)];
    destination.nodes(&targets, &collect.report());
    for outcome in collect.finish() {
        assert_eq!(outcome.expect("no failure").limitations, [Limitation::SpecialFile]);
    }
    assert_eq!(fs::read_dir(temp.path()).expect("list").count(), 0);
}

#[test]
fn a_missing_folder_is_an_error_of_every_item() {
    let temp = TempDir::new().expect("temporary folder");
    let destination = destination(&temp.path().join("missing/folder"));
    assert!(destination.prepare().is_err());
    let error = write(destination.as_ref(), target(b"file", 0o100_600)).expect_err("no root");
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(destination.finish().is_err());
}
