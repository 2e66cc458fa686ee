//! Destinations behind SFTP.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use connector_sftp::SftpDestination;
use kloset_connector::{
    ConnectorContext, Destination, ErrorKind, FileContent, HardLink, Limitation, Outcome, Target,
};
use kloset_format::{FileInfo, FileMode, Timestamp};
use testkit::proxy::{CutPlan, Proxy};
use testkit::sshd::{Sshd, SshdOptions};
use testkit::tree::{Fidelity, Node, assert_same_tree, build_odd_tree, build_small_tree, read_tree};

use crate::support::{context, location, options};

pub fn destination_by(config: &Path, path: &Path, context: &ConnectorContext) -> SftpDestination {
    SftpDestination::new(&location(path), &options(config), context).expect("a good location")
}

/// Outcomes of a batch by index.
pub struct Outcomes(Mutex<BTreeMap<usize, Outcome>>);

impl Outcomes {
    pub fn of(run: impl FnOnce(&(dyn Fn(usize, Outcome) + Sync))) -> Self {
        let outcomes = Mutex::new(BTreeMap::new());
        run(&|index, outcome| {
            let before = outcomes.lock().expect("lock").insert(index, outcome);
            assert!(before.is_none(), "{index} reported twice");
        });
        Self(outcomes)
    }

    pub fn all_good(self, count: usize) -> Vec<Limitation> {
        let outcomes = self.0.into_inner().expect("lock");
        assert_eq!(outcomes.len(), count, "every item is reported");
        let mut limitations = Vec::new();
        for (index, outcome) in outcomes {
            limitations.extend(outcome.unwrap_or_else(|error| panic!("{index}: {error}")).limitations);
        }
        limitations.sort_unstable();
        limitations.dedup();
        limitations
    }

    pub fn kinds(self) -> Vec<Result<bool, ErrorKind>> {
        let outcomes = self.0.into_inner().expect("lock");
        outcomes
            .into_values()
            .map(|outcome| outcome.map(|good| good.kept).map_err(|error| error.kind))
            .collect()
    }
}

fn target(path: &[u8], node: &Node) -> Target {
    Target {
        path: path.to_vec(),
        info: node.info.clone(),
        xattrs: node.xattrs.clone(),
        link: node.link.clone(),
    }
}

/// Restores a local tree the way the engine does.
pub fn restore(tree: &Path, destination: &SftpDestination) -> Vec<Limitation> {
    let nodes = read_tree(tree).expect("tree");
    destination.prepare().expect("prepare");
    let is_first = |path: &[u8], node: &Node| node.first_name == path;
    let (mut folders, mut small, mut others, mut links) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut large = Vec::new();
    let mut limitations = Vec::new();
    let mut metadata = Vec::new();
    for (path, node) in &nodes {
        let target = target(path, node);
        if node.info.mode.is_directory() {
            if !path.is_empty() {
                folders.push(target.clone());
            }
            metadata.push(target);
        } else if !is_first(path, node) {
            links.push(HardLink { path: path.clone(), original: node.first_name.clone() });
        } else if node.info.mode.is_regular() {
            let content = Bytes::from(node.content.clone().expect("content"));
            if content.len() > 1 << 20 {
                large.push((target, content));
            } else {
                let pieces = content.chunks(70_000).map(Bytes::copy_from_slice).collect();
                small.push(FileContent { target, pieces });
            }
        } else {
            others.push(target);
        }
    }
    metadata.reverse();
    let (count, run) = (folders.len(), &folders);
    Outcomes::of(|report| destination.directories(run, report)).all_good(count);
    for (target, content) in large {
        let sink = destination.open_file(&target).expect("open");
        for (number, piece) in content.chunks(300_000).enumerate().collect::<Vec<_>>().into_iter().rev() {
            sink.write_at(number as u64 * 300_000, Bytes::copy_from_slice(piece)).expect("write");
        }
        limitations.extend(sink.finish().expect("finish").limitations);
    }
    let count = small.len();
    limitations.extend(Outcomes::of(|report| destination.files(small, report)).all_good(count));
    limitations.extend(Outcomes::of(|report| destination.nodes(&others, report)).all_good(others.len()));
    Outcomes::of(|report| destination.hard_links(&links, report)).all_good(links.len());
    let set = Outcomes::of(|report| destination.directory_metadata(&metadata, report));
    limitations.extend(set.all_good(metadata.len()));
    destination.finish().expect("finish");
    limitations.sort_unstable();
    limitations.dedup();
    limitations
}

#[test]
fn destination_keeps_the_contract() {
    let server = Sshd::start().expect("private sshd");
    let config = server.ssh_config();
    let make = |path: &Path| Box::new(destination_by(&config, path, &context().0)) as Box<dyn Destination>;
    testkit::suites::destination::run(&testkit::suites::destination::Factory {
        fidelity: Fidelity::sftp(),
        make: &make,
    });
}

#[test]
fn odd_tree_comes_back_twice() {
    let server = Sshd::start().expect("private sshd");
    if server.user() != "root" {
        eprintln!("skipped: only root can read the odd tree's closed folders to compare them");
        return;
    }
    let temp = tempfile::tempdir().expect("temporary folder");
    let (tree, target) = (temp.path().join("tree"), temp.path().join("target"));
    std::fs::create_dir(&tree).expect("folder");
    build_odd_tree(&tree, Fidelity::sftp()).expect("tree");
    for _ in 0..2 {
        // The second time everything is in place already.
        let destination = destination_by(&server.ssh_config(), &target, &context().0);
        let limitations = restore(&tree, &destination);
        assert!(!limitations.contains(&Limitation::Owner), "{limitations:?}");
        assert_same_tree(&tree, &target, Fidelity::sftp());
    }
}

#[test]
fn cut_connections_do_not_spoil_a_restore() {
    let server = Sshd::start().expect("private sshd");
    let temp = tempfile::tempdir().expect("temporary folder");
    let (tree, target) = (temp.path().join("tree"), temp.path().join("target"));
    build_small_tree(&tree, 40, 40, 3000).expect("tree");
    let large: Vec<u8> = (0..24_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(tree.join("large"), large).expect("write");
    let proxy = Proxy::start(server.port(), Duration::from_millis(1)).expect("proxy");
    let config = server.ssh_config_for("cut", proxy.port(), &[]).expect("config");
    proxy.set_plan(Some(CutPlan { seed: 3, bytes_min: 100_000, bytes_max: 9_000_000, cuts: 8 }));
    let (context, heard) = context();
    restore(&tree, &destination_by(&config, &target, &context));
    assert!(proxy.connections() > 4, "{}", proxy.connections());
    assert!(!heard.retries.lock().expect("lock").is_empty());
    let found = read_tree(&target).expect("tree");
    for (path, node) in read_tree(&tree).expect("tree") {
        let other = found.get(&path).unwrap_or_else(|| panic!("{} is missing", path.escape_ascii()));
        assert!(other.content == node.content, "content of {}", path.escape_ascii());
    }
    assert_eq!(found.len(), read_tree(&tree).expect("tree").len(), "no temporary file stays");
}

fn plain(path: &str, mode: u32) -> Target {
    let mut info = FileInfo::made_up_directory(path.rsplit('/').next().unwrap_or_default().as_bytes());
    info.mode = FileMode::from_st_mode(mode);
    info.mod_time = Timestamp { seconds: 1_000_000_000, nanoseconds: 0 };
    let owner = std::fs::metadata("/proc/self").expect("self");
    (info.uid, info.gid) = (u64::from(owner.uid()), u64::from(owner.gid()));
    Target { path: path.as_bytes().to_vec(), info, xattrs: Vec::new(), link: None }
}

fn file(path: &str, body: &'static [u8]) -> FileContent {
    let mut target = plain(path, 0o100_644);
    target.info.size = body.len() as i64;
    FileContent { target, pieces: vec![Bytes::from_static(body)] }
}

#[test]
fn links_in_the_way_are_never_followed() {
    let server = Sshd::start().expect("private sshd");
    let temp = tempfile::tempdir().expect("temporary folder");
    let (outside, target) = (temp.path().join("outside"), temp.path().join("target"));
    std::fs::create_dir_all(&outside).expect("folder");
    std::fs::create_dir_all(target.join("real")).expect("folder");
    std::fs::write(outside.join("precious"), b"precious").expect("write");
    std::os::unix::fs::symlink(&outside, target.join("way")).expect("link");
    std::os::unix::fs::symlink(outside.join("precious"), target.join("real/file")).expect("link");
    let destination = destination_by(&server.ssh_config(), &target, &context().0);
    let exists = Err(ErrorKind::AlreadyExists);

    let folders = [plain("way", 0o040_755), plain("way/inner", 0o040_755), plain("real", 0o040_755)];
    let made = Outcomes::of(|report| destination.directories(&folders, report)).kinds();
    assert_eq!(made, [exists, exists, Ok(true)]);
    let files =
        vec![file("way/precious", b"x"), file("real/file", b"x"), file("real", b"x"), file("none/x", b"x")];
    let written = Outcomes::of(|report| destination.files(files, report)).kinds();
    assert_eq!(written, [exists, exists, exists, Err(ErrorKind::NotFound)]);
    assert!(destination.open_file(&plain("way/large", 0o100_644)).is_err());
    let mut link = plain("way/link", 0o120_777);
    link.link = Some(b"target".to_vec());
    assert_eq!(Outcomes::of(|report| destination.nodes(&[link], report)).kinds(), [exists]);
    let hard = [HardLink { path: b"real/hard".to_vec(), original: b"way/precious".to_vec() }];
    assert_eq!(Outcomes::of(|report| destination.hard_links(&hard, report)).kinds(), [exists]);
    let set = [plain("way", 0o040_700), plain("way/inner", 0o040_700)];
    let set = Outcomes::of(|report| destination.directory_metadata(&set, report)).kinds();
    assert_eq!(set, [exists, exists]);
    let looked = Mutex::new(Vec::new());
    let paths = [b"way/precious".to_vec(), b"real/none".to_vec(), b"none/x".to_vec(), b"real".to_vec()];
    destination.inspect(&paths, &|index, found| {
        looked.lock().expect("lock").push((index, found.map(|found| found.is_some()).map_err(|e| e.kind)));
    });
    let mut looked = looked.into_inner().expect("lock");
    looked.sort_unstable_by_key(|&(index, _)| index);
    assert_eq!(looked, [(0, exists), (1, Ok(false)), (2, Ok(false)), (3, Ok(true))]);

    assert_eq!(std::fs::read_dir(&outside).expect("list").count(), 1);
    assert_eq!(std::fs::read(outside.join("precious")).expect("read"), b"precious");
    let left: Vec<_> = std::fs::read_dir(target.join("real")).expect("list").flatten().collect();
    assert_eq!(left.len(), 1, "no temporary files: {left:?}");
}

#[test]
fn existing_files_and_links_are_replaced_and_special_bits_kept() {
    let server = Sshd::start().expect("private sshd");
    let temp = tempfile::tempdir().expect("temporary folder");
    std::fs::write(temp.path().join("a"), b"old and longer").expect("write");
    std::os::unix::fs::symlink("old", temp.path().join("l")).expect("link");
    let destination = destination_by(&server.ssh_config(), temp.path(), &context().0);
    let mut first = file("a", b"new");
    first.target = plain("a", 0o104_755);
    Outcomes::of(|report| destination.files(vec![first, file("b", b"")], report)).all_good(2);
    let found = std::fs::metadata(temp.path().join("a")).expect("a");
    assert_eq!((found.permissions().mode() & 0o7777, found.mtime()), (0o4755, 1_000_000_000));
    assert_eq!(std::fs::read(temp.path().join("a")).expect("a"), b"new");
    for kept in [false, true] {
        let mut link = plain("l", 0o120_777);
        link.link = Some(b"new".to_vec());
        assert_eq!(Outcomes::of(|report| destination.nodes(&[link], report)).kinds(), [Ok(kept)]);
    }
    assert_eq!(std::fs::read_link(temp.path().join("l")).expect("l"), Path::new("new"));
    assert_eq!(temp.path().join("l").symlink_metadata().expect("l").mtime(), 1_000_000_000);
    for _ in 0..2 {
        let links = [HardLink { path: b"b".to_vec(), original: b"a".to_vec() }];
        Outcomes::of(|report| destination.hard_links(&links, report)).all_good(1);
    }
    assert_eq!(std::fs::metadata(temp.path().join("b")).expect("b").nlink(), 2);
    assert_eq!(std::fs::read_dir(temp.path()).expect("list").count(), 3, "no temporary files");
}

#[test]
fn server_without_extensions_still_takes_a_restore() {
    let denied = ["posix-rename", "hardlink", "lsetstat", "statvfs", "limits", "fsync", "users-groups-by-id"];
    let server = Sshd::start_with(SshdOptions {
        denied_requests: denied.iter().map(|&name| name.to_owned()).collect(),
        ..SshdOptions::default()
    })
    .expect("private sshd");
    let temp = tempfile::tempdir().expect("temporary folder");
    let (tree, target) = (temp.path().join("tree"), temp.path().join("target"));
    build_small_tree(&tree, 3, 5, 3000).expect("tree");
    std::fs::hard_link(tree.join("dir00000/file00000"), tree.join("zzz")).expect("link");
    for _ in 0..2 {
        restore(&tree, &destination_by(&server.ssh_config(), &target, &context().0));
        assert_same_tree(&tree, &target, Fidelity { hard_links: false, ..Fidelity::sftp() });
    }
    let storage = crate::support::storage(&server, &temp.path().join("store"));
    use kloset_connector::{PutMode, Storage, StoreFile};
    storage.create(b"config").expect("create");
    for body in [b"one".as_slice(), b"two"] {
        storage.put(StoreFile::Lock, &[1; 32], Bytes::copy_from_slice(body), PutMode::Replace).expect("put");
    }
    assert_eq!(storage.get(StoreFile::Lock, &[1; 32]).expect("get"), b"two");
}
