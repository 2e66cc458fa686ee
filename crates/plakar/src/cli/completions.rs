//! Shell completions: clap's, with flags as users type them, with `at LOCATION` understood, and with the names of
//! the configuration.

use std::io;

use clap_complete::Shell;

use crate::cli::manual;
use crate::commands;

/// What is added to each script.
const BASH_NAMES: &str = include_str!("completions/names.bash");
const FISH_NAMES: &str = include_str!("completions/names.fish");
const ZSH_NAMES: &str = include_str!("completions/names.zsh");

/// The shells, with the file name that each looks for.
pub const SHELLS: [(Shell, &str); 3] =
    [(Shell::Bash, "plakar.bash"), (Shell::Fish, "plakar.fish"), (Shell::Zsh, "_plakar")];

/// Zsh: the words `at LOCATION` are taken out before the command is looked for.
const ZSH_AT: &str = "    local context curcontext=\"$curcontext\" state line
    integer at=${words[(i)at]}
    if (( at > 1 && at + 1 < CURRENT )); then
        words[at,at+1]=()
        (( CURRENT -= 2 ))
    fi
";

/// Fish: the same, and flags are turned into what its own parser reads.
const FISH_AT: &str = "    set cmd (string replace -r '^-([a-z][a-z-]*)' -- '--$1' $cmd)
    argparse -s (__fish_plakar_global_optspecs) -- $cmd 2>/dev/null
    or return
    if test (count $argv) -ge 2; and test $argv[1] = at
        set -e argv[1..2]
    end
";

/// The completion script of a shell.
pub fn script(shell: Shell) -> io::Result<String> {
    let mut out = Vec::new();
    let mut whole = manual::whole();
    // Left out of lists, but its parts are worth completing.
    if let Some(diag) = commands::find("diag") {
        whole = whole.subcommand((diag.definition)());
    }
    clap_complete::generate(shell, &mut whole, "plakar", &mut out);
    let text = String::from_utf8(out).map_err(io::Error::other)?;
    match shell {
        Shell::Zsh => {
            let text = single_dashes(&text);
            // Short flags are never grouped: with `-s`, zsh would take `-to` for `-t -o`.
            let text = replaced(&text, "=(-s -S -C)", "=(-S -C)")?;
            let text = replaced(&text, "=(-s -C)", "=(-C)")?;
            let start = "    local context curcontext=\"$curcontext\" state line\n";
            replaced(&text, start, &format!("{ZSH_NAMES}{ZSH_AT}"))
        }
        Shell::Fish => {
            let old_style = text.lines().map(|line| match line.strip_prefix("complete ") {
                Some(rest) => format!("complete {}\n", rest.replacen(" -l ", " -o ", 1)),
                None => format!("{line}\n"),
            });
            let text: String = old_style.collect();
            let parse =
                "    argparse -s (__fish_plakar_global_optspecs) -- $cmd 2>/dev/null\n    or return\n";
            replaced(&text, parse, FISH_AT).map(|text| format!("{text}\n{FISH_NAMES}"))
        }
        _ => {
            let text =
                single_dashes(&text).replace("complete -F _plakar ", "complete -F _plakar_with_names ");
            let end = "\nif [[ \"${BASH_VERSINFO[0]}\" -eq 4 &&";
            replaced(&text, end, &format!("{BASH_NAMES}{end}"))
        }
    }
}

/// `--name` becomes `-name`; a lone `--` stays.
fn single_dashes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("--") {
        out.push_str(before);
        let is_flag = after.starts_with(|c: char| c.is_ascii_lowercase());
        out.push_str(if is_flag { "-" } else { "--" });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A script in which `from` does not stand has changed its shape: the edit would be lost in silence.
fn replaced(text: &str, from: &str, to: &str) -> io::Result<String> {
    if text.contains(from) {
        Ok(text.replacen(from, to, 1))
    } else {
        Err(io::Error::other(format!("the completion script no longer contains {from:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flags_lose_a_dash() {
        assert_eq!(single_dashes("compgen -W \"--to --o\" -- \"$cur\""), "compgen -W \"-to -o\" -- \"$cur\"");
        assert_eq!(single_dashes("--"), "--");
    }

    #[test]
    fn every_shell_has_a_script_with_single_dashes() {
        for (shell, name) in SHELLS {
            let text = script(shell).unwrap();
            assert!(text.contains("keyfile"), "{name}");
            assert!(!text.contains("--keyfile") && !text.contains("-l keyfile"), "{name}");
        }
    }
}
