//! Every command: one file each, one line in the list below.

mod archive;
mod backup;
mod cached;
mod cat;
mod check;
mod create;
mod diag;
mod diff;
mod digest;
mod dup;
mod gen_files;
mod help;
mod info;
mod locate;
mod login;
mod logout;
mod ls;
mod maintenance;
mod mount;
mod pkg;
mod places;
mod policy;
mod prune;
mod ptar;
mod repair;
mod restore;
mod rm;
mod server;
mod service;
mod status;
mod sync;
mod token;
mod ui;
mod version;
mod words;

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::app::App;
use crate::error::{Failure, Outcome};

/// What a command's definition must be able to do.
pub trait Run: CommandFactory + FromArgMatches {
    /// Does it.
    fn run(self, app: &App) -> Result<Outcome, Failure>;
}

/// A command of the program.
pub struct Entry {
    /// The word that calls it.
    pub name: &'static str,
    /// Its flags and words.
    pub definition: fn() -> Command,
    /// Does it.
    pub run: fn(&App, &ArgMatches) -> Result<Outcome, Failure>,
    /// Whether it is left out of lists.
    pub hidden: bool,
}

const fn entry<T: Run>(name: &'static str) -> Entry {
    Entry { name, definition: definition::<T>, run: run::<T>, hidden: false }
}

const fn hidden<T: Run>(name: &'static str) -> Entry {
    Entry { name, definition: definition::<T>, run: run::<T>, hidden: true }
}

fn definition<T: Run>() -> Command {
    T::command().disable_help_flag(true).disable_version_flag(true).disable_help_subcommand(true)
}

fn run<T: Run>(app: &App, matches: &ArgMatches) -> Result<Outcome, Failure> {
    T::from_arg_matches(matches).map_err(|error| Failure::usage(error.to_string()))?.run(app)
}

static ALL: [Entry; 36] = [
    entry::<archive::ArchiveCommand>("archive"),
    entry::<backup::Backup>("backup"),
    hidden::<cached::Cached>("cached"),
    entry::<cat::Cat>("cat"),
    entry::<check::Check>("check"),
    entry::<create::Create>("create"),
    entry::<places::Destination>("destination"),
    hidden::<diag::Diag>("diag"),
    entry::<diff::Diff>("diff"),
    entry::<digest::Digest>("digest"),
    entry::<dup::Dup>("dup"),
    hidden::<gen_files::Generate>("gen"),
    entry::<help::Help>("help"),
    entry::<info::Info>("info"),
    entry::<locate::Locate>("locate"),
    entry::<login::Login>("login"),
    entry::<logout::Logout>("logout"),
    entry::<ls::Ls>("ls"),
    entry::<maintenance::Maintenance>("maintenance"),
    entry::<mount::Mount>("mount"),
    entry::<pkg::Pkg>("pkg"),
    entry::<policy::Policy>("policy"),
    entry::<prune::Prune>("prune"),
    entry::<ptar::Ptar>("ptar"),
    entry::<repair::Repair>("repair"),
    entry::<restore::Restore>("restore"),
    entry::<rm::Rm>("rm"),
    entry::<server::Server>("server"),
    hidden::<service::Service>("service"),
    entry::<places::SourceEntry>("source"),
    entry::<status::Status>("status"),
    entry::<places::Store>("store"),
    entry::<sync::Sync>("sync"),
    entry::<token::Token>("token"),
    entry::<ui::UserInterface>("ui"),
    entry::<version::Version>("version"),
];

/// Every command, by name.
pub fn all() -> &'static [Entry] {
    &ALL
}

/// The command of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    all().iter().find(|entry| entry.name == name)
}

/// Name and value of a `-o` option; a bare name means `true`.
pub fn option_pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, "true"));
    if key.is_empty() {
        return Err("the name before `=` is empty".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_consistent_and_named_as_listed() {
        for entry in all() {
            let definition = (entry.definition)();
            assert_eq!(definition.get_name(), entry.name);
            definition.debug_assert();
        }
    }

    #[test]
    fn options_without_value_are_true() {
        assert_eq!(option_pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(option_pair("a"), Ok(("a".into(), "true".into())));
        assert!(option_pair("=x").is_err());
    }
}
