//! From words to a command: globals, `at LOCATION`, command, its own flags.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::cli::globals::Globals;
use crate::cli::help;
use crate::cli::normalise::{AfterWords, WordError, for_clap, normalise};
use crate::commands::{self, Entry};
use crate::error::Failure;

/// A line that was understood.
pub struct Invocation {
    /// Flags before the command.
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

/// Reads the words after the program's name.
pub fn parse(words: &[OsString]) -> Result<Request, Failure> {
    let program = program();
    let matches = match read_level(&program, words, AfterWords::Leave) {
        Ok(level) => clap_matches(&program, &level, "")?,
        Err(error) => return Err(word_failure(error, &program, "")),
    };
    let globals = Globals::from_arg_matches(&matches).map_err(|error| clap_failure(&error, &program, ""))?;
    if globals.disable_security_check || globals.enable_security_check {
        return Ok(Request::SecurityCheck(Box::new(globals)));
    }
    let (location, words) = take_location(&globals.words)?;
    let Some((name, words)) = words.split_first() else {
        if location.is_some() {
            return Err(Failure::usage("missing command"));
        }
        return Err(Failure::usage("a subcommand must be provided").with_text(help::command_list()));
    };
    let name = name.to_string_lossy();
    let Some(command) = commands::find(&name) else {
        let failure = Failure::usage(format!("command not found: {name}"));
        return Err(if name.starts_with('-') {
            failure.with_hint("global flags go before `at` and before the command")
        } else {
            failure
        });
    };
    let definition = (command.definition)();
    let matches = command_matches(&definition, words)?;
    Ok(Request::Run(Box::new(Invocation { globals, location, command, matches })))
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

/// Flags and words of one command, its subcommands included.
pub fn command_matches(definition: &Command, words: &[OsString]) -> Result<ArgMatches, Failure> {
    let line = command_line(definition, words, definition.get_name())?;
    clap_matches(definition, &line, definition.get_name())
}

fn command_line(command: &Command, words: &[OsString], path: &str) -> Result<Vec<OsString>, Failure> {
    if !command.has_subcommands() {
        return read_level(command, words, AfterWords::Accept)
            .map_err(|error| word_failure(error, command, path));
    }
    let level =
        normalise(command, words, AfterWords::Leave).map_err(|error| word_failure(error, command, path))?;
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
    line.extend(command_line(sub, rest, &format!("{path} {name}"))?);
    Ok(line)
}

fn read_level(command: &Command, words: &[OsString], after: AfterWords) -> Result<Vec<OsString>, WordError> {
    normalise(command, words, after).map(|level| for_clap(command.get_name(), level))
}

fn clap_matches(command: &Command, line: &[OsString], path: &str) -> Result<ArgMatches, Failure> {
    command.clone().try_get_matches_from(line).map_err(|error| clap_failure(&error, command, path))
}

fn word_failure(error: WordError, command: &Command, path: &str) -> Failure {
    match error {
        WordError::Help => Failure::Help(help::usage(command, path)),
        WordError::Flag(message) => {
            let text = help::usage(command, path);
            let global = message
                .strip_prefix("flag provided but not defined: -")
                .filter(|name| !path.is_empty() && is_global(name))
                .map(|name| format!("-{name} is a global flag: it goes before the command"));
            Failure::Flag { message, hint: global, usage: text }
        }
        WordError::Misplaced(word) => Failure::usage(format!("unexpected flag after the arguments: {word}"))
            .with_hint("flags go before the arguments; after `--` nothing is read as a flag"),
    }
}

fn is_global(name: &str) -> bool {
    program().get_arguments().any(|argument| argument.get_long() == Some(name))
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
