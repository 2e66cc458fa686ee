//! From words to a command: globals, `at LOCATION`, command, its own flags.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::cli::globals::Globals;
use crate::cli::help;
use crate::cli::normalise::{AfterWords, Outer, WordError, Words, for_clap, normalise};
use crate::commands::{self, Entry};
use crate::error::Failure;

/// A line that was understood.
pub struct Invocation {
    /// Flags of the program itself.
    pub globals: Globals,
    /// What stood after `at`.
    pub location: Option<String>,
    /// The command.
    pub command: &'static Entry,
    /// Its flags and words.
    pub matches: ArgMatches,
}

/// What a line asks for.
pub enum Request {
    /// Run a command.
    Run(Box<Invocation>),
    /// Only set or clear the update check's cookie.
    SecurityCheck(Box<Globals>),
}

/// The program's own definition, without commands.
pub fn program() -> Command {
    Globals::command()
}

/// Reads the words after the program's name. Global flags may stand behind the command too, where it has
/// none of that name; the last word about a flag counts.
pub fn parse(words: &[OsString]) -> Result<Request, Failure> {
    let program = program();
    let Words { mut flags, positional } = normalise(&program, words, AfterWords::Leave, None)
        .map_err(|error| word_failure(error, &program, ""))?;
    let globals = globals_of(&program, flags.clone())?;
    if globals.wants_security_check_set() {
        return Ok(Request::SecurityCheck(Box::new(globals)));
    }
    let (location, words) = take_location(&positional)?;
    let (command, words) = take_command(words, location.is_some())?;
    let mut outer = Outer { definition: &program, flags: &mut flags };
    let matches = command_matches(&(command.definition)(), words, &mut outer)?;
    let globals = globals_of(&program, flags)?;
    if globals.wants_security_check_set() {
        return Ok(Request::SecurityCheck(Box::new(globals)));
    }
    Ok(Request::Run(Box::new(Invocation { globals, location, command, matches })))
}

fn globals_of(program: &Command, flags: Vec<OsString>) -> Result<Globals, Failure> {
    let line = for_clap(program.get_name(), Words { flags, positional: Vec::new() });
    let matches = clap_matches(program, &line, "")?;
    Globals::from_arg_matches(&matches).map_err(|error| clap_failure(&error, program, ""))
}

fn take_location(words: &[OsString]) -> Result<(Option<String>, &[OsString]), Failure> {
    match words {
        [first, rest @ ..] if first == "at" => match rest {
            [location, rest @ ..] => match location.to_str() {
                Some(location) => Ok((Some(location.to_owned()), rest)),
                None => Err(Failure::usage("the location must be valid UTF-8")),
            },
            [] => Err(Failure::usage("missing plakar repository")),
        },
        words => Ok((None, words)),
    }
}

fn take_command(words: &[OsString], located: bool) -> Result<(&'static Entry, &[OsString]), Failure> {
    let Some((name, words)) = words.split_first() else {
        if located {
            return Err(Failure::usage("missing command"));
        }
        return Err(Failure::usage("a subcommand must be provided").with_text(help::command_list()));
    };
    let name = name.to_string_lossy();
    match commands::find(&name) {
        Some(command) => Ok((command, words)),
        None => {
            let failure = Failure::usage(format!("command not found: {name}"));
            Err(match known_elsewhere(&name) {
                _ if name.starts_with('-') => {
                    failure.with_hint("global flags go before `at` or behind the command")
                }
                Some(ours) => failure.with_hint(format!("here it is `{ours}`: see `plakar help {ours}`")),
                None => failure.with_hint("`plakar help` lists the commands"),
            })
        }
    }
}

/// The command behind a word that other backup programs use for it.
fn known_elsewhere(name: &str) -> Option<&'static str> {
    Some(match name {
        "init" => "create",
        "snapshots" | "list" => "ls",
        "forget" => "prune",
        "delete" | "remove" => "rm",
        "extract" => "restore",
        "dump" => "cat",
        "find" => "locate",
        "verify" => "check",
        "copy" => "sync",
        "compact" | "gc" => "maintenance",
        "stats" => "info",
        _ => return None,
    })
}

/// Flags and words of one command, its subcommands included.
fn command_matches(
    definition: &Command,
    words: &[OsString],
    outer: &mut Outer<'_>,
) -> Result<ArgMatches, Failure> {
    let line = command_line(definition, words, definition.get_name(), outer)?;
    clap_matches(definition, &line, definition.get_name())
}

fn command_line(
    command: &Command,
    words: &[OsString],
    path: &str,
    outer: &mut Outer<'_>,
) -> Result<Vec<OsString>, Failure> {
    let after = if command.has_subcommands() { AfterWords::Leave } else { AfterWords::Accept };
    let level =
        normalise(command, words, after, Some(outer)).map_err(|error| word_failure(error, command, path))?;
    if !command.has_subcommands() {
        return Ok(for_clap(command.get_name(), level));
    }
    let Some((name, rest)) = level.positional.split_first() else {
        if !command.is_subcommand_required_set() {
            return Ok(level.flags);
        }
        return Err(Failure::usage("no action specified").with_text(help::usage(command, path)));
    };
    let name = name.to_string_lossy();
    let Some(sub) = command.find_subcommand(name.as_ref()) else {
        // The one command for which upstream names the word.
        if path == "pkg" {
            let unknown = Failure::usage(format!("invalid argument: {name}"));
            return Err(unknown.with_text(help::usage(command, path)));
        }
        let verbs: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        return Err(Failure::usage(format!("usage: plakar {path} [{}]", verbs.join("|"))));
    };
    let mut line = vec![OsString::from(command.get_name())];
    line.extend(level.flags);
    line.extend(command_line(sub, rest, &format!("{path} {name}"), outer)?);
    Ok(line)
}

fn clap_matches(command: &Command, line: &[OsString], path: &str) -> Result<ArgMatches, Failure> {
    command.clone().try_get_matches_from(line).map_err(|error| clap_failure(&error, command, path))
}

fn word_failure(error: WordError, command: &Command, path: &str) -> Failure {
    match error {
        WordError::Help => Failure::Help(help::usage(command, path)),
        WordError::Flag(message) => {
            let name = message.rsplit("flag provided but not defined: -").next().unwrap_or_default();
            let hint = (path.is_empty() && commands::find(name).is_some())
                .then(|| format!("`plakar {name}` is a command, without a dash"));
            Failure::Flag { message, hint, usage: help::usage(command, path) }
        }
        WordError::Misplaced(word) => Failure::usage(format!("unexpected flag after the arguments: {word}"))
            .with_hint("flags go before the arguments; after `--` nothing is read as a flag"),
    }
}

/// Turns clap's complaint into ours.
fn clap_failure(error: &clap::Error, command: &Command, path: &str) -> Failure {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(" "),
        _ => String::new(),
    };
    match error.kind() {
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
            let argument = context(ContextKind::InvalidArg);
            let name =
                argument.trim_start_matches('-').split([' ', '=']).next().unwrap_or_default().to_owned();
            let value = context(ContextKind::InvalidValue);
            let why = std::error::Error::source(error).map_or_else(
                || match context(ContextKind::ValidValue) {
                    list if list.is_empty() => "parse error".to_owned(),
                    list => format!("must be one of {list}"),
                },
                ToString::to_string,
            );
            Failure::Flag {
                message: format!("invalid value {value:?} for flag -{name}: {why}"),
                hint: None,
                usage: help::usage(command, path),
            }
        }
        ErrorKind::UnknownArgument | ErrorKind::TooManyValues => Failure::usage("too many arguments"),
        ErrorKind::InvalidUtf8 => Failure::usage("arguments must be valid UTF-8 here"),
        _ => {
            Failure::usage(error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: "))
                .with_text(help::usage(command, path))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(words: &[&str]) -> Result<Request, Failure> {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    fn failure(words: &[&str]) -> Failure {
        match outcome(words) {
            Ok(_) => panic!("{words:?} was accepted"),
            Err(failure) => failure,
        }
    }

    #[test]
    fn a_line_is_taken_apart() {
        let Ok(Request::Run(found)) = outcome(&["-quiet", "--cpu=1", "at", "@x", "ls", "-tags", "abc"])
        else {
            panic!("not accepted");
        };
        assert!(found.globals.quiet);
        assert_eq!(found.globals.cpu, Some(1));
        assert_eq!(found.location.as_deref(), Some("@x"));
        assert_eq!(found.command.name, "ls");
        assert!(found.matches.get_flag("tags"));
    }

    #[test]
    fn global_flags_may_stand_behind_the_command() {
        let run = |words: &[&str]| match outcome(words) {
            Ok(Request::Run(found)) => *found,
            _ => panic!("{words:?} was not accepted"),
        };
        for words in [&["ls", "-quiet"][..], &["at", "x", "ls", "abc", "--quiet", "-tags"]] {
            assert!(run(words).globals.quiet, "{words:?}");
        }
        assert!(!run(&["-quiet", "ls", "-quiet=false"]).globals.quiet);
        assert_eq!(run(&["-cpu=1", "store", "add", "-cpu", "2", "a", "/x"]).globals.cpu, Some(2));
        // The command's own flag of that name is meant.
        let shown = run(&["store", "show", "-json"]);
        assert!(!shown.globals.json);
        assert!(shown.matches.subcommand_matches("show").unwrap().get_flag("json"));
        // Behind `--` nothing is a flag.
        assert!(!run(&["ls", "--", "-quiet"]).globals.quiet);
        assert!(matches!(failure(&["ls", "-cpu", "x"]), Failure::Flag { .. }));
        assert!(matches!(outcome(&["ls", "-disable-security-check"]), Ok(Request::SecurityCheck(_))));
    }

    #[test]
    fn mistakes_have_their_own_kinds() {
        assert!(matches!(failure(&[]), Failure::Usage { .. }));
        assert!(matches!(failure(&["at"]), Failure::Usage { .. }));
        assert!(matches!(failure(&["at", "x"]), Failure::Usage { .. }));
        assert!(matches!(failure(&["nosuch"]), Failure::Usage { .. }));
        assert!(matches!(failure(&["at", "x", "-quiet", "ls"]), Failure::Usage { .. }));
        assert!(matches!(failure(&["-nosuch"]), Failure::Flag { .. }));
        assert!(matches!(failure(&["-cpu", "x", "ls"]), Failure::Flag { .. }));
        assert!(matches!(failure(&["ls", "-nosuch"]), Failure::Flag { .. }));
        assert!(matches!(failure(&["ls", "-h"]), Failure::Help(_)));
        assert!(matches!(failure(&["-h"]), Failure::Help(_)));
        assert!(matches!(failure(&["store", "nosuch"]), Failure::Usage { .. }));
        assert!(matches!(failure(&["ls", "a", "b"]), Failure::Usage { .. }));
    }

    #[test]
    fn bad_values_name_flag_and_reason() {
        let Failure::Flag { message, .. } = failure(&["-cpu=x", "ls"]) else { panic!("wrong kind") };
        assert_eq!(message, "invalid value \"x\" for flag -cpu: parse error");
    }
}
