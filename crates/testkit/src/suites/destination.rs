//! What every destination must do.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bytes::Bytes;
use kloset_connector::{Destination, ErrorKind, FileContent, HardLink, Limitation, Target};
use kloset_format::{FileInfo, FileMode, Timestamp};
use tempfile::TempDir;

use super::announce;
use super::drive::{Collect, assert_restored, pieces, restore, write_large};
use crate::tree::{Fidelity, assert_same_tree, build_odd_tree, read_tree};

/// Makes destinations for local paths.
pub struct Factory<'a> {
    /// What the destination can hold.
    pub fidelity: Fidelity,
    /// Makes a destination for a local path.
    pub make: &'a dyn Fn(&Path) -> Box<dyn Destination>,
}

/// Runs every case.
pub fn run(factory: &Factory<'_>) {
    for (sentence, case) in CASES {
        announce("destination", sentence);
        case(factory);
    }
}

/// One thing that must hold: its sentence and the test.
type Case = (&'static str, fn(&Factory<'_>));

const CASES: &[Case] = &[
    ("an odd tree comes back as it was", odd_tree_comes_back),
    ("a second restore over the first works", second_restore_works),
    ("prepare makes the last level only", prepare_makes_the_last_level_only),
    ("existing folders keep what else is in them", existing_folders_keep_their_content),
    ("large files are written in any order", large_files_are_written_in_any_order),
    ("an abandoned file leaves nothing", abandoned_file_leaves_nothing),
    ("links in the target are never followed", links_in_the_target_are_never_followed),
    ("what stands in the way is an error", what_stands_in_the_way_is_an_error),
    ("inspect tells what is there", inspect_tells_what_is_there),
    ("hard links replace regular files only", hard_links_replace_regular_files_only),
    ("many batches at once all arrive", many_batches_at_once_all_arrive),
    ("ping reports its steps", ping_reports_its_steps),
];

/// A temporary folder with a destination for `target` inside of it.
struct Place {
    _temp: TempDir,
    base: PathBuf,
    target: PathBuf,
    destination: Box<dyn Destination>,
}

fn place(factory: &Factory<'_>) -> Place {
    let temp = TempDir::new().expect("temporary folder");
    let base = temp.path().canonicalize().expect("real path");
    let target = base.join("target");
    let destination = (factory.make)(&target);
    Place { _temp: temp, base, target, destination }
}

fn allowed(fidelity: Fidelity) -> Vec<Limitation> {
    [
        (fidelity.owners, Limitation::Owner),
        (fidelity.xattrs, Limitation::Xattrs),
        (fidelity.nanoseconds, Limitation::SubSecondTime),
        (fidelity.far_times, Limitation::TimeRange),
        (fidelity.special_files, Limitation::SpecialFile),
        (fidelity.hard_links, Limitation::HardLink),
        (fidelity.symlink_metadata, Limitation::SymlinkMetadata),
    ]
    .into_iter()
    .filter_map(|(can, limitation)| (!can).then_some(limitation))
    .collect()
}

fn info(mode: u32) -> FileInfo {
    FileInfo {
        name: Vec::new(),
        mode: FileMode::from_st_mode(mode),
        mod_time: Timestamp { seconds: 1_234_567_890, nanoseconds: 0 },
        uid: u64::from(rustix::process::geteuid().as_raw()),
        gid: u64::from(rustix::process::getegid().as_raw()),
        ..FileInfo::made_up_directory(b"")
    }
}

fn target(path: &str, mode: u32) -> Target {
    Target { path: path.as_bytes().to_vec(), info: info(mode), xattrs: Vec::new(), link: None }
}

fn file(path: &str, content: &[u8]) -> FileContent {
    let mut target = target(path, 0o100_644);
    target.info.size = content.len() as i64;
    FileContent { target, pieces: vec![Bytes::copy_from_slice(content)] }
}

fn link(path: &str, to: &str) -> Target {
    Target { link: Some(to.as_bytes().to_vec()), ..target(path, 0o120_777) }
}

/// The kinds of errors of a batch; `None` where it went well.
type Kinds = Vec<Option<ErrorKind>>;

fn kinds(count: usize, work: impl FnOnce(&Collect)) -> Kinds {
    let collect = Collect::new(count);
    work(&collect);
    collect.finish().into_iter().map(|outcome| outcome.err().map(|error| error.kind)).collect()
}

fn files(destination: &dyn Destination, files: Vec<FileContent>) -> Kinds {
    kinds(files.len(), |collect| destination.files(files, &collect.report()))
}

fn directories(destination: &dyn Destination, paths: &[&str]) -> Kinds {
    let targets: Vec<_> = paths.iter().map(|path| target(path, 0o040_755)).collect();
    kinds(targets.len(), |collect| destination.directories(&targets, &collect.report()))
}

fn nodes(destination: &dyn Destination, targets: &[Target]) -> Kinds {
    kinds(targets.len(), |collect| destination.nodes(targets, &collect.report()))
}

fn hard_links(destination: &dyn Destination, pairs: &[(&str, &str)]) -> Kinds {
    let links: Vec<_> = pairs
        .iter()
        .map(|(path, original)| HardLink {
            path: path.as_bytes().to_vec(),
            original: original.as_bytes().to_vec(),
        })
        .collect();
    kinds(links.len(), |collect| destination.hard_links(&links, &collect.report()))
}

fn odd_tree_comes_back(factory: &Factory<'_>) {
    let place = place(factory);
    let source = place.base.join("source");
    std::fs::create_dir(&source).expect("folder");
    build_odd_tree(&source, factory.fidelity).expect("tree");
    let tree = read_tree(&source).expect("tree");
    let outcomes = restore(place.destination.as_ref(), &tree);
    assert_restored(&outcomes, &allowed(factory.fidelity));
    assert_same_tree(&source, &place.target, factory.fidelity);
}

fn second_restore_works(factory: &Factory<'_>) {
    let place = place(factory);
    let source = place.base.join("source");
    std::fs::create_dir(&source).expect("folder");
    build_odd_tree(&source, factory.fidelity).expect("tree");
    let tree = read_tree(&source).expect("tree");
    restore(place.destination.as_ref(), &tree);
    std::fs::write(place.target.join("contents/one"), b"changed since").expect("write");
    std::fs::remove_file(place.target.join("contents/noise")).expect("remove");
    let outcomes = restore((factory.make)(&place.target).as_ref(), &tree);
    assert_restored(&outcomes, &allowed(factory.fidelity));
    assert_same_tree(&source, &place.target, factory.fidelity);
}

fn prepare_makes_the_last_level_only(factory: &Factory<'_>) {
    let place = place(factory);
    place.destination.prepare().expect("one level is made");
    let mode = std::fs::metadata(&place.target).expect("made").permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
    place.destination.prepare().expect("it may exist");
    let deep = (factory.make)(&place.base.join("missing/target"));
    assert!(deep.prepare().is_err(), "two levels are not");
    assert!(!place.base.join("missing").exists());
    std::fs::write(place.base.join("file"), b"x").expect("write");
    assert!((factory.make)(&place.base.join("file")).prepare().is_err(), "a file is no folder");
}

fn existing_folders_keep_their_content(factory: &Factory<'_>) {
    let place = place(factory);
    std::fs::create_dir_all(place.target.join("a")).expect("folders");
    std::fs::write(place.target.join("a/foreign"), b"stays").expect("write");
    place.destination.prepare().expect("prepare");
    assert_eq!(directories(place.destination.as_ref(), &["a", "a/b"]), [None, None]);
    assert_eq!(
        files(place.destination.as_ref(), vec![file("a/new", b"1"), file("a/b/new", b"2")]),
        [None; 2]
    );
    assert_eq!(std::fs::read(place.target.join("a/foreign")).expect("read"), b"stays");
    assert_eq!(std::fs::read(place.target.join("a/b/new")).expect("read"), b"2");
    assert_eq!(std::fs::read_dir(place.target.join("a")).expect("list").count(), 3);
}

/// Two megabytes with a long run of zeros.
fn large_content() -> Vec<u8> {
    let mut content: Vec<u8> =
        (0..2_500_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    content[400_000..1_900_000].fill(0);
    content
}

fn large_files_are_written_in_any_order(factory: &Factory<'_>) {
    let place = place(factory);
    place.destination.prepare().expect("prepare");
    let content = large_content();
    let mut wanted = target("large", 0o100_640);
    wanted.info.size = content.len() as i64;
    write_large(place.destination.as_ref(), &wanted, &content).expect("write");
    assert!(std::fs::read(place.target.join("large")).expect("read") == content);
    let found = std::fs::metadata(place.target.join("large")).expect("there");
    assert_eq!(found.permissions().mode() & 0o7777, 0o640);
    let seconds = std::os::unix::fs::MetadataExt::mtime(&found);
    assert_eq!(seconds, wanted.info.mod_time.seconds);
    if factory.fidelity.holes {
        let blocks = std::os::unix::fs::MetadataExt::blocks(&found);
        assert!(blocks * 512 < 1_500_000, "{blocks} blocks: the zeros were written");
    }
    // Again, over the first one.
    write_large(place.destination.as_ref(), &wanted, &content).expect("write");
    assert_eq!(std::fs::read_dir(&place.target).expect("list").count(), 1);
}

fn abandoned_file_leaves_nothing(factory: &Factory<'_>) {
    let place = place(factory);
    place.destination.prepare().expect("prepare");
    let content = large_content();
    let mut wanted = target("large", 0o100_640);
    wanted.info.size = content.len() as i64;
    let sink = place.destination.open_file(&wanted).expect("open");
    for (offset, piece) in pieces(&content).into_iter().take(3) {
        sink.write_at(offset, piece).expect("write");
    }
    sink.abandon();
    assert_eq!(std::fs::read_dir(&place.target).expect("list").count(), 0);
}

fn links_in_the_target_are_never_followed(factory: &Factory<'_>) {
    let place = place(factory);
    let outside = place.base.join("outside");
    std::fs::create_dir_all(outside.join("below")).expect("folders");
    std::fs::write(outside.join("precious"), b"precious").expect("write");
    std::fs::create_dir(&place.target).expect("folder");
    symlink(&outside, place.target.join("folder")).expect("link");
    symlink("../outside/precious", place.target.join("file")).expect("link");
    place.destination.prepare().expect("prepare");
    let destination = place.destination.as_ref();
    let refused = |kinds: Kinds| assert!(kinds.iter().all(Option::is_some), "{kinds:?}");
    refused(directories(destination, &["folder", "folder/new", "folder/below"]));
    refused(files(
        destination,
        vec![
            file("file", b"changed"),
            file("folder/precious", b"changed"),
            file("folder/new", b"new"),
            file("folder/below/new", b"new"),
        ],
    ));
    refused(nodes(destination, &[link("folder/new", "x"), link("folder/below/new", "x")]));
    refused(hard_links(destination, &[("folder/new", "file"), ("new", "folder/precious")]));
    for path in ["folder/large", "folder/below/large"] {
        let opened = destination.open_file(&target(path, 0o100_644));
        let written = opened.and_then(|sink| sink.finish());
        assert!(written.is_err(), "{path}");
    }
    let collect = Collect::new(2);
    let targets = [target("folder", 0o040_777), target("folder/below", 0o040_777)];
    destination.directory_metadata(&targets, &collect.report());
    assert!(collect.finish().iter().all(Result::is_err));

    assert_eq!(std::fs::read(outside.join("precious")).expect("read"), b"precious");
    assert_eq!(std::fs::read_dir(&outside).expect("list").count(), 2);
    assert_eq!(std::fs::read_dir(outside.join("below")).expect("list").count(), 0);
    for path in ["", "below"] {
        let mode = std::fs::metadata(outside.join(path)).expect("there").permissions().mode();
        assert_ne!(mode & 0o7777, 0o777, "{path}");
    }
    assert!(place.target.join("file").is_symlink());
    assert_eq!(std::fs::read_dir(&place.target).expect("list").count(), 2);
}

fn what_stands_in_the_way_is_an_error(factory: &Factory<'_>) {
    let place = place(factory);
    std::fs::create_dir_all(place.target.join("folder/inner")).expect("folders");
    std::fs::write(place.target.join("file"), b"x").expect("write");
    let destination = place.destination.as_ref();
    destination.prepare().expect("prepare");
    let exists = Some(ErrorKind::AlreadyExists);
    assert_eq!(directories(destination, &["file"]), [exists]);
    assert_eq!(files(destination, vec![file("folder", b"new")]), [exists]);
    assert_eq!(nodes(destination, &[link("folder", "x")]), [exists]);
    assert_eq!(hard_links(destination, &[("folder", "file")]), [exists]);
    assert!(place.target.join("folder/inner").is_dir());
    assert_eq!(std::fs::read(place.target.join("file")).expect("read"), b"x");
    assert_eq!(std::fs::read_dir(&place.target).expect("list").count(), 2);
    // A missing folder is an error of that path only.
    let kinds = files(destination, vec![file("missing/file", b"1"), file("good", b"2")]);
    assert!(kinds[0].is_some() && kinds[1].is_none(), "{kinds:?}");
}

fn inspect_tells_what_is_there(factory: &Factory<'_>) {
    let place = place(factory);
    std::fs::create_dir_all(place.target.join("folder")).expect("folders");
    std::fs::write(place.target.join("folder/file"), b"12345").expect("write");
    symlink("folder", place.target.join("link")).expect("link");
    symlink("nowhere", place.target.join("dangling")).expect("link");
    place.destination.prepare().expect("prepare");
    let paths: Vec<Vec<u8>> = ["folder", "folder/file", "link", "dangling", "missing", "missing/too", ""]
        .iter()
        .map(|path| path.as_bytes().to_vec())
        .collect();
    let found = Mutex::new(vec![None; paths.len()]);
    place.destination.inspect(&paths, &|index, result| {
        let before = found.lock().expect("not poisoned")[index].replace(result.map_err(|error| error.kind));
        assert_eq!(before, None);
    });
    let found = found.into_inner().expect("not poisoned");
    let modes: Vec<Option<char>> = found
        .iter()
        .map(|result| {
            let info = result.clone().expect("reported").expect("no error");
            info.and_then(|info| info.mode.to_text().chars().next())
        })
        .collect();
    assert_eq!(modes, [Some('d'), Some('-'), Some('L'), Some('L'), None, None, Some('d')]);
    let file = found[1].clone().expect("reported").expect("no error").expect("there");
    assert_eq!(file.size, 5);
}

fn hard_links_replace_regular_files_only(factory: &Factory<'_>) {
    let place = place(factory);
    let destination = place.destination.as_ref();
    destination.prepare().expect("prepare");
    assert_eq!(files(destination, vec![file("one", b"1"), file("old", b"2")]), [None; 2]);
    symlink("one", place.target.join("link")).expect("link");
    let kinds = hard_links(destination, &[("two", "one"), ("old", "one"), ("link", "one"), ("x", "missing")]);
    assert_eq!(kinds[..2], [None; 2]);
    assert!(kinds[2].is_some() && kinds[3].is_some(), "{kinds:?}");
    assert_eq!(hard_links(destination, &[("two", "one")]), [None], "again");
    for name in ["two", "old"] {
        assert_eq!(std::fs::read(place.target.join(name)).expect("read"), b"1");
    }
    assert!(place.target.join("link").is_symlink());
    if factory.fidelity.hard_links {
        let links = std::os::unix::fs::MetadataExt::nlink;
        assert_eq!(links(&std::fs::metadata(place.target.join("one")).expect("there")), 3);
    }
    assert_eq!(std::fs::read_dir(&place.target).expect("list").count(), 4);
}

fn many_batches_at_once_all_arrive(factory: &Factory<'_>) {
    let place = place(factory);
    let destination = place.destination.as_ref();
    destination.prepare().expect("prepare");
    let names: Vec<String> = (0..8).map(|folder| format!("folder{folder}")).collect();
    let paths: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(directories(destination, &paths).iter().all(Option::is_none));
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(move || {
                let batch: Vec<_> = (0..50)
                    .map(|number| {
                        file(&format!("{name}/file{number}"), format!("{name} {number}").as_bytes())
                    })
                    .collect();
                assert!(files(destination, batch).iter().all(Option::is_none));
            });
        }
    });
    destination.finish().expect("finish");
    for name in &names {
        for number in 0..50 {
            let content = std::fs::read(place.target.join(name).join(format!("file{number}"))).expect("read");
            assert_eq!(content, format!("{name} {number}").as_bytes());
        }
    }
}

fn ping_reports_its_steps(factory: &Factory<'_>) {
    let place = place(factory);
    std::fs::create_dir(&place.target).expect("folder");
    let mut steps = 0;
    place.destination.ping(&mut |step, result| {
        result.unwrap_or_else(|error| panic!("{step}: {error}"));
        steps += 1;
    });
    assert!(steps > 0);
    assert_eq!(std::fs::read_dir(&place.target).expect("list").count(), 0);
}
