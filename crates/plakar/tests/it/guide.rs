//! `docs/adding-a-connector.md`, word by word: its files are written, its commands are run, and what
//! it says they print is what they print.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Home, Ran, ran};

/// A fenced block: its language, the words before it, and its text.
struct Block {
    language: String,
    before: String,
    text: String,
}

fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut before = String::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            before.push_str(line);
            before.push('\n');
            continue;
        };
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let (language, before) = (language.to_owned(), std::mem::take(&mut before));
        blocks.push(Block { language, before, text: text.join("\n") + "\n" });
    }
    blocks
}

/// The file that the words before a block name last: "… `src/main.rs`:".
fn file_name(before: &str) -> Option<&str> {
    before.trim_end().strip_suffix("`:")?.rsplit('`').next()
}

/// Commands and what they are said to print.
fn commands(text: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
            (None, Some((_, printed))) => printed.push(line.to_owned()),
            (None, None) => panic!("a block of commands begins with one: {line}"),
        }
    }
    commands
}

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Runs a line of the guide in its folder.
fn shell(home: &Home, folder: &Path, line: &str) -> Ran {
    let programs = Path::new(env!("CARGO_BIN_EXE_plakar")).parent().unwrap();
    let inherited = std::env::var("PATH").unwrap();
    let user = PathBuf::from(std::env::var("HOME").unwrap());
    let kept = |name: &str, default: &str| std::env::var(name).map_or(user.join(default), PathBuf::from);
    let mut command = Command::new("bash");
    command
        .args(["-euc", line])
        .current_dir(folder)
        .env("PATH", format!("{}:{inherited}", programs.display()))
        .env("HOME", home.path(""))
        .env("CARGO_HOME", kept("CARGO_HOME", ".cargo"))
        .env("RUSTUP_HOME", kept("RUSTUP_HOME", ".rustup"))
        .env("CARGO_NET_OFFLINE", "true")
        .env("PLAKAR", checkout())
        .stdin(std::process::Stdio::null());
    for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "RUSTFLAGS", "XDG_DATA_HOME", "XDG_CACHE_HOME"]
    {
        command.env_remove(name);
    }
    ran(command.output().unwrap())
}

/// Whether a line was printed; `…` stands for anything.
fn says(line: &str, said: &str) -> bool {
    match said.split_once('…') {
        None => line == said,
        Some((begin, end)) => {
            line.len() >= begin.len() + end.len() && line.starts_with(begin) && line.ends_with(end)
        }
    }
}

/// Builds with what this test was built with: everything but the guide's own program is there already.
fn share_build(folder: &Path) {
    let profile = Path::new(env!("CARGO_BIN_EXE_plakar")).parent().unwrap();
    std::os::unix::fs::symlink(profile.parent().unwrap(), folder.join("target")).unwrap();
    let settings = std::fs::read_to_string(checkout().join("Cargo.toml")).unwrap();
    let at = settings.find("[profile.dev]").unwrap();
    let end = settings[at..].find("[profile.release]").unwrap();
    let above = folder.parent().unwrap().join(".cargo");
    std::fs::create_dir(&above).unwrap();
    std::fs::write(above.join("config.toml"), &settings[at..at + end]).unwrap();
}

#[test]
fn the_guide_leads_from_an_empty_folder_to_a_package_in_use() {
    let document = std::fs::read_to_string(checkout().join("docs/adding-a-connector.md")).unwrap();
    let begin = document.find("\n## As a package, in Rust\n").unwrap();
    let end = document.find("\n## As a package, in another language\n").unwrap();
    let home = Home::new();
    let folder = home.path("work/notes");
    std::fs::create_dir_all(&folder).unwrap();
    share_build(&folder);
    let (mut files, mut run) = (0, 0);
    for block in blocks(&document[begin..end]) {
        if block.language == "console" {
            for (line, printed) in commands(&block.text) {
                let line = line.replace(
                    "_linux_amd64",
                    &format!("_{}_{}", std::env::consts::OS, crate::packages::arch()),
                );
                let out = shell(&home, &folder, &line);
                assert_eq!(out.code, 0, "{line}: {out:?}");
                for said in &printed {
                    let said = said.replace(
                        "_linux_amd64",
                        &format!("_{}_{}", std::env::consts::OS, crate::packages::arch()),
                    );
                    assert!(
                        out.out.lines().any(|line| says(line, &said)),
                        "{line} does not print {said}: {out:?}"
                    );
                }
                run += 1;
            }
        } else if let Some(name) = file_name(&block.before).filter(|name| *name != "recipe.yaml") {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &block.text).unwrap();
            files += 1;
        }
    }
    assert_eq!((files, run), (2, 19), "files and commands of the guide");
}
