//! `plakar cached`: upstream's background process. This program has none.

use std::path::PathBuf;

use clap::Parser;

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome};

/// Accepted for compatibility: there is no background process
#[derive(Parser)]
#[command(name = "cached")]
pub struct Cached {
    /// Accepted for compatibility
    #[arg(long)]
    foreground: bool,

    /// Accepted for compatibility
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// Accepted for compatibility
    #[arg(long, value_name = "DURATION")]
    teardown: Option<String>,
}

impl Run for Cached {
    fn run(self, _: &App) -> Result<Outcome, Failure> {
        Ok(Outcome::Done)
    }
}
