//! `plakar locate`.

use std::ffi::OsString;

use clap::Parser;
use kloset::Snapshot;
use kloset_format::path::base_name;
use serde_json::json;

use crate::app::App;
use crate::commands::Run;
use crate::commands::ls::merge;
use crate::error::{Failure, Outcome, chain};
use crate::filters::{Filters, SnapshotArgument, select_filtered};
use crate::open;
use crate::pattern::Pattern;
use crate::ui::{escape, path_object};

/// Find paths by their names
#[derive(Parser)]
#[command(
    name = "locate",
    long_about = "Prints SNAPSHOT:PATH for every path whose last component matches one of the patterns \
                  (`*`, `?`, `[a-z]`), newest snapshot first."
)]
pub struct Locate {
    /// Only snapshots whose id starts with this
    #[arg(long, value_name = "ID")]
    snapshot: Option<String>,

    #[command(flatten)]
    filters: Filters,

    /// Names wanted
    #[arg(value_name = "PATTERN", num_args = 0..)]
    patterns: Vec<OsString>,
}

impl Run for Locate {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let patterns: Vec<Pattern> = self
            .patterns
            .iter()
            .map(|text| {
                Pattern::parse(text.as_encoded_bytes()).ok_or_else(|| {
                    Failure::refused(format!("syntax error in pattern {}", text.to_string_lossy()))
                })
            })
            .collect::<Result<_, _>>()?;
        let prefix = self.snapshot.as_deref().unwrap_or_default();
        if !SnapshotArgument::parse(prefix.as_ref()).is_hexadecimal() {
            return Err(Failure::refused(format!("invalid snapshot prefix: {prefix}")));
        }
        let opened = open::open(app)?;
        if patterns.is_empty() {
            return Ok(Outcome::Done);
        }
        let selection = select_filtered(&opened.repository, &app.ui, prefix, &self.filters);
        let mut failed = selection.unreadable;
        for snapshot in &selection.snapshots {
            if let Err(error) = search(app, snapshot, &patterns)? {
                failed += 1;
                app.ui.error(&format!("{}: {}", snapshot.id().short(), chain(&error)));
            }
        }
        if failed > 0 { Err(Failure::refused("errors occurred")) } else { Ok(Outcome::Done) }
    }
}

/// Prints the matches of one snapshot; the inner error is why it could not be read to the end.
fn search(
    app: &App,
    snapshot: &Snapshot,
    patterns: &[Pattern],
) -> Result<Result<(), kloset::Error>, Failure> {
    let mut stopped = Ok(());
    let walked = snapshot.walk(b"/", &mut |found| {
        if patterns.iter().any(|pattern| pattern.matches(base_name(&found.path))) {
            stopped = print(app, snapshot, &found.path);
            if stopped.is_err() {
                return Err(kloset::Error::Interrupted);
            }
        }
        Ok(())
    });
    stopped?;
    match walked {
        Err(kloset::Error::Interrupted) => Err(Failure::Interrupted),
        walked => Ok(walked),
    }
}

fn print(app: &App, snapshot: &Snapshot, path: &[u8]) -> Result<(), Failure> {
    if app.ui.is_json() {
        let mut value = json!({ "snapshot": snapshot.id().to_string() });
        merge(&mut value, path_object(path));
        return app.ui.result_json(&value);
    }
    app.ui.result(&format!("{}:{}", snapshot.id().short(), escape::name(path)))
}
