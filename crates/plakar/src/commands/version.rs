//! `plakar version`.

use clap::Parser;

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome};
use crate::machine;

/// Print the name and version of this program
#[derive(Parser)]
#[command(name = "version")]
pub struct Version {}

impl Run for Version {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        app.ui.result(&machine::client())?;
        Ok(Outcome::Done)
    }
}
