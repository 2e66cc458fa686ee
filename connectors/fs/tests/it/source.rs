//! Local sources: the conformance suite, and what only a local file system can do.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connector_fs::FsSource;
use kloset_connector::{ConnectorContext, ErrorKind, Location, Options, Record, ScanOptions, Source};
use tempfile::TempDir;
use testkit::suites::drive::{Scanned, read, scan};
use testkit::tree::Fidelity;

fn source(path: &Path, options: &Options) -> Box<dyn Source> {
    let location = Location::parse(&format!("fs://{}", path.display()));
    let context = ConnectorContext::silent("/".into());
    Box::new(FsSource::new(&location, options, &context).expect("a named path"))
}

fn with_roots(paths: &[PathBuf]) -> FsSource {
    let context = ConnectorContext::silent("/".into());
    FsSource::with_roots(paths.to_vec(), &Options::new(), &context).expect("named paths")
}

fn folder() -> (TempDir, PathBuf) {
    let temp = TempDir::new().expect("temporary folder");
    let path = temp.path().canonicalize().expect("real path");
    (temp, path)
}

fn bytes(path: &Path) -> Vec<u8> {
    std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec()
}

fn everything() -> ScanOptions {
    ScanOptions { excluded: Arc::new(|_, _| false), xattr_values: true }
}

fn scan_all(source: &dyn Source) -> Scanned {
    scan(source, &everything(), usize::MAX).expect("scan")
}

/// Paths below `root`, as text relative to it.
fn below(records: &BTreeMap<Vec<u8>, Record>, root: &Path) -> Vec<String> {
    let root = bytes(root);
    let paths = records.keys().filter_map(|path| path.strip_prefix(root.as_slice()));
    paths.map(|path| String::from_utf8_lossy(path).into_owned()).collect()
}

#[test]
fn local_source_conforms() {
    testkit::suites::source::run(&testkit::suites::source::Factory {
        fidelity: Fidelity::everything(),
        make: &source,
    });
}

#[test]
fn several_roots_share_one_directory_and_nothing_else_is_listed() {
    let (_temp, base) = folder();
    for path in ["top/a/b", "top/a/unwanted", "top/c/d/e", "top/other"] {
        fs::create_dir_all(base.join(path)).expect("folders");
    }
    fs::write(base.join("top/a/b/file"), b"1").expect("write");
    fs::write(base.join("top/c/single"), b"2").expect("write");
    fs::write(base.join("top/c/not-this"), b"3").expect("write");
    let roots = ["top/a/b", "top/c/single", "top/c/d", "top/c/d/e"].map(|path| base.join(path));
    let source = with_roots(&roots);
    assert_eq!(source.info().expect("info").directory, bytes(&base.join("top")));
    let scanned = scan_all(&source);
    assert_eq!(scanned.failed, []);
    let records = scanned.records();
    assert_eq!(
        below(&records, &base.join("top")),
        ["/a", "/a/b", "/a/b/file", "/c", "/c/d", "/c/d/e", "/c/single"]
    );
    // Folders above the roots say nothing of owners' names; roots do.
    assert!(records[&bytes(&base.join("top/a"))].info.username.is_empty());
    if rustix_is_root() {
        assert_eq!(records[&bytes(&base.join("top/a/b"))].info.username, b"root");
        assert_eq!(records[&bytes(&base.join("top/c/single"))].info.groupname, b"root");
    }
    let mut named = vec![bytes(&base.join("top"))];
    for (directory, children) in &scanned.listings {
        assert!(named.contains(directory), "{}", String::from_utf8_lossy(directory));
        named.extend(children.iter().map(|child| kloset_format::path::join(directory, &child.info.name)));
    }
    let file = bytes(&base.join("top/c/single"));
    assert_eq!(read(&source, &[(file.clone(), 1)]).expect("read")[&file], Ok(b"2".to_vec()));
    let foreign = bytes(&base.join("top/c/not-this"));
    assert!(read(&source, &[(foreign.clone(), 1)]).expect("read")[&foreign].is_err());
}

fn rustix_is_root() -> bool {
    fs::metadata("/proc/self")
        .map(|found| std::os::unix::fs::MetadataExt::uid(&found))
        .is_ok_and(|uid| uid == 0)
}

#[test]
fn a_root_below_a_linked_folder_keeps_the_path_as_given() {
    let (_temp, base) = folder();
    fs::create_dir_all(base.join("real/data")).expect("folders");
    fs::write(base.join("real/data/file"), b"x").expect("write");
    symlink("real", base.join("alias")).expect("link");
    let source = with_roots(&[base.join("alias/data")]);
    assert_eq!(source.info().expect("info").directory, bytes(&base.join("alias/data")));
    let scanned = scan_all(&source);
    assert!(scanned.chain.iter().all(|record| record.info.mode.is_directory()));
    let file = bytes(&base.join("alias/data/file"));
    assert!(scanned.records().contains_key(&file));
    assert_eq!(read(&source, &[(file.clone(), 1)]).expect("read")[&file], Ok(b"x".to_vec()));
}

#[test]
fn excluded_roots_are_left_out() {
    let (_temp, base) = folder();
    fs::create_dir_all(base.join("root/inner")).expect("folders");
    let options = ScanOptions { excluded: Arc::new(|_, _| true), xattr_values: true };
    let scanned = scan(&with_roots(&[base.join("root")]), &options, usize::MAX).expect("scan");
    assert_eq!(scanned.listings, [(bytes(&base.join("root")), Vec::new())]);
    let last = scanned.chain.last().expect("a chain");
    assert_eq!((last.info.name.as_slice(), last.info.ino), (b"root".as_slice(), 0), "made up");
}

#[test]
fn a_pipe_in_place_of_a_file_does_not_hang() {
    let (_temp, base) = folder();
    let made = std::process::Command::new("mkfifo").arg(base.join("pipe")).status().expect("mkfifo");
    assert!(made.success());
    let pipe = bytes(&base.join("pipe"));
    let contents = read(&with_roots(&[base]), &[(pipe.clone(), 5)]).expect("read");
    assert_eq!(contents[&pipe], Err(ErrorKind::Other));
}

#[test]
fn another_file_system_is_not_entered_when_asked() {
    let (_temp, base) = folder();
    fs::create_dir_all(base.join("mounted")).expect("folder");
    let mount = |arguments: &[&str]| {
        let mut command = std::process::Command::new(arguments[0]);
        command.args(&arguments[1..]).arg(base.join("mounted")).stderr(std::process::Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=1m", "small"]) {
        eprintln!("skipped: mounting needs root");
        return;
    }
    fs::write(base.join("mounted/inside"), b"x").expect("write");
    let options = Options::from([("dont_traverse_fs".to_owned(), "true".to_owned())]);
    let here = scan_all(source(&base, &options).as_ref()).records();
    let everywhere = scan_all(source(&base, &Options::new()).as_ref()).records();
    assert!(mount(&["umount"]));
    assert_eq!(below(&here, &base), ["/mounted"]);
    assert_eq!(below(&everywhere, &base), ["/mounted", "/mounted/inside"]);
}

#[test]
fn unreadable_folders_and_files_are_reported_and_the_rest_goes_on() {
    if rustix_is_root() {
        eprintln!("skipped: the superuser can read everything");
        return;
    }
    let (_temp, base) = folder();
    fs::create_dir_all(base.join("closed")).expect("folder");
    fs::write(base.join("secret"), b"x").expect("write");
    fs::write(base.join("open"), b"x").expect("write");
    fs::set_permissions(base.join("closed"), fs::Permissions::from_mode(0o000)).expect("mode");
    fs::set_permissions(base.join("secret"), fs::Permissions::from_mode(0o000)).expect("mode");
    let source = with_roots(std::slice::from_ref(&base));
    let scanned = scan_all(&source);
    assert_eq!(scanned.failed, [(bytes(&base.join("closed")), true, ErrorKind::Permission)]);
    assert_eq!(below(&scanned.records(), &base), ["/closed", "/open", "/secret"]);
    let secret = bytes(&base.join("secret"));
    let contents = read(&source, &[(secret.clone(), 1)]).expect("read");
    assert_eq!(contents[&secret], Err(ErrorKind::Permission));
}
