//! `plakar help`.

use clap::Parser;

use crate::app::App;
use crate::cli::{help, parse};
use crate::commands::{self, Run};
use crate::error::{Failure, Outcome};

/// Explain a command
#[derive(Parser)]
#[command(name = "help")]
pub struct Help {
    /// Accepted for compatibility
    #[arg(long, value_name = "STYLE")]
    style: Option<String>,

    /// Command, and action where it has some
    #[arg(value_name = "COMMAND", num_args = 0..)]
    words: Vec<String>,
}

impl Run for Help {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let Some((name, actions)) = self.words.split_first() else {
            app.ui.result_bytes(help::page(&parse::program(), "").as_bytes())?;
            return Ok(Outcome::Done);
        };
        let unknown = || Failure::refused(format!("no manual for: {}", self.words.join(" ")));
        let mut command = (commands::find(name).ok_or_else(unknown)?.definition)();
        for action in actions {
            command = command.find_subcommand(action).ok_or_else(unknown)?.clone();
        }
        app.ui.result_bytes(help::page(&command, &self.words.join(" ")).as_bytes())?;
        Ok(Outcome::Done)
    }
}
