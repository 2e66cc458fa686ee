//! `plakar login`.

use std::process::{Command, Stdio};

use clap::Parser;
use plakar_pkg::account::Method;

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome};
use crate::packages::failure;

/// Log in to the package server
#[derive(Parser)]
#[command(
    name = "login",
    long_about = "Logs in at the server that packages come from. Stores never need it.\n\nThe token is kept \
                  in the cache directory; $PLAKAR_TOKEN, where set, counts before it."
)]
pub struct Login {
    /// Confirm with GitHub (default)
    #[arg(long)]
    github: bool,

    /// Confirm with a message to this address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,

    /// Keep the token of $PLAKAR_TOKEN
    #[arg(long)]
    env: bool,

    /// Say whether there is a token
    #[arg(long)]
    status: bool,

    /// Show the page's address instead of opening it
    #[arg(long)]
    no_spawn: bool,
}

impl Run for Login {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        self.refuse_clashes()?;
        let tokens = app.tokens();
        if self.status {
            app.ui.result(if tokens.get().is_some() { "logged in" } else { "not logged in" })?;
            return Ok(Outcome::Done);
        }
        if self.env {
            let token = tokens.from_variable().ok_or_else(|| {
                Failure::refused("no auth token found in environment variable PLAKAR_TOKEN")
            })?;
            tokens.put(token).map_err(|error| failure("", error))?;
            return Ok(Outcome::Done);
        }
        let method = match &self.email {
            Some(address) => Method::Email(address.clone()),
            None => Method::Github,
        };
        if self.email.is_none() && !self.github {
            app.ui.result("no provided login method, defaulting to GitHub")?;
        }
        let remote = app.remote();
        let pending =
            remote.begin_login(&method).map_err(|error| failure("unable to get the login URL", error))?;
        if pending.url.is_empty() {
            app.ui.result("confirm the login with the message that was sent to you")?;
        } else {
            app.ui.result(&format!("confirm the login at {}", crate::ui::escape::line(&pending.url)))?;
            if !self.no_spawn {
                open_page(&pending.url);
            }
        }
        app.ui.flush()?;
        let token = remote
            .finish_login(&pending, &app.connector_context().interrupted, &mut || app.ui.report("."))
            .map_err(|error| failure("login failed", error))?;
        app.ui.report("\n");
        tokens.put(&token).map_err(|error| failure("", error))?;
        app.ui.result("logged in")?;
        Ok(Outcome::Done)
    }
}

impl Login {
    fn refuse_clashes(&self) -> Result<(), Failure> {
        let others = self.github || self.email.is_some() || self.env || self.no_spawn;
        if self.status && others {
            return Err(Failure::usage("the -status option must be used alone"));
        }
        if self.github && (self.email.is_some() || self.env) {
            return Err(Failure::usage("the -github option cannot be used with -email or -env"));
        }
        if self.email.is_some() && self.env {
            return Err(Failure::usage("the -email option cannot be used with -env"));
        }
        if self.no_spawn && (self.email.is_some() || self.env) {
            return Err(Failure::usage("the -no-spawn option is only valid with -github"));
        }
        match &self.email {
            Some(address) if !is_address(address) => {
                Err(Failure::usage(format!("invalid email address: {address}")))
            }
            _ => Ok(()),
        }
    }
}

fn is_address(text: &str) -> bool {
    let plain = |c: char| !c.is_control() && !c.is_whitespace();
    text.split_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'))
        && text.chars().all(plain)
}

/// Opens a page in the user's browser, if it is a web page and there is a browser.
fn open_page(url: &str) {
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return;
    }
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let child = Command::new(opener)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Ok(mut child) = child {
        std::thread::spawn(move || child.wait());
    }
}
