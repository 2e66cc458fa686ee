//! The completion scripts, each in its shell.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Home, ran};

/// A line whose last word is asked for, and some of what must be offered.
type Case = (&'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    ("plakar resto", &["restore"]),
    ("plakar -keyf", &["-keyfile"]),
    ("plakar restore -t", &["-to", "-tag"]),
    ("plakar at /srv/x restore -str", &["-strict"]),
    ("plakar -quiet at @nas backup -ign", &["-ignore", "-ignore-file"]),
    ("plakar store ", &["add", "check", "import", "ping", "rm", "set", "show", "unset"]),
    ("plakar source pi", &["ping"]),
    ("plakar destination sh", &["show"]),
    ("plakar pkg ", &["add", "build", "create", "list", "prefer", "rm"]),
    ("plakar policy un", &["unset"]),
    ("plakar at @nas diag ", &["blob", "blobsearch", "locks", "packfile", "snapshot", "state"]),
    ("plakar at @", &["@nas", "@other"]),
    ("plakar at @n", &["@nas"]),
    ("plakar at @nas backup @", &["@web"]),
    ("plakar at @nas restore -to @b", &["@back"]),
    ("plakar at @nas sync to @o", &["@other"]),
    ("plakar store ping n", &["nas"]),
    ("plakar source rm w", &["web"]),
];

/// Words that must not be offered, whatever else is.
const NEVER: &[&str] = &["--keyfile", "--to", "gen", "cached"];

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/completions").join(name)
}

/// A home with the program in its `PATH` and a configuration.
fn home() -> Home {
    let home = Home::new();
    std::fs::create_dir(home.path("bin")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_plakar"), home.path("bin/plakar")).unwrap();
    for words in [
        ["store", "add", "nas", "/srv/nas"],
        ["store", "add", "other", "/srv/other"],
        ["source", "add", "web", "/srv/web"],
        ["destination", "add", "back", "/srv/back"],
    ] {
        home.run(words).ok();
    }
    home
}

fn shell(home: &Home, name: &str, words: &[&str]) -> Option<Command> {
    if !Command::new(name).arg("-c").arg("true").stderr(Stdio::null()).status().is_ok_and(|ok| ok.success()) {
        eprintln!("skipped: there is no {name}");
        return None;
    }
    let mut command = Command::new(name);
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", home.path("bin").display());
    command.args(words).env_clear().env("PATH", path).env("HOME", home.path("")).current_dir(home.path(""));
    command.env("TERM", "dumb").stdin(Stdio::null());
    Some(command)
}

fn compare(shell: &str, line: &str, wanted: &[&str], offered: &str) {
    let offered: Vec<&str> = offered.lines().map(str::trim).filter(|word| !word.is_empty()).collect();
    for word in wanted {
        assert!(offered.contains(word), "{shell}: {line:?} offers {offered:?}, not {word:?}");
    }
    for word in NEVER {
        assert!(!offered.contains(word), "{shell}: {line:?} offers {word:?}");
    }
    // A beginning that fits nothing else leaves nothing else.
    let last = line.rsplit(' ').next().unwrap();
    assert!(offered.iter().all(|word| word.starts_with(last)), "{shell}: {line:?} offers {offered:?}");
}

#[test]
fn bash_completes_commands_actions_flags_and_names() {
    let home = home();
    // As readline calls it, with `@` as a part of words.
    let ask = "source \"$1\"; COMP_LINE=$2; COMP_POINT=${#COMP_LINE}; \
               read -ra COMP_WORDS <<< \"$COMP_LINE\"; [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=(''); \
               COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); \
               _plakar_with_names plakar \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; \
               printf '%s\\n' \"${COMPREPLY[@]}\"";
    for (line, wanted) in CASES {
        let Some(mut bash) = shell(&home, "bash", &["--norc", "-c", ask, "bash"]) else { return };
        let offered = ran(bash.arg(script("plakar.bash")).arg(line).output().unwrap());
        assert_eq!(offered.err, "", "{line}");
        compare("bash", line, wanted, &offered.out);
    }
}

#[test]
fn fish_completes_commands_actions_flags_and_names() {
    let home = home();
    for (line, wanted) in CASES {
        let ask = "source $argv[1]; complete -C $argv[2]";
        let Some(mut fish) = shell(&home, "fish", &["--no-config", "-c", ask]) else { return };
        let offered = ran(fish.arg(script("plakar.fish")).arg(line).output().unwrap());
        assert_eq!(offered.err, "", "{line}");
        // A word and what it means, with a tab between.
        let words: Vec<&str> = offered.out.lines().map(|line| line.split('\t').next().unwrap()).collect();
        compare("fish", line, wanted, &words.join("\n"));
    }
}

/// Zsh completes on a terminal only: it gets one, with `compadd` telling what it is given.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1= PROMPT2=; unsetopt zle_bracketed_paste 2>/dev/null; stty -echo"
zpty -w z "autoload -Uz compinit && compinit -u -D && source $1"
zpty -w z 'compadd() {
    if [[ " $* " == *" -"[AOD]" "* ]]; then builtin compadd "$@"; return; fi
    local -a hits; builtin compadd -A hits "$@"; print -rl -- $hits >> hits; builtin compadd "$@"
}'
zpty -w z 'done-asking() { zle kill-whole-line; print done >> asked; zle -R }; zle -N done-asking; bindkey "^X" done-asking; setopt no_always_last_prompt no_auto_menu no_list_beep; print ready > ready'
for i in {1..100}; do [[ -s ready ]] && break; sleep 0.05; done
: > hits; : > asked
zpty -w -n z "$2"$'\t\x18'
for i in {1..200}; do [[ -s asked ]] && break; sleep 0.05; done
zpty -d z
cat hits
"#;

#[test]
fn zsh_completes_commands_actions_flags_and_names() {
    let home = home();
    for (line, wanted) in CASES {
        let Some(mut zsh) = shell(&home, "zsh", &["-f", "-c", ZSH, "zsh"]) else { return };
        let _ = std::fs::remove_file(home.path("ready"));
        let offered = ran(zsh.arg(script("_plakar")).arg(line).output().unwrap());
        compare("zsh", line, wanted, &offered.out);
    }
}
