//! `plakar diff`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use clap::Parser;
use kloset::Snapshot;
use kloset_connector::error::io_message;
use kloset_format::mode::FileKind;
use kloset_format::{FileMode, Mac, path};
use serde_json::json;
use similar::TextDiff;

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome};
use crate::filters::SnapshotArgument;
use crate::open;
use crate::ui::{escape, named};

/// Longer files are only told to differ.
const TEXT_BYTES_MAX: u64 = 64 << 20;
/// Lines of context around a change.
const CONTEXT_LINES: usize = 3;

/// Compare files or directories of snapshots
#[derive(Parser)]
#[command(
    name = "diff",
    long_about = "Compares two paths of snapshots, or a path of a snapshot with the same path of this machine. \
                  Directories are compared by their names; with -recursive, everything below is compared, \
                  contents included. Ends with 0 whether or not there are differences."
)]
pub struct Diff {
    /// Compare everything below
    #[arg(long)]
    recursive: bool,

    /// Accepted for compatibility
    #[arg(long)]
    highlight: bool,

    /// What is compared
    #[arg(value_name = "ID[:PATH]", num_args = 0..)]
    arguments: Vec<OsString>,
}

/// One side of the comparison.
enum Side {
    Snapshot(Box<Snapshot>),
    Local,
}

/// A path on one side.
struct Node {
    path: Vec<u8>,
    kind: FileKind,
    size: u64,
    /// In snapshots.
    object: Mac,
    /// Of links.
    target: Vec<u8>,
}

impl Run for Diff {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let (first, second) = match self.arguments.as_slice() {
            [first] => (first, None),
            [first, second] => (first, Some(second)),
            _ => return Err(Failure::usage("usage: diff ID[:PATH] [ID[:PATH]]")),
        };
        let opened = open::open(app)?;
        let open = |text: &OsString| -> Result<(Side, Vec<u8>), Failure> {
            let argument = SnapshotArgument::parse(text);
            let snapshot = argument.find(&opened.repository)?;
            let path = snapshot.resolve(&snapshot.absolute(&argument.path))?.path;
            Ok((Side::Snapshot(Box::new(snapshot)), path))
        };
        let (left, left_path) = open(first)?;
        let (right, right_path) = match second {
            Some(second) => open(second)?,
            None => (Side::Local, left_path.clone()),
        };
        let compared = Compared { app, left, right, recursive: self.recursive };
        let (a, b) = (compared.left.node(&left_path)?, compared.right.node(&right_path)?);
        match (a.kind == FileKind::Directory, b.kind == FileKind::Directory) {
            (true, true) => compared.directories(&a, &b)?,
            (false, false) => compared.files(&a, &b)?,
            _ => return Err(Failure::refused("cannot compare a directory with a file")),
        }
        Ok(Outcome::Done)
    }
}

struct Compared<'a> {
    app: &'a App,
    left: Side,
    right: Side,
    recursive: bool,
}

impl Compared<'_> {
    fn directories(&self, a: &Node, b: &Node) -> Result<(), Failure> {
        self.app.proceed()?;
        let (mut left, mut right) = (self.left.children(&a.path)?, self.right.children(&b.path)?);
        let mut names: Vec<Vec<u8>> = left.keys().chain(right.keys()).cloned().collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            match (left.remove(&name), right.remove(&name)) {
                (Some(one), Some(other)) => self.pair(&name, &one, &other)?,
                (Some(_), None) => self.only(&self.left, &a.path, &name)?,
                (None, _) => self.only(&self.right, &b.path, &name)?,
            }
        }
        Ok(())
    }

    fn pair(&self, name: &[u8], a: &Node, b: &Node) -> Result<(), Failure> {
        let is_directory = a.kind == FileKind::Directory;
        let (one, other) = if self.recursive {
            (self.left.label(&a.path), self.right.label(&b.path))
        } else {
            (escape::name(name).into_owned(), escape::name(name).into_owned())
        };
        if a.kind != b.kind {
            return self.tell("type", a, Some(b), format!("File type mismatch: {one} and {other}"));
        }
        match (is_directory, self.recursive) {
            (true, true) => self.directories(a, b),
            (true, false) => {
                self.tell("common", a, Some(b), format!("Common subdirectories: {one} and {other}"))
            }
            (false, true) => self.files(a, b),
            (false, false) => Ok(()),
        }
    }

    fn only(&self, side: &Side, directory: &[u8], name: &[u8]) -> Result<(), Failure> {
        let node = Node {
            path: path::join(directory, name),
            kind: FileKind::Irregular,
            size: 0,
            object: Mac::ZERO,
            target: Vec::new(),
        };
        let text = format!("Only in {}: {}", side.label(directory), escape::name(name));
        self.tell("only", &node, None, text)
    }

    fn files(&self, a: &Node, b: &Node) -> Result<(), Failure> {
        let (one, other) = (self.left.label(&a.path), self.right.label(&b.path));
        if a.kind != b.kind {
            return self.tell("type", a, Some(b), format!("File type mismatch: {one} and {other}"));
        }
        if a.kind == FileKind::Symlink {
            if a.target == b.target {
                return Ok(());
            }
            return self.tell("link", a, Some(b), format!("Symbolic links {one} and {other} differ"));
        }
        let same_object = !a.object.is_zero() && a.object == b.object;
        if a.kind != FileKind::Regular || same_object {
            return Ok(());
        }
        let differ = || self.tell("binary", a, Some(b), format!("Binary files {one} and {other} differ"));
        if a.size > TEXT_BYTES_MAX || b.size > TEXT_BYTES_MAX {
            let same = a.size == b.size && self.left.digest(a)? == self.right.digest(b)?;
            return if same { Ok(()) } else { differ() };
        }
        let (before, after) = (self.left.content(a)?, self.right.content(b)?);
        if before == after {
            return Ok(());
        }
        if before.contains(&0) || after.contains(&0) {
            return differ();
        }
        if self.app.ui.is_json() {
            return self.tell("text", a, Some(b), String::new());
        }
        let diff = TextDiff::from_lines(before.as_slice(), after.as_slice());
        let mut unified = diff.unified_diff();
        unified.context_radius(CONTEXT_LINES).header(&one, &other);
        let mut out = Vec::new();
        unified.to_writer(&mut out).map_err(Failure::Output)?;
        self.app.ui.result_bytes(&out)
    }

    fn tell(&self, what: &str, a: &Node, b: Option<&Node>, text: String) -> Result<(), Failure> {
        if !self.app.ui.is_json() {
            return self.app.ui.result(&text);
        }
        let mut value = json!({ "difference": what });
        super::ls::merge(&mut value, named("path", &a.path));
        if let Some(b) = b {
            super::ls::merge(&mut value, named("other_path", &b.path));
        }
        self.app.ui.result_json(&value)
    }
}

impl Side {
    fn label(&self, path: &[u8]) -> String {
        match self {
            Self::Snapshot(snapshot) => format!("{}:{}", snapshot.id().short(), escape::name(path)),
            Self::Local => escape::name(path).into_owned(),
        }
    }

    fn node(&self, path: &[u8]) -> Result<Node, Failure> {
        match self {
            Self::Snapshot(snapshot) => Ok(of_entry(path.to_vec(), &snapshot.entry(path)?.entry)),
            Self::Local => local_node(path.to_vec()),
        }
    }

    fn children(&self, directory: &[u8]) -> Result<BTreeMap<Vec<u8>, Node>, Failure> {
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

    fn content(&self, node: &Node) -> Result<Vec<u8>, Failure> {
        let mut content = Vec::new();
        self.write(node, &mut content)?;
        Ok(content)
    }

    fn digest(&self, node: &Node) -> Result<blake3::Hash, Failure> {
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
