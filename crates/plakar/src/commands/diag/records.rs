//! What `diag` shows of records: the header of a snapshot, an entry.

use std::sync::Arc;

use kloset::Repository;

use super::Words;
use crate::app::App;
use crate::cli::date;
use crate::commands::info;
use crate::error::Failure;
use crate::ui::escape;

/// What `info` says of a snapshot, then the roots and indexes of every source.
pub fn snapshot(app: &App, repository: &Arc<Repository>, words: &Words) -> Result<(), Failure> {
    let (snapshot, _) = words.snapshot(repository)?;
    info::describe_snapshot(app, &snapshot)?;
    let line = |text: String| app.ui.result(&escape::line(&text));
    for source in &snapshot.header().sources {
        line("Source:".to_owned())?;
        line(format!(" - Importer: {}", source.importer.kind.to_string_lossy()))?;
        line(format!(" - Root: {}", source.roots.root))?;
        line(format!(" - Xattrs: {}", source.roots.xattrs))?;
        line(format!(" - Errors: {}", source.roots.errors))?;
        for index in &source.indexes {
            let (name, kind) = (index.name.to_string_lossy(), index.kind.to_string_lossy());
            line(format!(" - Index: {name} {kind} {}", index.value))?;
        }
    }
    Ok(())
}

/// One entry, field by field.
pub fn entry(app: &App, repository: &Arc<Repository>, words: &Words) -> Result<(), Failure> {
    let (snapshot, path) = words.snapshot(repository)?;
    let found = snapshot.entry(&path)?;
    let (entry, info) = (&found.entry, &found.entry.info);
    let field = |key: &str, value: &dyn std::fmt::Display| {
        app.ui.result(&format!("{key}: {}", escape::line(&value.to_string())))
    };
    field("Version", &entry.version)?;
    field("Path", &escape::name(&found.path))?;
    field("Mode", &info.mode.to_text())?;
    field("Size", &info.size)?;
    field("ModTime", &date::show_precise(info.mod_time))?;
    field("Dev", &info.dev)?;
    field("Ino", &info.ino)?;
    field("Uid", &info.uid)?;
    field("Gid", &info.gid)?;
    field("Nlink", &info.nlink)?;
    field("Username", &escape::name(&info.username))?;
    field("Groupname", &escape::name(&info.groupname))?;
    if !entry.symlink_target.is_empty() {
        field("Target", &escape::name(&entry.symlink_target))?;
    }
    if !entry.object.is_zero() {
        field("Object", &entry.object)?;
        field("ContentType", &entry.content_type)?;
        field("Entropy", &entry.entropy)?;
        field("Chunks", &entry.chunks)?;
    }
    for name in &entry.extended_attributes {
        field("Xattr", &escape::name(name))?;
    }
    for tag in &entry.tags {
        field("Tag", &tag.to_string_lossy())?;
    }
    Ok(())
}
