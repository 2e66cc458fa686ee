//! `plakar dup`.

use std::ffi::OsString;

use clap::Parser;
use kloset::dup::duplicate;

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome};
use crate::filters::SnapshotArgument;
use crate::open;
use crate::ui::Summary;

/// Make a new snapshot with the contents of another one
#[derive(Parser)]
#[command(
    name = "dup",
    long_about = "The new snapshot has an id and a time of its own; everything else is kept."
)]
pub struct Dup {
    /// Snapshots
    #[arg(value_name = "ID", num_args = 0..)]
    arguments: Vec<OsString>,
}

impl Run for Dup {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        if self.arguments.is_empty() {
            return Err(Failure::usage("at least one parameter is required"));
        }
        let opened = open::open(app)?;
        let ids = self.arguments.iter().map(|text| SnapshotArgument::parse(text).only_id(&opened.repository));
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        app.ui.start("dup", Some(opened.repository.id().0));
        let mut before = opened.bytes();
        for id in ids {
            let snapshot = kloset::Snapshot::open(&opened.repository, id)?;
            let copy = duplicate(&snapshot)?;
            let after = opened.bytes();
            app.ui.summary(&Summary::added(copy.snapshot, copy.elapsed, before, after));
            before = after;
        }
        app.ui.end();
        Ok(Outcome::Done)
    }
}
