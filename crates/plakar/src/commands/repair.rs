//! `plakar repair`.

use clap::Parser;
use kloset::repair::{Broken, inspect, repair};

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome};
use crate::open;

/// Bring back lost states
#[derive(Parser)]
#[command(
    name = "repair",
    long_about = "Finds states that are missing and packfiles that no state tells of. With -apply, reads those \
                  packfiles and writes the states anew; the store must not be in use. A snapshot that had been \
                  removed may be visible again afterwards. Ends with 3 if some packfiles are damaged."
)]
pub struct Repair {
    /// Write the states
    #[arg(long)]
    apply: bool,
}

impl Run for Repair {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let opened = open::open(app)?;
        app.ui.start("repair", Some(opened.repository.id().0));
        let broken = inspect(&opened.repository)?;
        if broken.is_empty() {
            app.ui.info("no repairs needed");
            app.ui.end();
            return Ok(Outcome::Done);
        }
        tell(app, &broken);
        if !self.apply {
            app.ui.info("run with -apply to write these states anew");
            app.ui.end();
            return Ok(Outcome::Done);
        }
        let done = repair(&opened.repository, app.ui.as_ref())?;
        for state in &done.states {
            app.ui.info(&format!("repair: wrote state {state}"));
        }
        for snapshot in &done.snapshots {
            app.ui.info(&format!("repair: snapshot {} is back", snapshot.short()));
        }
        app.ui.info(&format!("repair: {} packfiles are in a state again", done.packfiles));
        app.ui.end();
        Ok(if done.damaged > 0 { Outcome::Partial } else { Outcome::Done })
    }
}

fn tell(app: &App, broken: &Broken) {
    for (state, packfiles) in &broken.named_states {
        app.ui.info(&format!("found missing state {state}"));
        app.ui.info(&format!("{} packfiles belong to it", packfiles.len()));
    }
    for state in &broken.lost_parents {
        app.ui.info(&format!("found missing state {state}"));
    }
    if !broken.orphans.is_empty() {
        app.ui.info(&format!("found {} packfiles that no state tells of", broken.orphans.len()));
    }
}
