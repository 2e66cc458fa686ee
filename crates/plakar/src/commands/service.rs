//! `plakar service`: the services of upstream's cloud, which are not part of this program.

use clap::Parser;

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome};

/// The words that upstream knows.
const ACTIONS: [&str; 9] = ["list", "add", "rm", "set", "unset", "status", "enable", "disable", "show"];

/// Manage services of upstream's cloud (not available)
#[derive(Parser)]
#[command(
    name = "service",
    long_about = "Upstream's program manages services of its vendor's cloud with this command. They are not part of \
                  this program: whatever the action, it says so and ends with 1."
)]
pub struct Service {
    /// list, add, rm, set, unset, status, enable, disable or show, and what belongs to it
    #[arg(value_name = "ACTION [WORD]…", num_args = 0..)]
    words: Vec<String>,
}

impl Run for Service {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let usage = || Failure::usage(format!("usage: plakar service [{}]", ACTIONS.join("|")));
        let action = self.words.first().ok_or_else(usage)?;
        if !ACTIONS.contains(&action.as_str()) {
            return Err(usage());
        }
        if app.tokens().get().is_none() {
            return Err(Failure::refused("not logged in: use `plakar login` first"));
        }
        Err(Failure::refused("services of the vendor's cloud are not available in this program"))
    }
}
