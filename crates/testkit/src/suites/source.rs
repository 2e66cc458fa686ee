//! What every source must do.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};

use kloset_connector::{ErrorKind, Options, Record, ScanOptions, Source};
use kloset_format::path::{base_name, join, parent};
use tempfile::TempDir;

use super::announce;
use super::drive::{Scanned, read, scan};
use crate::tree::{Fidelity, Node, build_odd_tree, build_small_tree, read_tree, shown};

/// Makes sources for local paths.
pub struct Factory<'a> {
    /// What the source can tell.
    pub fidelity: Fidelity,
    /// Makes a source for a local path with options.
    pub make: &'a dyn Fn(&Path, &Options) -> Box<dyn Source>,
}

/// Runs every case.
pub fn run(factory: &Factory<'_>) {
    for (sentence, case) in CASES {
        announce("source", sentence);
        case(factory);
    }
}

/// One thing that must hold: its sentence and the test.
type Case = (&'static str, fn(&Factory<'_>));

const CASES: &[Case] = &[
    ("the chain leads from / to the directory", chain_leads_to_the_directory),
    ("every path of an odd tree is told as it is", every_path_is_told_as_it_is),
    ("folders are listed once, after they were named", folders_are_listed_after_they_were_named),
    ("contents come back whole", contents_come_back_whole),
    ("excluded folders are not entered", excluded_folders_are_not_entered),
    ("a single file is a source", single_file_is_a_source),
    ("a link as root is kept and followed", link_as_root_is_kept_and_followed),
    ("a missing root is not found", missing_root_is_not_found),
    ("links are never read through", links_are_never_read_through),
    ("a stopped scan returns early", stopped_scan_returns_early),
    ("ping reports its steps", ping_reports_its_steps),
];

impl Factory<'_> {
    fn source(&self, path: &Path) -> Box<dyn Source> {
        (self.make)(path, &Options::new())
    }
}

/// A temporary folder by its real path, as bytes too.
fn folder() -> (TempDir, std::path::PathBuf) {
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
    let scanned = scan(source, &everything(), usize::MAX).expect("scan");
    assert_eq!(scanned.failed, []);
    scanned
}

fn chain_leads_to_the_directory(factory: &Factory<'_>) {
    let (_temp, path) = folder();
    std::fs::create_dir_all(path.join("one/two")).expect("folders");
    let root = path.join("one/two");
    let source = factory.source(&root);
    assert_eq!(source.info().expect("info").directory, bytes(&root));
    let scanned = scan_all(source.as_ref());
    let mut at = b"/".to_vec();
    for (i, record) in scanned.chain.iter().enumerate() {
        at = if i == 0 { b"/".to_vec() } else { join(&at, &record.info.name) };
        assert!(record.info.mode.is_directory(), "{}", shown(&at));
        if i + 1 < scanned.chain.len() {
            assert!(record.info.username.is_empty() && record.xattrs.is_empty(), "{}", shown(&at));
        }
    }
    assert_eq!(at, bytes(&root));
    assert_eq!(scanned.chain[0].info.name, b"/");
    assert_eq!(scanned.listings, [(bytes(&root), Vec::new())]);
}

fn every_path_is_told_as_it_is(factory: &Factory<'_>) {
    let (_temp, root) = folder();
    build_odd_tree(&root, factory.fidelity).expect("tree");
    let tree = read_tree(&root).expect("tree");
    let records = scan_all(factory.source(&root).as_ref()).records();
    for (path, node) in tree.iter().filter(|(path, _)| !path.is_empty()) {
        let found = records.get(&join(&bytes(&root), path));
        let found = found.unwrap_or_else(|| panic!("{} is missing", shown(path)));
        compare(path, node, found, factory.fidelity);
    }
    assert_eq!(records.len(), tree.len() - 1);
}

fn compare(path: &[u8], wanted: &Node, found: &Record, fidelity: Fidelity) {
    let name = shown(path);
    assert_eq!(found.info.name, wanted.info.name, "{name}");
    assert_eq!(found.info.mode.to_text(), wanted.info.mode.to_text(), "{name}");
    assert_eq!(found.info.size, wanted.info.size, "{name}");
    assert_eq!((found.info.uid, found.info.gid), (wanted.info.uid, wanted.info.gid), "{name}");
    assert_eq!(found.target, wanted.link, "{name}");
    assert_eq!(found.problem, None, "{name}");
    // Without far times, a time after 2038 may as well mean one before 1970.
    let sure = fidelity.far_times || wanted.info.mod_time.seconds <= i64::from(i32::MAX);
    if let Some(time) = fidelity.time(wanted.info.mod_time).filter(|_| sure) {
        assert_eq!(found.info.mod_time, time, "{name}");
    }
    if fidelity.inodes {
        let id = |info: &kloset_format::FileInfo| (info.dev, info.ino, info.nlink);
        assert_eq!(id(&found.info), id(&wanted.info), "{name}");
    }
    if fidelity.owner_names && wanted.info.uid == 0 {
        assert_eq!(found.info.username, b"root", "{name}");
    }
    if fidelity.xattrs {
        assert_eq!(found.xattrs, wanted.xattrs, "{name}");
    }
}

fn folders_are_listed_after_they_were_named(factory: &Factory<'_>) {
    let (_temp, root) = folder();
    build_small_tree(&root, 300, 3, 10).expect("tree");
    for level in 0..40 {
        std::fs::create_dir_all(root.join("deep/".repeat(level)).join("deep")).expect("folder");
    }
    let scanned = scan_all(factory.source(&root).as_ref());
    let mut named = BTreeSet::from([bytes(&root)]);
    let mut listed = BTreeSet::new();
    for (directory, children) in &scanned.listings {
        assert!(named.contains(directory), "{} was not named before", shown(directory));
        assert!(listed.insert(directory.clone()), "{} came twice", shown(directory));
        let folders = children.iter().filter(|record| record.info.mode.is_directory());
        named.extend(folders.map(|record| join(directory, &record.info.name)));
    }
    assert_eq!(named, listed);
    assert_eq!(scanned.records().len(), 300 * 4 + 40);
}

fn contents_come_back_whole(factory: &Factory<'_>) {
    let (_temp, root) = folder();
    build_odd_tree(&root, factory.fidelity).expect("tree");
    build_small_tree(&root.join("many"), 20, 50, 3_000).expect("tree");
    let tree = read_tree(&root).expect("tree");
    let source = factory.source(&root);
    let files: Vec<_> = tree.iter().filter(|(_, node)| node.content.is_some()).collect();
    let wanted: Vec<(Vec<u8>, u64)> =
        files.iter().map(|(path, node)| (join(&bytes(&root), path), node.info.size as u64)).collect();
    let contents = read(source.as_ref(), &wanted).expect("read");
    for (path, node) in files {
        let found = contents.get(&join(&bytes(&root), path)).expect("delivered");
        assert!(found.as_ref().ok() == node.content.as_ref(), "{}: {found:.60?}", shown(path));
    }
    assert_eq!(contents.len(), wanted.len());
    assert_eq!(read(source.as_ref(), &[]).expect("an empty queue").len(), 0);

    // The hint may be wrong either way; a file may be gone.
    let path = join(&bytes(&root), b"contents/noise");
    let size = tree[b"contents/noise".as_slice()].info.size as u64;
    for hint in [0, size - 1, size + 1, size * 3] {
        let contents = read(source.as_ref(), &[(path.clone(), hint)]).expect("read");
        let found = contents[&path].as_ref().expect("content");
        assert_eq!(found.len() as u64, size, "hint {hint}");
    }
    let gone = join(&bytes(&root), b"gone");
    let contents = read(source.as_ref(), &[(gone.clone(), 5), (path.clone(), 5)]).expect("read");
    assert_eq!(contents[&gone], Err(ErrorKind::NotFound));
    assert!(contents[&path].is_ok());
}

fn excluded_folders_are_not_entered(factory: &Factory<'_>) {
    let (_temp, root) = folder();
    std::fs::create_dir_all(root.join("kept/skipped/below")).expect("folders");
    std::fs::create_dir_all(root.join("skipped-too")).expect("folders");
    std::fs::write(root.join("kept/file"), b"x").expect("write");
    std::fs::write(root.join("kept/skipped-file"), b"x").expect("write");
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let log = Arc::clone(&asked);
    let excluded = move |path: &[u8], directory: bool| {
        log.lock().expect("not poisoned").insert((path.to_vec(), directory));
        base_name(path).starts_with(b"skipped")
    };
    let options = ScanOptions { excluded: Arc::new(excluded), xattr_values: false };
    let source = factory.source(&root);
    let scanned = scan(source.as_ref(), &options, usize::MAX).expect("scan");
    let paths: Vec<_> = scanned.records().into_keys().collect();
    assert_eq!(paths, [bytes(&root.join("kept")), bytes(&root.join("kept/file"))]);
    let asked = asked.lock().expect("not poisoned");
    assert!(asked.contains(&(bytes(&root.join("kept/skipped")), true)));
    assert!(asked.contains(&(bytes(&root.join("kept/skipped-file")), false)));
    assert!(!asked.contains(&(bytes(&root.join("kept/skipped/below")), true)));
    assert!(!asked.iter().any(|(path, _)| path == b"/" || *path == parent(&bytes(&root))));
}

fn single_file_is_a_source(factory: &Factory<'_>) {
    let (_temp, root) = folder();
    std::fs::write(root.join("file"), b"alone").expect("write");
    std::fs::write(root.join("other"), b"not wanted").expect("write");
    let source = factory.source(&root.join("file"));
    assert_eq!(source.info().expect("info").directory, bytes(&root));
    let scanned = scan_all(source.as_ref());
    let path = bytes(&root.join("file"));
    assert_eq!(scanned.records().into_keys().collect::<Vec<_>>(), std::slice::from_ref(&path));
    let contents = read(source.as_ref(), &[(path.clone(), 5)]).expect("read");
    assert_eq!(contents[&path], Ok(b"alone".to_vec()));
}

fn link_as_root_is_kept_and_followed(factory: &Factory<'_>) {
    let (_temp, root) = folder();
    std::fs::create_dir_all(root.join("real/inner")).expect("folders");
    std::fs::write(root.join("real/inner/file"), b"x").expect("write");
    symlink("../real/inner", root.join("real/link-inside")).expect("link");
    std::fs::create_dir(root.join("links")).expect("folder");
    symlink("../real/inner", root.join("links/folder")).expect("link");
    symlink(root.join("real/inner/file"), root.join("links/file")).expect("link");
    for (link, holder) in [("links/folder", "real/inner"), ("links/file", "real/inner")] {
        let source = factory.source(&root.join(link));
        assert_eq!(source.info().expect("info").directory, bytes(&root.join(holder)), "{link}");
        let records = scan_all(source.as_ref()).records();
        let file = bytes(&root.join("real/inner/file"));
        assert!(records[&file].info.mode.is_regular(), "{link}");
        let kept = &records[&bytes(&root.join(link))];
        assert!(kept.info.mode.is_symlink() && kept.target.is_some(), "{link}: {kept:?}");
        let contents = read(source.as_ref(), &[(file.clone(), 1)]).expect("read");
        assert_eq!(contents[&file], Ok(b"x".to_vec()), "{link}");
    }
    let dangling = root.join("dangling");
    symlink("nowhere", &dangling).expect("link");
    assert!(factory.source(&dangling).scan(&everything(), &NoSink).is_err());
}

struct NoSink;

impl kloset_connector::ScanSink for NoSink {
    fn ancestors(&self, _: Vec<Record>) {}
    fn listing(&self, _: &[u8], _: Vec<Record>) {}
    fn failed(&self, _: &[u8], _: bool, _: kloset_connector::ConnectorError) {}
    fn stopped(&self) -> bool {
        false
    }
}

fn missing_root_is_not_found(factory: &Factory<'_>) {
    let (_temp, root) = folder();
    let source = factory.source(&root.join("missing"));
    let error = source.scan(&everything(), &NoSink).expect_err("nothing there");
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
}

fn links_are_never_read_through(factory: &Factory<'_>) {
    let (_temp, root) = folder();
    std::fs::create_dir_all(root.join("tree/folder")).expect("folders");
    std::fs::write(root.join("secret"), b"secret").expect("write");
    std::fs::write(root.join("tree/file"), b"x").expect("write");
    let source = factory.source(&root.join("tree"));
    scan_all(source.as_ref());
    // The file became a link after the scan.
    std::fs::remove_file(root.join("tree/file")).expect("remove");
    symlink("../secret", root.join("tree/file")).expect("link");
    let path = bytes(&root.join("tree/file"));
    let contents = read(source.as_ref(), &[(path.clone(), 6)]).expect("read");
    assert!(contents[&path].is_err(), "{:?}", contents[&path]);
}

fn stopped_scan_returns_early(factory: &Factory<'_>) {
    let (_temp, root) = folder();
    build_small_tree(&root, 2_000, 1, 1).expect("tree");
    let source = factory.source(&root);
    if let Ok(scanned) = scan(source.as_ref(), &everything(), 3) {
        assert!(scanned.listings.len() < 1_900, "{} listings", scanned.listings.len());
    }
}

fn ping_reports_its_steps(factory: &Factory<'_>) {
    let (_temp, root) = folder();
    let mut steps = 0;
    factory.source(&root).ping(&mut |step, result| {
        result.unwrap_or_else(|error| panic!("{step}: {error}"));
        steps += 1;
    });
    assert!(steps > 0);
    let mut failures = 0;
    factory.source(&root.join("missing")).ping(&mut |_, result| failures += usize::from(result.is_err()));
    assert_eq!(failures, 1);
}
