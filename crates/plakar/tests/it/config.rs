//! `store`, `source` and `destination`.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::support::{Home, ran};

#[test]
fn entries_are_added_changed_shown_and_removed() {
    let home = Home::new();
    for kind in ["store", "source", "destination"] {
        let plural = format!("{kind}s");
        home.run([kind, "add", "@mine", "location=sftp://h/p", "passphrase=x=y", "empty="]).ok();
        assert_eq!(
            home.run([kind, "show", "-secrets"]).ok(),
            "mine:\n    empty: \"\"\n    location: sftp://h/p\n    passphrase: x=y\n"
        );
        assert!(home.run([kind, "show", "mine"]).ok().contains("passphrase: '********'"));
        home.run([kind, "set", "mine", "port=22", "empty=full"]).ok();
        home.run([kind, "unset", "mine", "passphrase", "unknown"]).ok();
        assert_eq!(
            home.run([kind, "show", "-json"]).ok(),
            "{\"mine\":{\"empty\":\"full\",\"location\":\"sftp://h/p\",\"port\":\"22\"}}\n"
        );
        assert_eq!(
            home.run([kind, "show", "-ini"]).ok(),
            "[mine]\nempty    = full\nlocation = sftp://h/p\nport     = 22\n"
        );
        let file = fs::read_to_string(home.path(format!(".config/plakar/{plural}.yml"))).unwrap();
        assert!(
            file.starts_with(&format!("version: v1.0.0\n{plural}:\n    mine:\n        empty: full\n")),
            "{file}"
        );
        home.run([kind, "rm", "mine"]).ok();
        assert_eq!(home.run([kind, "show"]).ok(), "");
    }
}

#[test]
fn refusals_say_why() {
    let home = Home::new();
    home.run(["store", "add", "a", "/a"]).ok();
    for (words, code, text) in [
        (&["store", "add", "a", "/b"][..], 1, "store \"a\" already exists"),
        (&["store", "add", "b"], 64, "Usage: plakar store add <name> <location> [<key>=<value>...]"),
        (&["store", "add", "b", "/b", "=x"], 64, "Usage: plakar store add"),
        (&["store", "set", "b", "x=y"], 1, "store \"b\" does not exist"),
        (&["store", "set", "a"], 64, "Usage: plakar store set <name> <key>=<value>..."),
        (&["store", "set", "a", "x"], 64, "usage: plakar store set <name> [<key>=<value>, ...]"),
        (&["store", "unset", "a", "location"], 1, "cannot unset location"),
        (&["store", "rm", "b"], 1, "store \"b\" does not exist"),
        (&["store", "show", "b"], 1, "one or more stores do not exist"),
        (&["source", "ping", "b"], 1, "source \"b\" does not exist"),
        (&["at", "@b", "ls"], 1, "could not resolve repository: @b"),
        (&["at", "nosuch://x", "ls"], 66, "backend 'nosuch' does not exist"),
    ] {
        let err = home.run(words).fails(code);
        assert!(err.contains(text), "{words:?}: {err}");
    }
    assert_eq!(home.run(["store", "show"]).ok(), "a:\n    location: /a\n");
}

#[test]
fn foreign_files_are_imported() {
    let home = Home::new();
    fs::write(home.path("in.ini"), "[a]\nlocation = /a\n[b]\nlocation=/b\n").unwrap();
    home.run(["source", "import", "-config", "in.ini", "a", "b:c"]).ok();
    assert_eq!(home.run(["source", "show"]).ok(), "a:\n    location: /a\nc:\n    location: /b\n");
    let again = home.run(["source", "import", "-config", "in.ini", "a", "x"]);
    assert!(again.err.contains("source \"a\" already exists, skipping"), "{again:?}");
    assert!(again.err.contains("source \"x\" does not exist in config"), "{again:?}");
    assert_eq!(again.code, 0);
    let mut child = home
        .command()
        .args(["destination", "import", "-rclone"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"[drive]\ntype = drive\ntoken = t\n").unwrap();
    ran(child.wait_with_output().unwrap()).ok();
    assert_eq!(
        home.run(["destination", "show"]).ok(),
        "drive:\n    location: rclone://\n    rclone_token: '********'\n    rclone_type: drive\n"
    );
    let err = home.run(["store", "import"]).fails(1);
    assert!(err.contains("failed to load config: missing 'location' key in config data"), "{err}");
}

#[test]
fn directories_come_from_flags_and_variables() {
    let home = Home::new();
    home.run(["-configdir", "c", "store", "add", "a", "/a"]).ok();
    assert!(home.path("c/stores.yml").exists());
    home.run_with(["store", "add", "b", "/b"], &[("XDG_CONFIG_HOME", home.path("x").to_str().unwrap())]).ok();
    assert!(home.path("x/plakar/stores.yml").exists());
    let old = home.run(["-config", "c", "store", "show"]);
    assert_eq!(old.err, "Option -config is deprecated, please use -configdir instead\n");
    assert_eq!(old.out, "a:\n    location: /a\n");
}

#[test]
fn a_damaged_configuration_is_named() {
    let home = Home::new();
    fs::create_dir_all(home.path(".config/plakar")).unwrap();
    fs::write(home.path(".config/plakar/stores.yml"), "a: [").unwrap();
    let err = home.run(["store", "show"]).fails(1);
    assert!(err.contains("could not load configuration: failed to parse config file: "), "{err}");
    assert!(err.contains("stores.yml"), "{err}");
}
