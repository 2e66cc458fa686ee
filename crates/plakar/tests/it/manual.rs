//! `help`, man pages, completions and the command reference: all from the definitions, all up to date.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Home, ran};

fn files(directory: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        found.insert(name, fs::read_to_string(&path).unwrap());
    }
    found
}

#[test]
fn the_kept_files_are_what_the_generator_makes() {
    let home = Home::new();
    home.run(["gen", "docs"]).ok();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let advice = "run `cargo run -p plakar -- gen docs` in the root of the project";
    for folder in ["man", "completions"] {
        let (made, kept) = (files(&home.path("docs").join(folder)), files(&kept.join(folder)));
        let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&made), names(&kept), "{advice}");
        for (name, text) in &made {
            assert!(kept[name] == *text, "{folder}/{name} differs: {advice}");
        }
    }
    let reference = fs::read_to_string(home.path("docs/commands.md")).unwrap();
    assert!(
        fs::read_to_string(kept.join("commands.md")).unwrap() == reference,
        "commands.md differs: {advice}"
    );
}

#[test]
fn the_generator_removes_pages_of_commands_that_are_gone() {
    let home = Home::new();
    fs::create_dir_all(home.path("docs/man")).unwrap();
    fs::write(home.path("docs/man/plakar-gone.1"), "").unwrap();
    fs::write(home.path("docs/man/README"), "").unwrap();
    home.run(["gen", "docs"]).ok();
    assert!(!home.path("docs/man/plakar-gone.1").exists() && home.path("docs/man/README").exists());
    assert!(home.run(["gen"]).fails(64).contains("usage: plakar gen DIR"));
}

#[test]
fn help_prints_the_page_in_80_columns_on_standard_output() {
    let home = Home::new();
    let ran = home.run(["help", "restore"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    let titles: Vec<&str> =
        ran.out.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')).collect();
    assert_eq!(titles, ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"]);
    assert!(
        ran.out.starts_with("NAME\n    plakar-restore - Restore a snapshot, or a part of one\n\nSYNOPSIS\n")
    );
    assert!(ran.out.contains("\n    -to DEST\n        Where to: "), "{}", ran.out);
    assert!(ran.out.lines().all(|line| line.chars().count() <= 80));
    let whole = home.run(["help"]).ok();
    for part in ["\nCOMMANDS\n", "\nENVIRONMENT\n", "\nEXIT STATUS\n", "\n    restore\n", "(default 15m)"] {
        assert!(whole.contains(part), "{part:?} in {whole}");
    }
    let add = home.run(["help", "store", "add"]).ok();
    assert!(add.contains("\n    plakar store add NAME LOCATION [KEY=VALUE…]\n"), "{add}");
    home.run(["help", "-style", "dark", "ls"]).ok();
}

#[test]
fn help_of_what_does_not_exist_is_1() {
    let home = Home::new();
    let program = env!("CARGO_BIN_EXE_plakar");
    for (words, text) in [
        (&["help", "nosuch"][..], "nosuch"),
        (&["help", "store", "nosuch"], "store nosuch"),
        (&["help", "ls", "nosuch"], "ls nosuch"),
    ] {
        let ran = home.run(words);
        assert_eq!(ran.err, format!("{program}: no manual for: {text}\n"));
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{words:?}");
    }
}

#[test]
fn man_pages_show_flags_as_they_are_typed() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let pages = files(&docs.join("man"));
    assert!(pages.contains_key("plakar-store-add.1") && !pages.contains_key("plakar-gen.1"));
    for (name, text) in &pages {
        assert!(!text.contains("\\fB\\-\\-"), "{name}");
        assert!(text.contains("\n.SH SYNOPSIS\n") && text.contains("\n.SH DESCRIPTION\n"), "{name}");
    }
    let backup = &pages["plakar-backup.1"];
    assert!(backup.contains("\\fB\\-ignore\\-file\\fR \\fIFILE\\fR\n"), "{backup}");
    assert!(pages["plakar.1"].contains("\n.SH EXIT STATUS\n"));
    let reference = fs::read_to_string(docs.join("commands.md")).unwrap();
    assert!(reference.contains("| `-ignore-file FILE` |") && reference.contains("\n### store add\n"));
}

#[test]
fn man_pages_are_clean_roff() {
    if !Path::new("/usr/bin/groff").exists() {
        eprintln!("skipped: no groff here");
        return;
    }
    let man = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man");
    for name in ["plakar.1", "plakar-backup.1", "plakar-store-add.1"] {
        let mut groff = Command::new("/usr/bin/groff");
        groff.args(["-man", "-ww", "-Kutf8", "-Tutf8", "-z"]).arg(man.join(name));
        let found = ran(groff.output().unwrap());
        assert_eq!((found.code, found.err.as_str()), (0, ""), "{name}");
    }
}
