//! `plakar rm`.

use std::ffi::OsString;
use std::sync::Arc;

use clap::Parser;
use kloset::remove::remove;
use kloset::{Repository, Snapshot};
use kloset_format::{SnapshotId, Timestamp};

use crate::app::App;
use crate::commands::Run;
use crate::commands::ls::{Ids, Tags, snapshot_line};
use crate::error::{Failure, Outcome, chain};
use crate::filters::{Filters, SnapshotArgument, select_filtered};
use crate::open;
use crate::ui::escape;

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

/// A snapshot to remove; its header may be unreadable.
struct Chosen {
    id: SnapshotId,
    snapshot: Result<Snapshot, kloset::Error>,
}

impl Chosen {
    fn time(&self) -> Timestamp {
        self.snapshot.as_ref().map_or(Timestamp::EPOCH, |snapshot| snapshot.header().timestamp)
    }

    fn line(&self) -> String {
        match &self.snapshot {
            Ok(snapshot) => snapshot_line(snapshot, Ids::Short, Tags::Shown),
            Err(error) => format!("{:>20} {:>10} {}", "", self.id.short(), escape::line(&chain(error))),
        }
    }
}

impl Run for Rm {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        if self.filters.is_empty() && self.arguments.is_empty() {
            return Err(Failure::usage("no filter specified, not going to remove everything"));
        }
        let opened = open::open(app)?;
        let chosen = if self.arguments.is_empty() {
            self.by_filters(app, &opened.repository)?
        } else {
            self.by_arguments(&opened.repository)?
        };
        if chosen.is_empty() {
            app.ui.info("rm: no snapshots matched the selection");
            return Ok(Outcome::Done);
        }
        if !self.apply {
            let count = chosen.len();
            app.ui
                .result(&format!("rm: would remove these {count} snapshot(s), run with -apply to proceed"))?;
            chosen.iter().try_for_each(|chosen| app.ui.result(&chosen.line()))?;
            return Ok(Outcome::Done);
        }
        let ids: Vec<_> = chosen.iter().map(|chosen| chosen.id).collect();
        remove(&opened.repository, &ids)?;
        for id in ids {
            app.ui.info(&format!("rm: removal of {} completed successfully", id.short()));
        }
        Ok(Outcome::Done)
    }
}

impl Rm {
    fn by_filters(&self, app: &App, repository: &Arc<Repository>) -> Result<Vec<Chosen>, Failure> {
        let selection = select_filtered(repository, &app.ui, "", &self.filters);
        if selection.unreadable > 0 {
            return Err(Failure::refused("not all snapshots could be read: nothing was removed"));
        }
        let all = selection.snapshots.into_iter();
        Ok(all.map(|snapshot| Chosen { id: snapshot.id(), snapshot: Ok(snapshot) }).collect())
    }

    /// A snapshot named by its id can be removed even if its header cannot be read; filters, if any,
    /// must then pass as well, so an unreadable one is an error.
    fn by_arguments(&self, repository: &Arc<Repository>) -> Result<Vec<Chosen>, Failure> {
        let mut chosen: Vec<Chosen> = Vec::new();
        for argument in &self.arguments {
            let id = SnapshotArgument::parse(argument).only_id(repository)?;
            if chosen.iter().any(|known| known.id == id) {
                continue;
            }
            let snapshot = Snapshot::open(repository, id);
            match snapshot {
                Err(error) if !self.filters.is_empty() => return Err(error.into()),
                Ok(snapshot) if !self.filters.matches(snapshot.header()) => {}
                snapshot => chosen.push(Chosen { id, snapshot }),
            }
        }
        chosen.sort_by_key(|chosen| std::cmp::Reverse(chosen.time()));
        if self.filters.latest {
            chosen.truncate(1);
        }
        Ok(chosen)
    }
}
