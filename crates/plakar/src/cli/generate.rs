//! Writes man pages and shell completions from the command definitions.

use std::io;
use std::path::Path;

use clap::Command;

use crate::cli::parse::program;
use crate::commands;

/// The whole program as one definition.
pub fn whole() -> Command {
    let mut whole = program().disable_help_subcommand(true);
    for entry in commands::all().iter().filter(|entry| !entry.hidden) {
        whole = whole.subcommand((entry.definition)());
    }
    whole
}

/// Writes `plakar.1`, `plakar-COMMAND.1` and completions of the common shells into `directory`.
pub fn write_all(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(whole(), directory)?;
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "1") {
            // Both spellings work; one dash is the one that is documented.
            let text = std::fs::read_to_string(&path)?;
            std::fs::write(&path, text.replace("\\-\\-", "\\-"))?;
        }
    }
    for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
        clap_complete::generate_to(shell, &mut whole(), "plakar", directory)?;
    }
    Ok(())
}
