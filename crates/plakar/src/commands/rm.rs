//! `plakar rm`.

use std::ffi::OsString;

use clap::Parser;
use kloset::Snapshot;
use kloset::remove::remove;

use crate::app::App;
use crate::commands::Run;
use crate::commands::ls::{Ids, Tags, snapshot_line};
use crate::error::{Failure, Outcome};
use crate::filters::{Filters, SnapshotArgument, select_filtered};
use crate::open;

/// Remove snapshots
#[derive(Parser)]
#[command(
    name = "rm",
    long_about = "Without -apply, only says what would be removed. The space of removed snapshots is given \
                  back by `maintenance`."
)]
pub struct Rm {
    /// Really remove
    #[arg(long)]
    apply: bool,

    #[command(flatten)]
    filters: Filters,

    /// Snapshots
    #[arg(value_name = "ID", num_args = 0..)]
    arguments: Vec<OsString>,
}

impl Run for Rm {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        if self.filters.is_empty() && self.arguments.is_empty() {
            return Err(Failure::usage("no filter specified, not going to remove everything"));
        }
        let opened = open::open(app)?;
        let mut chosen: Vec<Snapshot> = Vec::new();
        if self.arguments.is_empty() {
            let selection = select_filtered(&opened.repository, &app.ui, "", &self.filters);
            if selection.unreadable > 0 {
                return Err(Failure::refused("not all snapshots could be read: nothing was removed"));
            }
            chosen = selection.snapshots;
        } else {
            for argument in &self.arguments {
                let argument = SnapshotArgument::parse(argument);
                if argument.prefix.is_empty() || !argument.path.is_empty() {
                    return Err(Failure::usage(format!("not a snapshot: {:?}", argument.prefix)));
                }
                let snapshot = argument.find(&opened.repository)?;
                let known = chosen.iter().any(|known| known.id() == snapshot.id());
                if !known && self.filters.matches(snapshot.header()) {
                    chosen.push(snapshot);
                }
            }
            chosen.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.header().timestamp));
            if self.filters.latest {
                chosen.truncate(1);
            }
        }
        if chosen.is_empty() {
            app.ui.info("rm: no snapshots matched the selection");
            return Ok(Outcome::Done);
        }
        if !self.apply {
            let count = chosen.len();
            app.ui
                .result(&format!("rm: would remove these {count} snapshot(s), run with -apply to proceed"))?;
            for snapshot in &chosen {
                app.ui.result(&snapshot_line(snapshot, Ids::Short, Tags::Shown))?;
            }
            return Ok(Outcome::Done);
        }
        let ids: Vec<_> = chosen.iter().map(Snapshot::id).collect();
        remove(&opened.repository, &ids)?;
        for id in ids {
            app.ui.info(&format!("rm: removal of {} completed successfully", id.short()));
        }
        Ok(Outcome::Done)
    }
}
