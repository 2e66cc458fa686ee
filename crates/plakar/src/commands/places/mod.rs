//! `plakar store`, `source`, `destination`: named places of the configuration.

mod edit;
mod import;
mod probe;
mod show;

use clap::{Parser, Subcommand};

use crate::app::App;
use crate::commands::Run;
use crate::commands::words::Words;
use crate::config::{Configuration, Kind, files};
use crate::error::{Failure, Outcome};

/// Manage named stores
#[derive(Parser)]
#[command(name = "store")]
pub struct Store {
    #[command(subcommand)]
    action: Action,
}

/// Manage named sources
#[derive(Parser)]
#[command(name = "source")]
pub struct SourceEntry {
    #[command(subcommand)]
    action: Action,
}

/// Manage named destinations
#[derive(Parser)]
#[command(name = "destination")]
pub struct Destination {
    #[command(subcommand)]
    action: Action,
}

impl Run for Store {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        self.action.run(app, Kind::Store)
    }
}

impl Run for SourceEntry {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        self.action.run(app, Kind::Source)
    }
}

impl Run for Destination {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        self.action.run(app, Kind::Destination)
    }
}

#[derive(Subcommand)]
#[command(disable_help_flag = true, disable_help_subcommand = true)]
enum Action {
    /// Add an entry
    #[command(mut_arg("words", |words| words.value_name("NAME LOCATION [KEY=VALUE…]")))]
    Add(Words),
    /// Check that the connector of an entry can be set up
    #[command(mut_arg("words", |words| words.value_name("NAME")))]
    Check(Words),
    /// Read entries from a file or from standard input
    Import(import::Import),
    /// Try an entry step by step
    #[command(mut_arg("words", |words| words.value_name("NAME")))]
    Ping(Words),
    /// Remove an entry
    #[command(mut_arg("words", |words| words.value_name("NAME")))]
    Rm(Words),
    /// Set options of an entry
    #[command(mut_arg("words", |words| words.value_name("NAME KEY=VALUE…")))]
    Set(Words),
    /// Show entries
    Show(show::Show),
    /// Remove options of an entry
    #[command(mut_arg("words", |words| words.value_name("NAME KEY…")))]
    Unset(Words),
}

impl Action {
    fn run(self, app: &App, kind: Kind) -> Result<Outcome, Failure> {
        match self {
            Self::Add(words) => edit::add(app, kind, &words.words),
            Self::Set(words) => edit::set(app, kind, &words.words),
            Self::Unset(words) => edit::unset(app, kind, &words.words),
            Self::Rm(words) => edit::remove(app, kind, &words.words),
            Self::Check(words) => probe::check(app, kind, &words.words),
            Self::Ping(words) => probe::ping(app, kind, &words.words),
            Self::Import(import) => import.run(app, kind),
            Self::Show(show) => show.run(app, kind),
        }
    }
}

/// A name may be written with a leading `@`.
fn bare(name: &str) -> &str {
    name.strip_prefix('@').unwrap_or(name)
}

fn missing(kind: Kind, name: &str) -> Failure {
    Failure::refused(format!("{} \"{name}\" does not exist", kind.word()))
}

fn one_name<'a>(kind: Kind, verb: &str, words: &'a [String]) -> Result<&'a str, Failure> {
    match words {
        [name] => Ok(bare(name)),
        _ => Err(Failure::usage(format!("Usage: plakar {} {verb} <name>", kind.word()))),
    }
}

fn change(
    app: &App,
    change: impl FnOnce(&mut Configuration) -> Result<(), Failure>,
) -> Result<Outcome, Failure> {
    files::update(&app.directories.config, change)?;
    Ok(Outcome::Done)
}
