//! Usage blocks and help pages, made from the command definitions.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use crate::cli::manual::TOPICS;
use crate::commands;

/// Columns of help text.
const WIDTH: usize = 80;
/// Columns before the text of a section.
const INDENT: usize = 4;

/// The usage block of a command (`path`: its words after the program name).
pub fn usage(command: &Command, path: &str) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "Usage: {}", synopsis(command, path));
    for argument in flags(command) {
        let _ = writeln!(out, "  {}", flag_words(argument));
        out.push_str(&wrap(&flag_meaning(argument), 2 * INDENT));
    }
    if path.is_empty() {
        out.push_str(&command_list());
    } else if command.has_subcommands() {
        out.push_str("Actions:\n");
        for sub in command.get_subcommands() {
            out.push_str(&list_line(sub.get_name(), sub));
        }
    }
    out
}

/// The page that `help COMMAND` prints: the sections of the man page, for a terminal.
pub fn page(command: &Command, path: &str) -> String {
    let mut out = String::new();
    let name =
        if path.is_empty() { "plakar".to_owned() } else { format!("plakar-{}", path.replace(' ', "-")) };
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    section(&mut out, "NAME", &wrap(&format!("{name} - {about}"), INDENT));
    section(&mut out, "SYNOPSIS", &wrap(&synopsis(command, path), INDENT));
    let long = command.get_long_about().map(ToString::to_string).unwrap_or(about);
    let paragraphs: Vec<String> = long.split("\n\n").map(|paragraph| wrap(paragraph, INDENT)).collect();
    section(&mut out, "DESCRIPTION", &paragraphs.join("\n"));
    let items = flags(command).map(|argument| item(&flag_words(argument), &flag_meaning(argument)));
    section(&mut out, "OPTIONS", &items.collect::<String>());
    let actions = command.get_subcommands().map(|action| item(action.get_name(), &about_of(action)));
    section(&mut out, "ACTIONS", &actions.collect::<String>());
    if path.is_empty() {
        let visible = commands::all().iter().filter(|entry| !entry.hidden);
        let listed = visible.map(|entry| item(entry.name, &about_of(&(entry.definition)())));
        section(&mut out, "COMMANDS", &listed.collect::<String>());
        for topic in &TOPICS {
            let items = topic.items.iter().map(|(term, meaning)| item(term, meaning));
            section(&mut out, topic.title, &items.collect::<String>());
        }
    }
    out
}

fn section(out: &mut String, title: &str, body: &str) {
    if !body.trim().is_empty() {
        let space = if out.is_empty() { "" } else { "\n" };
        let _ = write!(out, "{space}{title}\n{body}");
    }
}

fn item(term: &str, meaning: &str) -> String {
    wrap(term, INDENT) + &wrap(meaning, 2 * INDENT)
}

fn about_of(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// The commands, one a line.
pub fn command_list() -> String {
    let mut out = "Commands:\n".to_owned();
    for entry in commands::all().iter().filter(|entry| !entry.hidden) {
        out.push_str(&list_line(entry.name, &(entry.definition)()));
    }
    out
}

fn list_line(name: &str, command: &Command) -> String {
    format!("  {name:<12} {}\n", about_of(command))
}

/// How the command is called, on one line.
pub fn synopsis(command: &Command, path: &str) -> String {
    let mut out = if path.is_empty() { "plakar".to_owned() } else { format!("plakar {path}") };
    if flags(command).next().is_some() {
        out.push_str(" [flags]");
    }
    if path.is_empty() {
        out.push_str(" [at LOCATION] COMMAND [flags] [arguments]");
    } else if command.has_subcommands() {
        out.push_str(" ACTION [flags] [arguments]");
    }
    for argument in command.get_positionals().filter(|argument| !argument.is_hide_set()) {
        let name = value_name(argument);
        let many = argument.get_num_args().is_some_and(|range| range.max_values() > 1);
        let _ = match name.contains(' ') {
            // A name of several words says itself what may be left out or repeated.
            true => write!(out, " {name}"),
            false => write!(out, " [{name}]{}", if many { "…" } else { "" }),
        };
    }
    out
}

/// The flags that are shown.
pub fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| !argument.is_positional() && !argument.is_hide_set())
}

/// A flag as it is typed.
pub fn flag_words(argument: &Arg) -> String {
    let name = argument.get_long().unwrap_or_default();
    if matches!(argument.get_action(), ArgAction::SetTrue) {
        format!("-{name}")
    } else {
        format!("-{name} {}", value_name(argument))
    }
}

/// What a flag does, and its default.
pub fn flag_meaning(argument: &Arg) -> String {
    let mut text = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let defaults = argument.get_default_values().iter().map(|value| value.to_string_lossy());
    let defaults = defaults.filter(|value| !value.is_empty()).collect::<Vec<_>>().join(", ");
    if !defaults.is_empty() && !matches!(argument.get_action(), ArgAction::SetTrue) {
        let _ = write!(text, " (default {defaults})");
    }
    text
}

fn value_name(argument: &Arg) -> String {
    match argument.get_value_names() {
        Some([name, ..]) => name.to_string(),
        _ => argument.get_id().to_string().to_uppercase(),
    }
}

/// Wraps at [`WIDTH`] columns, each line indented.
fn wrap(text: &str, indent: usize) -> String {
    wrap_at(text, indent, WIDTH)
}

/// Wraps at `width` columns, each line indented.
pub fn wrap_at(text: &str, indent: usize, width: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut used = 0;
        for word in line.split_whitespace() {
            let length = word.chars().count();
            if used > 0 && indent + used + 1 + length > width {
                out.push('\n');
                used = 0;
            }
            if used == 0 {
                out.push_str(&" ".repeat(indent));
            } else {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += length;
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_and_indented() {
        let text = wrap(&"word ".repeat(40), 8);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH && line.starts_with("        word")));
        assert!(text.lines().count() > 2);
    }

    #[test]
    fn every_command_has_usage_with_single_dashes() {
        for entry in commands::all() {
            let definition = (entry.definition)();
            let text = page(&definition, entry.name);
            assert!(text.contains(&format!("SYNOPSIS\n    plakar {}", entry.name)), "{}", entry.name);
            assert!(!text.contains("\n    --"), "{}", entry.name);
            assert!(definition.get_about().is_some(), "{}", entry.name);
        }
    }
}
