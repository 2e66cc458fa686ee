//! `plakar gen`: man pages, completions and the command reference, for `docs/` and for packagers.

use std::path::PathBuf;

use clap::Parser;
use kloset_connector::error::io_message;

use crate::app::App;
use crate::cli::generate;
use crate::commands::Run;
use crate::error::{Failure, Outcome};

/// Write man pages, shell completions and the command reference into a directory
#[derive(Parser)]
#[command(name = "gen")]
pub struct Generate {
    /// Where to
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Run for Generate {
    fn run(self, _: &App) -> Result<Outcome, Failure> {
        let directory = self.directory.ok_or_else(|| Failure::usage("usage: plakar gen DIR"))?;
        generate::write_all(&directory)
            .map_err(|error| Failure::refused(format!("{}: {}", directory.display(), io_message(&error))))?;
        Ok(Outcome::Done)
    }
}
