//! The `plakar` command line.
//!
//! Parses, opens, calls one engine function, shows, exits. No engine logic lives here.

mod app;
mod archive;
mod cli;
mod commands;
mod config;
mod connectors;
mod error;
mod exit;
mod filters;
mod highlight;
mod machine;
mod open;
mod packages;
mod passphrase;
mod pattern;
mod report;
mod resolve;
mod retention;
mod served;
mod signals;
mod terminal;
mod ui;

use std::process::ExitCode;

// One way to write sizes, in lines and on pages.
use plakar_browse::size;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let program =
        words.next().map_or_else(|| "plakar".to_owned(), |name| name.to_string_lossy().into_owned());
    let words: Vec<_> = words.collect();
    ExitCode::from(app::run(&program, &words))
}
