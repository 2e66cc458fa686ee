//! The two sides of a comparison: a snapshot, or the files of this machine.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use kloset::Snapshot;
use kloset_connector::error::io_message;
use kloset_format::mode::FileKind;
use kloset_format::{FileMode, Mac, path};

use crate::error::Failure;
use crate::ui::escape;

/// One side of the comparison.
pub enum Side {
    /// A snapshot.
    Snapshot(Box<Snapshot>),
    /// This machine.
    Local,
}

/// A path on one side.
pub struct Node {
    /// Absolute.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: FileKind,
    /// Bytes of content.
    pub size: u64,
    /// In snapshots.
    pub object: Mac,
    /// Of links.
    pub target: Vec<u8>,
}

impl Side {
    /// The path for people, with the snapshot's id.
    pub fn label(&self, path: &[u8]) -> String {
        match self {
            Self::Snapshot(snapshot) => format!("{}:{}", snapshot.id().short(), escape::name(path)),
            Self::Local => escape::name(path).into_owned(),
        }
    }

    /// What is at the path.
    pub fn node(&self, path: &[u8]) -> Result<Node, Failure> {
        match self {
            Self::Snapshot(snapshot) => Ok(of_entry(path.to_vec(), &snapshot.entry(path)?.entry)),
            Self::Local => local_node(path.to_vec()),
        }
    }

    /// What is in the directory, by name.
    pub fn children(&self, directory: &[u8]) -> Result<BTreeMap<Vec<u8>, Node>, Failure> {
        let mut children = BTreeMap::new();
        match self {
            Self::Snapshot(snapshot) => {
                for entry in snapshot.children(directory)? {
                    let path = path::join(directory, &entry.info.name);
                    children.insert(entry.info.name.clone(), of_entry(path, &entry));
                }
            }
            Self::Local => {
                let failed = |error| local_failure(directory, &error);
                for entry in std::fs::read_dir(Path::new(OsStr::from_bytes(directory))).map_err(failed)? {
                    let name = entry.map_err(failed)?.file_name().into_vec();
                    let node = local_node(path::join(directory, &name))?;
                    children.insert(name, node);
                }
            }
        }
        Ok(children)
    }

    /// The bytes of a file.
    pub fn content(&self, node: &Node) -> Result<Vec<u8>, Failure> {
        let mut content = Vec::new();
        self.write(node, &mut content)?;
        Ok(content)
    }

    /// A digest of the bytes of a file.
    pub fn digest(&self, node: &Node) -> Result<blake3::Hash, Failure> {
        let mut hasher = blake3::Hasher::new();
        self.write(node, &mut hasher)?;
        Ok(hasher.finalize())
    }

    fn write(&self, node: &Node, out: &mut dyn std::io::Write) -> Result<(), Failure> {
        match self {
            Self::Snapshot(snapshot) => {
                let entry = snapshot.entry(&node.path)?.entry;
                snapshot.write_content(&entry, out)?.map_err(Failure::Output)
            }
            Self::Local => {
                let failed = |error| local_failure(&node.path, &error);
                let mut file = std::fs::File::open(OsStr::from_bytes(&node.path)).map_err(failed)?;
                let mut buffer = vec![0; 1 << 16];
                loop {
                    let read = file.read(&mut buffer).map_err(failed)?;
                    if read == 0 {
                        return Ok(());
                    }
                    out.write_all(buffer.get(..read).unwrap_or_default()).map_err(Failure::Output)?;
                }
            }
        }
    }
}

fn of_entry(path: Vec<u8>, entry: &kloset_format::Entry) -> Node {
    Node {
        path,
        kind: entry.info.mode.kind(),
        size: u64::try_from(entry.info.size).unwrap_or(0),
        object: entry.object,
        target: entry.symlink_target.clone(),
    }
}

fn local_node(path: Vec<u8>) -> Result<Node, Failure> {
    let failed = |error| local_failure(&path, &error);
    let at = Path::new(OsStr::from_bytes(&path));
    let metadata = at.symlink_metadata().map_err(failed)?;
    let mode = std::os::unix::fs::MetadataExt::mode(&metadata);
    let kind = FileMode::from_st_mode(mode).kind();
    let target = match kind {
        FileKind::Symlink => std::fs::read_link(at).map_err(failed)?.into_os_string().into_vec(),
        _ => Vec::new(),
    };
    Ok(Node { size: metadata.len(), kind, object: Mac::ZERO, target, path })
}

fn local_failure(path: &[u8], error: &std::io::Error) -> Failure {
    Failure::refused(format!("{}: {}", escape::name(path), io_message(error)))
}
