//! `plakar diff`.

mod side;

use std::ffi::OsString;

use clap::Parser;
use kloset_format::mode::FileKind;
use kloset_format::{Mac, path};
use serde_json::json;
use similar::TextDiff;

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome};
use crate::filters::SnapshotArgument;
use crate::highlight::Highlighter;
use crate::open;
use crate::ui::{escape, named};
use side::{Node, Side};

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

    /// Colour the differences of texts
    #[arg(long)]
    highlight: bool,

    /// What is compared
    #[arg(value_name = "ID[:PATH]", num_args = 0..)]
    arguments: Vec<OsString>,
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
        let highlighter = self.highlight.then(Highlighter::new);
        let compared = Compared { app, left, right, recursive: self.recursive, highlighter };
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
    highlighter: Option<Highlighter>,
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
        match self.highlighter.as_ref().and_then(|highlighter| highlighter.diff(&out)) {
            Some(coloured) => self.app.ui.result_bytes(coloured.as_bytes()),
            None => self.app.ui.result_bytes(&out),
        }
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
