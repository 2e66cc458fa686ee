//! `plakar store`, `source`, `destination`: named places of the configuration.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use kloset_connector::error::io_message;
use kloset_connector::{ConnectorError, Options};

use crate::app::App;
use crate::commands::Run;
use crate::config::show::{self, Format, Secrets};
use crate::config::{Configuration, Kind, files, import};
use crate::connectors::{self, SourcePlace};
use crate::error::{Failure, Outcome, Role, chain};
use crate::passphrase::StoreSecrets;
use crate::resolve;

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
    /// Add an entry: NAME LOCATION [KEY=VALUE…]
    Add(Words),
    /// Check that the connector of an entry can be set up
    Check(Words),
    /// Read entries from a file or from standard input
    Import(Import),
    /// Try an entry step by step
    Ping(Words),
    /// Remove an entry
    Rm(Words),
    /// Set options of an entry: NAME KEY=VALUE…
    Set(Words),
    /// Show entries
    Show(Show),
    /// Remove options of an entry: NAME KEY…
    Unset(Words),
}

#[derive(Args)]
#[command(disable_help_flag = true)]
struct Words {
    /// Name and what belongs to it
    #[arg(value_name = "WORD", num_args = 0..)]
    words: Vec<String>,
}

#[derive(Args)]
#[command(disable_help_flag = true)]
struct Import {
    /// File to read; standard input by default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Replace entries that exist
    #[arg(long)]
    overwrite: bool,

    /// The file is an rclone configuration
    #[arg(long)]
    rclone: bool,

    /// Sections to import, all by default; SECTION:NAME renames
    #[arg(value_name = "SECTION", num_args = 0..)]
    sections: Vec<String>,
}

#[derive(Args)]
#[command(disable_help_flag = true)]
struct Show {
    /// As YAML (default)
    #[arg(long)]
    yaml: bool,

    /// As JSON, one object a line
    #[arg(long)]
    json: bool,

    /// As INI
    #[arg(long)]
    ini: bool,

    /// Show secrets as they are
    #[arg(long)]
    secrets: bool,

    /// Entries to show, all by default
    #[arg(value_name = "NAME", num_args = 0..)]
    names: Vec<String>,
}

impl Action {
    fn run(self, app: &App, kind: Kind) -> Result<Outcome, Failure> {
        match self {
            Self::Add(words) => add(app, kind, &words.words),
            Self::Set(words) => set(app, kind, &words.words),
            Self::Unset(words) => unset(app, kind, &words.words),
            Self::Rm(words) => remove(app, kind, &words.words),
            Self::Check(words) => check(app, kind, &words.words),
            Self::Ping(words) => ping(app, kind, &words.words),
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

/// Key and value of a word, if it is a pair with a name.
fn pair(word: &str) -> Option<(String, String)> {
    let (key, value) = word.split_once('=')?;
    (!key.is_empty()).then(|| (key.to_owned(), value.to_owned()))
}

fn change(
    app: &App,
    change: impl FnOnce(&mut Configuration) -> Result<(), Failure>,
) -> Result<Outcome, Failure> {
    files::update(&app.directories.config, change)?;
    Ok(Outcome::Done)
}

fn add(app: &App, kind: Kind, words: &[String]) -> Result<Outcome, Failure> {
    let usage =
        || Failure::usage(format!("Usage: plakar {} add <name> <location> [<key>=<value>...]", kind.word()));
    let [name, location, pairs @ ..] = words else { return Err(usage()) };
    let location = location.strip_prefix("location=").unwrap_or(location);
    let mut options = Options::from([("location".to_owned(), location.to_owned())]);
    for word in pairs {
        let (key, value) = pair(word).ok_or_else(usage)?;
        options.insert(key, value);
    }
    let name = bare(name);
    change(app, |configuration| {
        let entries = &mut configuration.section_mut(kind).entries;
        if entries.contains_key(name) {
            return Err(Failure::refused(format!("{} \"{name}\" already exists", kind.word())));
        }
        entries.insert(name.to_owned(), options);
        Ok(())
    })
}

fn set(app: &App, kind: Kind, words: &[String]) -> Result<Outcome, Failure> {
    let [name, pairs @ ..] = words else {
        return Err(Failure::usage(format!("Usage: plakar {} set <name> <key>=<value>...", kind.word())));
    };
    if pairs.is_empty() {
        return Err(Failure::usage(format!("Usage: plakar {} set <name> <key>=<value>...", kind.word())));
    }
    let pairs: Option<Vec<_>> = pairs.iter().map(|word| pair(word)).collect();
    let Some(pairs) = pairs else {
        return Err(Failure::usage(format!("usage: plakar {} set <name> [<key>=<value>, ...]", kind.word())));
    };
    let name = bare(name);
    change(app, |configuration| {
        let entries = &mut configuration.section_mut(kind).entries;
        entries.get_mut(name).ok_or_else(|| missing(kind, name))?.extend(pairs);
        Ok(())
    })
}

fn unset(app: &App, kind: Kind, words: &[String]) -> Result<Outcome, Failure> {
    let [name, keys @ ..] = words else {
        return Err(Failure::usage(format!("usage: plakar {} unset <name> [<key>, ...]", kind.word())));
    };
    if keys.iter().any(|key| key == "location") {
        return Err(Failure::refused("cannot unset location"));
    }
    let name = bare(name);
    change(app, |configuration| {
        let entries = &mut configuration.section_mut(kind).entries;
        let entry = entries.get_mut(name).ok_or_else(|| missing(kind, name))?;
        entry.retain(|key, _| !keys.contains(key));
        Ok(())
    })
}

fn one_name<'a>(kind: Kind, verb: &str, words: &'a [String]) -> Result<&'a str, Failure> {
    match words {
        [name] => Ok(bare(name)),
        _ => Err(Failure::usage(format!("Usage: plakar {} {verb} <name>", kind.word()))),
    }
}

fn remove(app: &App, kind: Kind, words: &[String]) -> Result<Outcome, Failure> {
    let name = one_name(kind, "rm", words)?;
    change(app, |configuration| {
        let section = configuration.section_mut(kind);
        section.entries.remove(name).ok_or_else(|| missing(kind, name))?;
        section.default.take_if(|default| default == name);
        Ok(())
    })
}

/// The place of an entry, without the secrets that only this program needs.
fn entry_place(app: &App, kind: Kind, name: &str) -> Result<resolve::Place, Failure> {
    let configuration = app.configuration()?;
    let entry = configuration.section(kind).entries.get(name).ok_or_else(|| missing(kind, name))?;
    let mut place = resolve::from_entry(name, entry, "")?;
    StoreSecrets::take(&mut place.options);
    Ok(place)
}

fn role(kind: Kind) -> Role {
    match kind {
        Kind::Store => Role::Store,
        Kind::Source => Role::Source,
        Kind::Destination => Role::Destination,
    }
}

fn check(app: &App, kind: Kind, words: &[String]) -> Result<Outcome, Failure> {
    let place = entry_place(app, kind, one_name(kind, "check", words)?)?;
    let context = app.connector_context();
    let failed = |error| Failure::connector(role(kind), error);
    match kind {
        Kind::Store => {
            connectors::storage(&place, &context, &Default::default()).map_err(failed)?;
        }
        Kind::Source => {
            let places = vec![SourcePlace::of(place.location)];
            let source = connectors::source(places, &place.options, &context);
            source.and_then(|source| source.info()).map_err(failed)?;
        }
        Kind::Destination => {
            let destination = connectors::destination(&place.location, &place.options, &context);
            destination.and_then(|destination| destination.info()).map_err(failed)?;
        }
    }
    Ok(Outcome::Done)
}

/// One line per step; the first failure, with its cure, ends the walk.
fn ping(app: &App, kind: Kind, words: &[String]) -> Result<Outcome, Failure> {
    let place = entry_place(app, kind, one_name(kind, "ping", words)?)?;
    let context = app.connector_context();
    let failed = |error| Failure::connector(role(kind), error);
    let mut first: Option<ConnectorError> = None;
    let mut report = |step: &str, result: Result<(), ConnectorError>| match result {
        Ok(()) => {
            let _ = app.ui.result(&format!("{step}: ok"));
        }
        Err(error) => {
            let _ = app.ui.result(&format!("{step}: failed: {}", crate::ui::escape::line(&chain(&error))));
            first.get_or_insert(error);
        }
    };
    match kind {
        Kind::Store => {
            connectors::storage(&place, &context, &Default::default()).map_err(failed)?.ping(&mut report);
        }
        Kind::Source => {
            let places = vec![SourcePlace::of(place.location)];
            connectors::source(places, &place.options, &context).map_err(failed)?.ping(&mut report);
        }
        Kind::Destination => {
            connectors::destination(&place.location, &place.options, &context)
                .map_err(failed)?
                .ping(&mut report);
        }
    }
    if let Some(error) = first {
        return Err(failed(error));
    }
    app.ui.result("configuration OK")?;
    Ok(Outcome::Done)
}

impl Show {
    fn run(self, app: &App, kind: Kind) -> Result<Outcome, Failure> {
        let format = match (self.json, self.ini, self.yaml) {
            (false, false, _) => Format::Yaml,
            (true, false, false) => Format::Json,
            (false, true, false) => Format::Ini,
            _ => return Err(Failure::usage("only one of -yaml, -json and -ini can be given")),
        };
        let secrets = if self.secrets { Secrets::Shown } else { Secrets::Masked };
        let configuration = app.configuration()?;
        let entries = &configuration.section(kind).entries;
        let names: Vec<&str> = if self.names.is_empty() {
            entries.keys().map(String::as_str).collect()
        } else {
            self.names.iter().map(|name| bare(name)).collect()
        };
        let mut absent = false;
        for name in names {
            match entries.get(name) {
                Some(options) => {
                    app.ui.result_bytes(show::entry(name, options, format, secrets).as_bytes())?
                }
                None => {
                    absent = true;
                    app.ui.report(&format!("{} \"{name}\" does not exist\n", kind.word()));
                }
            }
        }
        if absent {
            return Err(Failure::refused(format!("one or more {} do not exist", kind.plural())));
        }
        Ok(Outcome::Done)
    }
}

impl Import {
    fn run(self, app: &App, kind: Kind) -> Result<Outcome, Failure> {
        let text = self.read_text()?;
        let failed = |why: String| Failure::refused(format!("failed to load config: {why}"));
        let mut entries = import::read(&text).map_err(failed)?;
        if self.rclone {
            entries = import::from_rclone(entries);
        }
        if !entries.values().any(|options| options.contains_key("location")) {
            return Err(failed(
                "missing 'location' key in config data, `-rclone` import option missing ?".to_owned(),
            ));
        }
        let wanted: Vec<(String, String)> = if self.sections.is_empty() {
            entries.keys().map(|name| (name.clone(), name.clone())).collect()
        } else {
            self.sections
                .iter()
                .map(|word| {
                    let (section, name) = word.split_once(':').unwrap_or((word, word));
                    (bare(section).to_owned(), bare(name).to_owned())
                })
                .collect()
        };
        change(app, |configuration| {
            let present = &mut configuration.section_mut(kind).entries;
            for (section, name) in wanted {
                let Some(options) = entries.get(&section) else {
                    app.ui.report(&format!("{} \"{section}\" does not exist in config\n", kind.word()));
                    continue;
                };
                if present.contains_key(&name) && !self.overwrite {
                    app.ui.report(&format!("{} \"{name}\" already exists, skipping\n", kind.word()));
                    continue;
                }
                present.insert(name, options.clone());
            }
            Ok(())
        })
    }

    fn read_text(&self) -> Result<String, Failure> {
        let mut text = String::new();
        match &self.config {
            Some(path) if is_url(path) => Err(Failure::refused(
                "-config does not fetch from the network: download the file and pipe it in",
            )),
            Some(path) => std::fs::read_to_string(path).map_err(|error| {
                let path = path.display();
                Failure::refused(format!(
                    "failed to open file \"{path}\": open {path}: {}",
                    io_message(&error)
                ))
            }),
            None => match std::io::stdin().read_to_string(&mut text) {
                Ok(_) => Ok(text),
                Err(error) => Err(Failure::refused(format!("failed to read stdin: {}", io_message(&error)))),
            },
        }
    }
}

fn is_url(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.starts_with("http://") || text.starts_with("https://"))
}
