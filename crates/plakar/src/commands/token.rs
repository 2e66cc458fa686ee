//! `plakar token`.

use clap::{Args, Parser, Subcommand};

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome};
use crate::packages::failure;

/// Make tokens for other machines
#[derive(Parser)]
#[command(name = "token")]
pub struct Token {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
#[command(disable_help_flag = true, disable_help_subcommand = true)]
enum Action {
    /// Make a token from the login of this machine and print it
    Create(Nothing),
}

#[derive(Args)]
#[command(disable_help_flag = true)]
struct Nothing {}

impl Run for Token {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let Action::Create(Nothing {}) = self.action;
        let token = app
            .tokens()
            .get()
            .ok_or_else(|| Failure::refused("no auth token found: use `plakar login` first"))?;
        let derived = app
            .remote()
            .derive_token(&token)
            .map_err(|error| failure("failed to create the token", error))?;
        app.ui.result(&derived)?;
        Ok(Outcome::Done)
    }
}
