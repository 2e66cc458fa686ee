//! Sources behind SFTP.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connector_sftp::SftpSource;
use kloset_connector::{
    ConnectorContext, ConnectorError, ContentSink, ErrorKind, Options, ReadRequest, Record, ScanOptions,
    ScanSink, Source,
};
use kloset_format::path::join;
use testkit::proxy::{CutPlan, Proxy};
use testkit::sshd::Sshd;
use testkit::tree::Fidelity;

use crate::support::{context, location, options};

/// What a scan found.
#[derive(Default)]
pub struct Found {
    pub chain: Mutex<Vec<Record>>,
    pub records: Mutex<BTreeMap<Vec<u8>, Record>>,
    pub listed: Mutex<BTreeSet<Vec<u8>>>,
    pub failures: Mutex<Vec<(Vec<u8>, bool, ErrorKind)>>,
}

impl ScanSink for Found {
    fn ancestors(&self, chain: Vec<Record>) {
        *self.chain.lock().expect("lock") = chain;
    }

    fn listing(&self, directory: &[u8], children: Vec<Record>) {
        assert!(self.listed.lock().expect("lock").insert(directory.to_vec()), "listed twice");
        let mut records = self.records.lock().expect("lock");
        for child in children {
            let path = join(directory, &child.info.name);
            assert!(records.insert(path, child).is_none(), "named twice");
        }
    }

    fn failed(&self, path: &[u8], directory: bool, error: ConnectorError) {
        self.failures.lock().expect("lock").push((path.to_vec(), directory, error.kind));
    }

    fn stopped(&self) -> bool {
        false
    }
}

/// Contents by path.
#[derive(Default)]
pub struct Contents {
    pub files: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    pub failures: Mutex<Vec<(Vec<u8>, ErrorKind)>>,
}

impl ContentSink for Contents {
    fn content(&self, request: ReadRequest, reader: &mut dyn Read) {
        let mut bytes = Vec::new();
        match reader.read_to_end(&mut bytes) {
            Ok(_) => drop(self.files.lock().expect("lock").insert(request.path, bytes)),
            Err(error) => {
                let kind = ConnectorError::from_io("read", "", error).kind;
                self.failures.lock().expect("lock").push((request.path, kind));
            }
        }
    }

    fn failed(&self, request: ReadRequest, error: ConnectorError) {
        self.failures.lock().expect("lock").push((request.path, error.kind));
    }
}

pub fn everything() -> ScanOptions {
    ScanOptions { excluded: Arc::new(|_, _| false), xattr_values: true }
}

pub fn source_by(config: &Path, path: &Path, context: &ConnectorContext) -> SftpSource {
    SftpSource::new(&location(path), &options(config), context).expect("a good location")
}

pub fn scan(source: &dyn Source) -> Found {
    let found = Found::default();
    source.scan(&everything(), &found).expect("scan");
    found
}

pub fn read(source: &dyn Source, requests: Vec<ReadRequest>) -> Contents {
    let contents = Contents::default();
    let (sender, receiver) = crossbeam_channel::unbounded();
    requests.into_iter().for_each(|request| sender.send(request).expect("open"));
    drop(sender);
    source.read(receiver, &contents).expect("read");
    contents
}

pub fn requests(found: &Found) -> Vec<ReadRequest> {
    let records = found.records.lock().expect("lock");
    let regular = records.iter().filter(|(_, record)| record.info.mode.is_regular());
    let request = |(token, (path, record)): (usize, (&Vec<u8>, &Record))| ReadRequest {
        token: token as u64,
        path: path.clone(),
        size_hint: record.info.size.max(0) as u64,
    };
    regular.enumerate().map(request).collect()
}

fn small_tree() -> tempfile::TempDir {
    let temp = tempfile::tempdir().expect("temporary folder");
    for folder in 0..20 {
        let folder = temp.path().join(format!("d{folder}/sub"));
        std::fs::create_dir_all(&folder).expect("folders");
        for file in 0..30u32 {
            let body: Vec<u8> = (0..file * file * 11).map(|i| (i % 251) as u8).collect();
            std::fs::write(folder.join(format!("f{file}")), body).expect("write");
        }
    }
    std::os::unix::fs::symlink("d1/sub/f3", temp.path().join("link")).expect("link");
    temp
}

pub fn check(tree: &Path, found: &Found, contents: &Contents) {
    let wanted = testkit::tree::read_tree(tree).expect("tree");
    let records = found.records.lock().expect("lock");
    let files = contents.files.lock().expect("lock");
    for (path, node) in wanted.iter().filter(|(path, _)| !path.is_empty()) {
        let full = join(tree.to_str().expect("text").as_bytes(), path);
        let record = records.get(&full).unwrap_or_else(|| panic!("{} is missing", path.escape_ascii()));
        assert_eq!(record.info.mode, node.info.mode, "{}", path.escape_ascii());
        assert_eq!((record.info.uid, record.info.gid), (node.info.uid, node.info.gid));
        if (0..4_000_000_000).contains(&node.info.mod_time.seconds) {
            assert_eq!(record.info.mod_time.seconds, node.info.mod_time.seconds);
        }
        assert_eq!(record.target, node.link);
        if let Some(content) = &node.content {
            assert!(files.get(&full) == Some(content), "content of {}", path.escape_ascii());
        }
    }
    assert_eq!(records.len(), wanted.len() - 1);
}

#[test]
fn source_keeps_the_contract() {
    let server = Sshd::start().expect("private sshd");
    let config = server.ssh_config();
    let make = |path: &Path, more: &Options| {
        let mut options = options(&config);
        options.extend(more.clone());
        let source = SftpSource::new(&location(path), &options, &context().0).expect("a good location");
        Box::new(source) as Box<dyn Source>
    };
    testkit::suites::source::run(&testkit::suites::source::Factory {
        fidelity: Fidelity::sftp(),
        make: &make,
    });
}

#[test]
fn small_tree_comes_whole_with_owners_and_links() {
    let server = Sshd::start().expect("private sshd");
    let tree = small_tree();
    let (context, _) = context();
    let source = source_by(&server.ssh_config(), tree.path(), &context);
    let info = source.info().expect("info");
    assert_eq!((info.kind.as_str(), info.origin.as_str()), ("sftp", testkit::sshd::ALIAS));
    assert_eq!(info.directory, tree.path().to_str().expect("text").as_bytes());
    let found = scan(&source);
    assert!(found.failures.lock().expect("lock").is_empty());
    check(tree.path(), &found, &read(&source, requests(&found)));
    let chain = found.chain.lock().expect("lock");
    assert_eq!(chain.first().expect("root").info.name, b"/");
    let last = chain.last().expect("directory");
    assert_eq!(last.info.username, server.user().as_bytes());
    assert!(chain.first().expect("root").info.username.is_empty());
    let link = join(info.directory.as_slice(), b"link");
    let records = found.records.lock().expect("lock");
    let link = records.get(&link).expect("link");
    assert_eq!(link.target.as_deref(), Some(b"d1/sub/f3".as_slice()));
    assert_eq!(link.info.username, server.user().as_bytes());
}

#[test]
fn names_that_are_not_utf8_and_odd_sizes_come_back() {
    use std::os::unix::ffi::OsStrExt;
    let server = Sshd::start().expect("private sshd");
    let temp = tempfile::tempdir().expect("temporary folder");
    let sizes =
        [0usize, 1, 4095, 4096, 4097, 257_023, 257_024, 257_025, 261_120, 261_121, 1 << 20, 9_000_001];
    for size in sizes {
        let name = [b"\xff\xfe ".as_slice(), size.to_string().as_bytes()].concat();
        let body: Vec<u8> = (0..size).map(|i| (i * 7 % 253) as u8).collect();
        std::fs::write(temp.path().join(std::ffi::OsStr::from_bytes(&name)), body).expect("write");
    }
    let source = source_by(&server.ssh_config(), temp.path(), &context().0);
    let found = scan(&source);
    check(temp.path(), &found, &read(&source, requests(&found)));
    // The scan may have been wrong about every size.
    for change in [-1i64, 1, -4000, 5000, 300_000, -300_000, 8_000_000] {
        let mut wrong = requests(&found);
        wrong.iter_mut().for_each(|one| one.size_hint = one.size_hint.saturating_add_signed(change));
        check(temp.path(), &found, &read(&source, wrong));
    }
    let mut none = requests(&found);
    none.iter_mut().for_each(|one| one.size_hint = 0);
    check(temp.path(), &found, &read(&source, none));
}

#[test]
fn missing_file_fails_alone_and_missing_root_is_not_found() {
    let server = Sshd::start().expect("private sshd");
    let tree = small_tree();
    let source = source_by(&server.ssh_config(), tree.path(), &context().0);
    let found = scan(&source);
    let mut wanted = requests(&found);
    std::fs::remove_file(tree.path().join("d3/sub/f7")).expect("remove");
    let count = wanted.len();
    let contents = read(&source, std::mem::take(&mut wanted));
    assert_eq!(contents.files.lock().expect("lock").len(), count - 1);
    let failures = contents.failures.lock().expect("lock");
    assert_eq!(failures.len(), 1);
    assert_eq!(failures.first().expect("one").1, ErrorKind::NotFound);
    let gone = source_by(&server.ssh_config(), &tree.path().join("gone"), &context().0);
    let error = gone.info().expect_err("nothing there");
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::NotFound, "file does not exist"));
}

#[test]
fn root_that_is_a_link_is_followed_and_kept() {
    let server = Sshd::start().expect("private sshd");
    let temp = tempfile::tempdir().expect("temporary folder");
    let base = temp.path().canonicalize().expect("real");
    std::fs::create_dir_all(base.join("real/inner")).expect("folders");
    std::fs::create_dir_all(base.join("other")).expect("folders");
    std::fs::write(base.join("real/file"), b"content").expect("write");
    std::os::unix::fs::symlink("../real", base.join("other/link")).expect("link");
    let source = source_by(&server.ssh_config(), &base.join("other/link"), &context().0);
    assert_eq!(source.info().expect("info").directory, base.join("real").to_str().expect("text").as_bytes());
    let found = scan(&source);
    let records = found.records.lock().expect("lock");
    let get = |path: &str| records.get(base.join(path).to_str().expect("text").as_bytes());
    assert_eq!(get("other/link").expect("link").target.as_deref(), Some(b"../real".as_slice()));
    assert!(get("real/file").is_some() && get("real/inner").is_some() && get("other").is_some());

    let source = source_by(&server.ssh_config(), &base.join("real/file"), &context().0);
    assert_eq!(source.info().expect("info").directory, base.join("real").to_str().expect("text").as_bytes());
    let found = scan(&source);
    assert_eq!(found.records.lock().expect("lock").len(), 1);
}

#[test]
fn cut_connections_are_made_again_and_nothing_is_missing() {
    let server = Sshd::start().expect("private sshd");
    let tree = small_tree();
    std::fs::write(tree.path().join("large"), vec![5; 20_000_000]).expect("write");
    let proxy = Proxy::start(server.port(), Duration::from_millis(1)).expect("proxy");
    let config = server.ssh_config_for("cut", proxy.port(), &[]).expect("config");
    let (context, heard) = context();
    let source = source_by(&config, tree.path(), &context);
    proxy.set_plan(Some(CutPlan { seed: 7, bytes_min: 30_000, bytes_max: 60_000, cuts: 2 }));
    let found = scan(&source);
    proxy.set_plan(Some(CutPlan { seed: 9, bytes_min: 400_000, bytes_max: 12_000_000, cuts: 5 }));
    check(tree.path(), &found, &read(&source, requests(&found)));
    assert!(proxy.connections() > 2, "{}", proxy.connections());
    assert!(!heard.retries.lock().expect("lock").is_empty());
}
