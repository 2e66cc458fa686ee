//! What `diag` shows of a snapshot's trees: entries by content type, attributes, listings.

use std::sync::Arc;

use kloset::{DirectoryListing, Repository, Snapshot};

use super::Words;
use crate::app::App;
use crate::error::Failure;
use crate::ui::escape;

/// `TYPE PATH` of every entry that has a content type.
pub fn content_types(app: &App, repository: &Arc<Repository>, words: &Words) -> Result<(), Failure> {
    let (snapshot, _) = words.snapshot(repository)?;
    print_walk(app, &snapshot, b"/", &|found| {
        let kind = &found.entry.content_type;
        (!kind.is_empty()).then(|| format!("{} {}", escape::line(kind), escape::name(&found.path)))
    })
}

/// `ID:PATH` of every entry below the path whose content type is the wanted one, or begins with it.
pub fn search(app: &App, repository: &Arc<Repository>, words: &Words) -> Result<(), Failure> {
    let (snapshot, start) = words.snapshot(repository)?;
    let wanted = words.optional(1)?.unwrap_or_default();
    let id = snapshot.id().short();
    print_walk(app, &snapshot, &start, &|found| {
        let kind = found.entry.content_type.as_str();
        let kind = kind.split(';').next().unwrap_or_default();
        let fits = wanted.is_empty() || kind == wanted || kind.split('/').next() == Some(wanted);
        fits.then(|| format!("{id}:{}", escape::name(&found.path)))
    })
}

/// `OBJECT PATH` of the listing of every directory.
pub fn listings(app: &App, repository: &Arc<Repository>, words: &Words) -> Result<(), Failure> {
    let (snapshot, _) = words.snapshot(repository)?;
    let Some(rows) = snapshot.listing_objects()? else {
        return Err(Failure::refused(format!("snapshot {} has no dirpack index", snapshot.id().short())));
    };
    let line = |row: &DirectoryListing| app.ui.result(&format!("{} {}", row.object, escape::name(&row.path)));
    rows.iter().try_for_each(line)
}

/// `PATH: NAME=VALUE` of every attribute at and below the path.
pub fn attributes(app: &App, repository: &Arc<Repository>, words: &Words) -> Result<(), Failure> {
    let (snapshot, path) = words.snapshot(repository)?;
    let table = snapshot.xattr_table(&path)?;
    for path in table.paths() {
        for (name, value) in table.values(&snapshot, path)? {
            let value = value.escape_ascii();
            app.ui.result(&format!("{}: {}={value}", escape::name(path), escape::name(&name)))?;
        }
    }
    Ok(())
}

fn print_walk(
    app: &App,
    snapshot: &Snapshot,
    start: &[u8],
    line: &dyn Fn(&kloset::vfs::Found) -> Option<String>,
) -> Result<(), Failure> {
    let mut stopped = Ok(());
    let walked = snapshot.walk(start, &mut |found| {
        if let Some(line) = line(&found) {
            stopped = app.ui.result(&line);
        }
        if stopped.is_ok() { Ok(()) } else { Err(kloset::Error::Interrupted) }
    });
    stopped?;
    Ok(walked?)
}
