//! Usage blocks and help pages, made from the command definitions.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use crate::commands;

/// Columns of help text.
const WIDTH: usize = 80;

/// The usage block of a command (`path`: its words after the program name).
pub fn usage(command: &Command, path: &str) -> String {
    let mut out = String::new();
    let spaced = if path.is_empty() { String::new() } else { format!(" {path}") };
    let _ = writeln!(out, "Usage: plakar{spaced}{}", synopsis(command, path));
    for argument in flags(command) {
        let _ = writeln!(out, "  {}", flag_words(argument));
        let about = argument.get_help().map(ToString::to_string).unwrap_or_default();
        out.push_str(&wrap(&about, 8));
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

/// The page that `help COMMAND` prints.
pub fn page(command: &Command, path: &str) -> String {
    let mut out = String::new();
    if let Some(about) = command.get_about() {
        let name = if path.is_empty() { "plakar".to_owned() } else { format!("plakar {path}") };
        out.push_str(&wrap(&format!("{name}: {about}"), 0));
        out.push('\n');
    }
    out.push_str(&usage(command, path));
    if let Some(long) = command.get_long_about() {
        out.push('\n');
        for paragraph in long.to_string().split("\n\n") {
            out.push_str(&wrap(paragraph, 0));
            out.push('\n');
        }
    }
    out
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
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    format!("  {name:<12} {about}\n")
}

fn synopsis(command: &Command, path: &str) -> String {
    let mut out = String::new();
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
        let _ = write!(out, " [{name}]{}", if many { "…" } else { "" });
    }
    out
}

fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| !argument.is_positional() && !argument.is_hide_set())
}

fn flag_words(argument: &Arg) -> String {
    let name = argument.get_long().unwrap_or_default();
    if matches!(argument.get_action(), ArgAction::SetTrue) {
        format!("-{name}")
    } else {
        format!("-{name} {}", value_name(argument))
    }
}

fn value_name(argument: &Arg) -> String {
    match argument.get_value_names() {
        Some([name, ..]) => name.to_string(),
        _ => argument.get_id().to_string().to_uppercase(),
    }
}

/// Wraps at [`WIDTH`] columns, each line indented.
fn wrap(text: &str, indent: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut used = 0;
        for word in line.split_whitespace() {
            let length = word.chars().count();
            if used > 0 && indent + used + 1 + length > WIDTH {
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
            assert!(text.contains(&format!("Usage: plakar {}", entry.name)), "{}", entry.name);
            assert!(!text.contains("\n  --"), "{}", entry.name);
            assert!(definition.get_about().is_some(), "{}", entry.name);
        }
    }
}
