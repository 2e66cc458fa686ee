//! `plakar logout`.

use clap::Parser;

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome};
use crate::packages::failure;

/// Forget the login at the package server
#[derive(Parser)]
#[command(name = "logout")]
pub struct Logout {}

impl Run for Logout {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let tokens = app.tokens();
        if tokens.from_variable().is_some() {
            return Err(Failure::refused(
                "cannot delete auth token: authentication is managed via PLAKAR_TOKEN environment variable",
            ));
        }
        if tokens.remove().map_err(|error| failure("", error))? {
            Ok(Outcome::Done)
        } else {
            Err(Failure::refused("not logged in"))
        }
    }
}
