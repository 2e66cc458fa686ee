//! `plakar ls`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;
use kloset::Snapshot;
use kloset::vfs::Found;
use kloset_format::path::base_name;
use serde_json::json;

use crate::app::App;
use crate::cli::{date, duration};
use crate::commands::Run;
use crate::error::{Failure, Outcome};
use crate::filters::{Filters, SnapshotArgument, select_retained};
use crate::open::{self, Opened};
use crate::retention::Retention;
use crate::size;
use crate::ui::escape;
use crate::ui::path_object;

/// List snapshots, or what is in one
#[derive(Parser)]
#[command(
    name = "ls",
    long_about = "Without argument: the snapshots of the store, newest first. With ID[:PATH]: the directory \
                  PATH of the snapshot whose id starts with ID; without PATH, the directory that was backed up."
)]
pub struct Ls {
    /// Full ids
    #[arg(long)]
    uuid: bool,

    /// Show tags
    #[arg(long)]
    tags: bool,

    /// Everything below, with full paths
    #[arg(long)]
    recursive: bool,

    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    retention: Retention,

    /// Snapshot and path
    #[arg(value_name = "ID[:PATH]")]
    argument: Option<OsString>,
}

/// How ids are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ids {
    /// Eight digits.
    Short,
    /// All digits.
    Full,
}

/// Whether tags are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tags {
    /// Yes, when there are some.
    Shown,
    /// No.
    Hidden,
}

impl Run for Ls {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let opened = open::open(app)?;
        match &self.argument {
            Some(argument) => self.list_directory(app, &opened, &SnapshotArgument::parse(argument)),
            None => self.list_store(app, &opened),
        }
    }
}

/// Bytes of content in a snapshot.
pub fn logical_size(snapshot: &Snapshot) -> u64 {
    let summary = snapshot.header().source().map(|source| &source.summary);
    summary.map_or(0, |summary| summary.directory.size.saturating_add(summary.below.size))
}

/// The tags of a snapshot, joined by commas.
pub fn tag_list(snapshot: &Snapshot) -> String {
    let tags = snapshot.header().tags.iter();
    tags.map(|tag| escape::name(tag).into_owned()).collect::<Vec<_>>().join(",")
}

/// One line of a store listing.
pub fn snapshot_line(snapshot: &Snapshot, ids: Ids, tags: Tags) -> String {
    let header = snapshot.header();
    let id = match ids {
        Ids::Short => format!("{:>10}", snapshot.id().short()),
        Ids::Full => snapshot.id().to_string(),
    };
    let took = Duration::from_nanos(header.duration_ns.max(0).unsigned_abs());
    let mut line = format!(
        "{} {id}{:>10}{:>10} {}",
        date::show(header.timestamp),
        size::show(logical_size(snapshot)),
        duration::show_seconds(took),
        escape::name(snapshot.root_directory()),
    );
    if tags == Tags::Shown && !header.tags.is_empty() {
        line.push_str(" tags=");
        line.push_str(&tag_list(snapshot));
    }
    line
}

fn snapshot_json(snapshot: &Snapshot) -> serde_json::Value {
    let header = snapshot.header();
    let mut value = path_object(snapshot.root_directory());
    let more = json!({
        "snapshot": snapshot.id().to_string(),
        "timestamp": date::show_precise(header.timestamp),
        "duration": header.duration_ns / 1_000_000,
        "size": logical_size(snapshot),
        "name": header.name.to_string_lossy(),
        "tags": header.tags.iter().map(|tag| tag.to_string_lossy()).collect::<Vec<_>>(),
    });
    merge(&mut value, more);
    value
}

/// Adds the members of `more` to an object.
pub fn merge(value: &mut serde_json::Value, more: serde_json::Value) {
    if let (Some(object), serde_json::Value::Object(more)) = (value.as_object_mut(), more) {
        object.extend(more);
    }
}

impl Ls {
    fn list_store(&self, app: &App, opened: &Opened) -> Result<Outcome, Failure> {
        let ids = if self.uuid { Ids::Full } else { Ids::Short };
        let tags = if self.tags { Tags::Shown } else { Tags::Hidden };
        let selection = select_retained(&opened.repository, &app.ui, "", &self.filters, &self.retention);
        for snapshot in &selection.snapshots {
            if app.ui.is_json() {
                app.ui.result_json(&snapshot_json(snapshot))?;
            } else {
                app.ui.result(&snapshot_line(snapshot, ids, tags))?;
            }
        }
        if selection.unreadable > 0 {
            return Err(Failure::refused(format!("{} snapshots could not be read", selection.unreadable)));
        }
        Ok(Outcome::Done)
    }

    fn list_directory(
        &self,
        app: &App,
        opened: &Opened,
        argument: &SnapshotArgument,
    ) -> Result<Outcome, Failure> {
        let snapshot = argument.find(&opened.repository)?;
        let found = snapshot.resolve(&snapshot.absolute(&argument.path))?;
        let mut owners = Owners::default();
        if !found.entry.info.mode.is_directory() {
            show(app, &mut owners, &found, Names::Base)?;
        } else if self.recursive {
            let mut output = Ok(());
            let walked = snapshot.walk(&found.path, &mut |inner| {
                if inner.path == found.path {
                    return Ok(());
                }
                output = show(app, &mut owners, &inner, Names::Path);
                if output.is_err() { Err(kloset::Error::Interrupted) } else { Ok(()) }
            });
            // A failed write stops the walk; it is the reason to tell.
            output?;
            walked?;
        } else {
            for entry in snapshot.children(&found.path)? {
                let path = kloset_format::path::join(&found.path, &entry.info.name);
                show(app, &mut owners, &Found { path, entry }, Names::Base)?;
            }
        }
        Ok(Outcome::Done)
    }
}

/// What stands in the last column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Base,
    Path,
}

fn show(app: &App, owners: &mut Owners, found: &Found, names: Names) -> Result<(), Failure> {
    let info = &found.entry.info;
    if app.ui.is_json() {
        return app.ui.result_json(&entry_json(found));
    }
    let name = match names {
        Names::Base => escape::name(base_name(&found.path)),
        Names::Path => escape::name(&found.path),
    };
    let target = &found.entry.symlink_target;
    let arrow = if target.is_empty() { String::new() } else { format!(" -> {}", escape::name(target)) };
    app.ui.result(&format!(
        "{} {} {:>8} {:>8} {:>8} {name}{arrow}",
        date::show(info.mod_time),
        info.mode.to_text(),
        owners.user(info.uid),
        owners.group(info.gid),
        size::show(info.size.max(0).unsigned_abs()),
    ))
}

fn entry_json(found: &Found) -> serde_json::Value {
    let info = &found.entry.info;
    let mut value = path_object(&found.path);
    let more = json!({
        "mode": info.mode.to_text(),
        "uid": info.uid,
        "gid": info.gid,
        "size": info.size,
        "mtime": date::show_precise(info.mod_time),
        "nlink": info.nlink,
    });
    merge(&mut value, more);
    if info.mode.is_symlink() {
        merge(&mut value, crate::ui::named("target", &found.entry.symlink_target));
    }
    if !found.entry.content_type.is_empty() {
        merge(&mut value, json!({ "content_type": found.entry.content_type }));
    }
    value
}

/// Names of users and groups on this machine.
#[derive(Default)]
struct Owners {
    users: Option<HashMap<u64, String>>,
    groups: Option<HashMap<u64, String>>,
}

impl Owners {
    fn user(&mut self, id: u64) -> String {
        name_of(self.users.get_or_insert_with(|| database("/etc/passwd")), id)
    }

    fn group(&mut self, id: u64) -> String {
        name_of(self.groups.get_or_insert_with(|| database("/etc/group")), id)
    }
}

fn name_of(names: &HashMap<u64, String>, id: u64) -> String {
    names.get(&id).cloned().unwrap_or_else(|| id.to_string())
}

/// Number to name; the number stands in the third field of both files.
fn database(path: &str) -> HashMap<u64, String> {
    let mut names = HashMap::new();
    for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(id))) = (fields.next(), fields.nth(1).map(str::parse)) {
            names.entry(id).or_insert_with(|| escape::line(name).into_owned());
        }
    }
    names
}
