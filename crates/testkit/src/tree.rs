//! Odd local trees: built, read back field by field, and compared with a readable difference.
//!
//! Everything goes through open folders, so that names of any length and nesting work.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use kloset_connector::Xattr;
use kloset_format::{FileInfo, FileMode, Timestamp};
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, Stat};
use rustix::io::Result;

mod build;

pub use build::{build_odd_tree, build_small_tree, set_time};

/// What a connector can carry; fields it cannot are not compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fidelity {
    /// Numeric owners (needs privilege on the target).
    pub owners: bool,
    /// Names of owners in scans.
    pub owner_names: bool,
    /// Extended attributes.
    pub xattrs: bool,
    /// Nanoseconds of times; else whole seconds.
    pub nanoseconds: bool,
    /// Times outside of 1970 to 2106.
    pub far_times: bool,
    /// Device, inode and link count in scans.
    pub inodes: bool,
    /// Hard links after a restore.
    pub hard_links: bool,
    /// Pipes and sockets.
    pub special_files: bool,
    /// Owner and time of symbolic links.
    pub symlink_metadata: bool,
    /// Holes of sparse files.
    pub holes: bool,
    /// Paths longer than the system's limit for one call.
    pub endless_paths: bool,
}

impl Fidelity {
    /// All of it, as a local file system can.
    pub fn everything() -> Self {
        Self {
            owners: rustix::process::geteuid().is_root(),
            owner_names: true,
            xattrs: true,
            nanoseconds: true,
            far_times: true,
            inodes: true,
            hard_links: true,
            special_files: true,
            symlink_metadata: true,
            holes: true,
            endless_paths: true,
        }
    }

    /// What version 3 of SFTP with OpenSSH's extensions can restore. In scans it tells no device,
    /// inode or link count and no owner names.
    pub fn sftp() -> Self {
        Self {
            owner_names: false,
            xattrs: false,
            nanoseconds: false,
            far_times: false,
            inodes: false,
            special_files: false,
            endless_paths: false,
            ..Self::everything()
        }
    }

    /// A modification time as it should come back; `None` if nothing can be expected of it.
    pub fn time(self, time: Timestamp) -> Option<Timestamp> {
        let near = (0..i64::from(u32::MAX)).contains(&time.seconds);
        if !near && !self.far_times {
            return None;
        }
        let nanoseconds = if self.nanoseconds { time.nanoseconds } else { 0 };
        Some(Timestamp { nanoseconds, ..time })
    }
}

/// One path of a tree that was read back.
#[derive(Clone, PartialEq, Eq)]
pub struct Node {
    /// Attributes; owner names are left empty.
    pub info: FileInfo,
    /// Target of a symbolic link.
    pub link: Option<Vec<u8>>,
    /// Attributes, sorted by name.
    pub xattrs: Vec<Xattr>,
    /// Content of a regular file.
    pub content: Option<Vec<u8>>,
    /// 512-byte blocks in use.
    pub blocks: u64,
    /// First path of the tree, in byte order, that names the same file.
    pub first_name: Vec<u8>,
}

/// A tree by path relative to its root; the root itself has the empty path.
pub type Tree = BTreeMap<Vec<u8>, Node>;

/// Reads a whole tree, contents included.
pub fn read_tree(root: &Path) -> Result<Tree> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(CWD, root, flags, Mode::empty())?;
    let mut tree = Tree::new();
    let stat = rustix::fs::fstat(&folder)?;
    let mut node = node_of(b"", &stat);
    node.xattrs = xattrs_of(&folder)?;
    tree.insert(Vec::new(), node);
    read_folder(&folder, b"", &mut tree)?;
    let mut first: HashMap<(u64, u64), Vec<u8>> = HashMap::new();
    for (path, node) in &mut tree {
        let id = (node.info.dev, node.info.ino);
        node.first_name = first.entry(id).or_insert_with(|| path.clone()).clone();
    }
    Ok(tree)
}

fn read_folder(folder: &OwnedFd, path: &[u8], tree: &mut Tree) -> Result<()> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let stat = rustix::fs::statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
        let mut node = node_of(name, &stat);
        let mut child_path = path.to_vec();
        if !path.is_empty() {
            child_path.push(b'/');
        }
        child_path.extend_from_slice(name);
        if node.info.mode.is_symlink() {
            node.link = Some(rustix::fs::readlinkat(folder, entry.file_name(), Vec::new())?.into_bytes());
        } else if node.info.mode.is_directory() || node.info.mode.is_regular() {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NOATIME | OFlags::CLOEXEC;
            let child = rustix::fs::openat(folder, entry.file_name(), flags, Mode::empty())?;
            node.xattrs = xattrs_of(&child)?;
            if node.info.mode.is_directory() {
                read_folder(&child, &child_path, tree)?;
            } else {
                let mut content = Vec::new();
                File::from(child).read_to_end(&mut content).map_err(|_| rustix::io::Errno::IO)?;
                node.content = Some(content);
            }
        }
        tree.insert(child_path, node);
    }
    Ok(())
}

fn node_of(name: &[u8], stat: &Stat) -> Node {
    Node {
        info: FileInfo {
            name: name.to_vec(),
            size: stat.st_size,
            mode: FileMode::from_st_mode(stat.st_mode),
            mod_time: Timestamp { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 },
            dev: stat.st_dev,
            ino: stat.st_ino,
            uid: u64::from(stat.st_uid),
            gid: u64::from(stat.st_gid),
            nlink: stat.st_nlink as u16,
            username: Vec::new(),
            groupname: Vec::new(),
            flags: 0,
        },
        link: None,
        xattrs: Vec::new(),
        content: None,
        blocks: stat.st_blocks as u64,
        first_name: Vec::new(),
    }
}

fn xattrs_of(file: impl AsFd) -> Result<Vec<Xattr>> {
    let mut list = Vec::with_capacity(64 << 10);
    rustix::fs::flistxattr(&file, rustix::buffer::spare_capacity(&mut list))?;
    let mut xattrs = Vec::new();
    for name in list.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let mut value = Vec::with_capacity(64 << 10);
        rustix::fs::fgetxattr(&file, OsStr::from_bytes(name), rustix::buffer::spare_capacity(&mut value))?;
        xattrs.push(Xattr { name: name.to_vec(), value });
    }
    xattrs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(xattrs)
}

/// One line per path and field that differs; empty if the trees are the same.
pub fn differences(wanted: &Tree, found: &Tree, fidelity: Fidelity) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, node) in wanted {
        if is_special(node) && !fidelity.special_files {
            continue;
        }
        match found.get(path) {
            None => lines.push(format!("{}: missing", shown(path))),
            Some(other) => compare_nodes(path, node, other, fidelity, &mut lines),
        }
    }
    for path in found.keys().filter(|path| !wanted.contains_key(*path)) {
        lines.push(format!("{}: not expected", shown(path)));
    }
    lines
}

/// Reads both trees and panics with every difference.
pub fn assert_same_tree(wanted: &Path, found: &Path, fidelity: Fidelity) {
    let wanted = read_tree(wanted).expect("the wanted tree can be read");
    let found = read_tree(found).expect("the found tree can be read");
    let lines = differences(&wanted, &found, fidelity);
    assert!(lines.is_empty(), "{} differences:\n{}", lines.len(), lines.join("\n"));
}

/// Whether this is a pipe, socket or device.
pub fn is_special(node: &Node) -> bool {
    let mode = node.info.mode;
    !mode.is_directory() && !mode.is_regular() && !mode.is_symlink()
}

fn compare_nodes(path: &[u8], wanted: &Node, found: &Node, fidelity: Fidelity, lines: &mut Vec<String>) {
    let mut field = |name: &str, wanted: &dyn fmt::Debug, found: &dyn fmt::Debug| {
        let (wanted, found) = (format!("{wanted:?}"), format!("{found:?}"));
        if wanted != found {
            lines.push(format!("{}: {name} is {found}, not {wanted}", shown(path)));
        }
    };
    let link = wanted.info.mode.is_symlink();
    field("mode", &wanted.info.mode.to_text(), &found.info.mode.to_text());
    if !wanted.info.mode.is_directory() {
        field("size", &wanted.info.size, &found.info.size);
    }
    field("target", &wanted.link.as_deref().map(shown), &found.link.as_deref().map(shown));
    if !link || fidelity.symlink_metadata {
        let time = |node: &Node| fidelity.time(node.info.mod_time);
        if let Some(expected) = time(wanted) {
            field("time", &Some(expected), &time(found));
        }
        if fidelity.owners {
            field("owner", &wanted.info.uid, &found.info.uid);
            field("group", &wanted.info.gid, &found.info.gid);
        }
    }
    if fidelity.xattrs {
        field("xattrs", &wanted.xattrs, &found.xattrs);
    }
    if fidelity.hard_links {
        field("first name", &shown(&wanted.first_name), &shown(&found.first_name));
    }
    if wanted.content != found.content {
        lines.push(format!("{}: content differs", shown(path)));
    }
    let sparse = |node: &Node| node.blocks * 512 < node.info.size as u64 / 2;
    if fidelity.holes && sparse(wanted) && !sparse(found) {
        lines.push(format!("{}: holes were filled", shown(path)));
    }
}

/// A path as text: escaped where it is not plain.
pub fn shown(path: &[u8]) -> String {
    let text = path.escape_ascii().to_string();
    if text.len() > 200 { format!("{}…({} bytes)", &text[..80], path.len()) } else { text }
}
