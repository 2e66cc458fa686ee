//! The command reference, `docs/commands.md`.

use std::fmt::Write;

use clap::Command;

use crate::cli::help;
use crate::cli::manual::{self, Page, TOPICS};

const HEAD: &str = "# Commands

Made from the definitions in the program with `cargo run -p plakar -- gen docs`; changes belong there. `plakar help
COMMAND` and the man pages in [man/](man/) say the same.

```text
plakar [GLOBAL FLAGS] [at LOCATION] COMMAND [ACTION] [FLAGS] [ARGUMENTS]
```

`-flag`, `--flag`, `-flag VALUE` and `-flag=VALUE` are the same. Flags without a value take one only with `=`
(`-latest=false`). `--` ends flags. Global flags go before `at` and the command, or behind the command if it has no flag
of that name; upstream takes them in front only.
";

/// The whole file.
pub fn markdown() -> String {
    let mut out = HEAD.to_owned();
    for page in manual::pages() {
        out.push_str(&section(&page));
    }
    out
}

fn section(page: &Page) -> String {
    let path = page.words.join(" ");
    let level = "#".repeat(page.words.len().max(1) + 1);
    let title = if path.is_empty() { "Global flags" } else { path.as_str() };
    let mut out = format!("\n{level} {title}\n");
    if !path.is_empty() {
        let about = page.command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = write!(out, "\n{}.\n", cell(&about));
        let _ = write!(out, "\n```text\n{}\n```\n", help::synopsis(&page.command, &path));
        if let Some(long) = page.command.get_long_about() {
            for paragraph in long.to_string().split("\n\n") {
                let _ = write!(out, "\n{}", help::wrap_at(paragraph, 0, 120));
            }
        }
    }
    out.push_str(&flags(&page.command));
    if path.is_empty() {
        for topic in &TOPICS {
            let _ = write!(out, "\n## {}\n\n| | |\n| --- | --- |\n", capitalised(topic.title));
            for (term, meaning) in topic.items {
                let _ = writeln!(out, "| `{term}` | {} |", cell(meaning));
            }
        }
    }
    out
}

fn flags(command: &Command) -> String {
    let mut rows = String::new();
    for argument in help::flags(command) {
        let _ = writeln!(
            rows,
            "| `{}` | {} |",
            help::flag_words(argument).replace('|', "\\|"),
            cell(&help::flag_meaning(argument))
        );
    }
    if rows.is_empty() { rows } else { format!("\n| flag | meaning |\n| --- | --- |\n{rows}") }
}

/// Text of a table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*")
}

/// `EXIT STATUS` as a heading of prose.
fn capitalised(title: &str) -> String {
    let lower = title.to_lowercase();
    let mut letters = lower.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
