//! Mistakes that people make on the first day, and the cure that each message names.

use crate::support::Home;

const PASSPHRASE: (&str, &str) = ("PLAKAR_PASSPHRASE", "correct horse battery staple 9");

#[test]
fn a_wrong_passphrase_is_told_with_the_place_it_came_from() {
    let home = Home::new();
    home.run_with(["at", "safe", "create"], &[PASSPHRASE]).ok();
    std::fs::write(home.path("key"), "wrong\n").unwrap();
    let err = home.run(["-keyfile", "key", "at", "safe", "ls"]).fails(77);
    let hint = "hint: the passphrase from -keyfile key is not that of this store\n";
    assert!(err.contains("failed to unlock repository\n") && err.ends_with(hint), "{err}");
    let err = home.run_with(["at", "safe", "ls"], &[("PLAKAR_PASSPHRASE", "x")]).fails(77);
    assert!(err.contains("hint: the passphrase from $PLAKAR_PASSPHRASE is not"), "{err}");
    home.run(["store", "add", "s", &home.path("safe").display().to_string(), "passphrase=y"]).ok();
    let err = home.run_with(["at", "@s", "ls"], &[PASSPHRASE]).fails(77);
    assert!(err.contains("hint: the passphrase from the configuration of the store is not"), "{err}");
}

#[test]
fn a_missing_passphrase_is_told_with_the_ways_to_give_it() {
    let home = Home::new();
    home.run_with(["at", "safe", "create"], &[PASSPHRASE]).ok();
    std::fs::write(home.path("empty"), "\n").unwrap();
    let mut command = std::process::Command::new("setsid");
    command.args(["-w", env!("CARGO_BIN_EXE_plakar"), "-keyfile", "empty", "at", "safe", "ls"]);
    command.env_clear().env("HOME", home.path("")).current_dir(home.path(""));
    let err = crate::support::ran(command.stdin(std::process::Stdio::null()).output().unwrap()).fails(77);
    assert!(
        err.starts_with("warn: -keyfile empty: the file is empty, which counts as no passphrase\n"),
        "{err}"
    );
    assert!(err.ends_with("hint: -keyfile FILE or $PLAKAR_PASSPHRASE give it without a terminal\n"), "{err}");
    // An empty one is no obstacle for the other places.
    home.run_with(["-keyfile", "empty", "at", "safe", "ls"], &[PASSPHRASE]).ok();
}

#[test]
fn a_place_without_a_store_and_one_with_a_store_are_told_apart() {
    let home = Home::with_store_and_data();
    let err = home.run(["at", "nothing", "ls"]).fails(66);
    assert!(err.ends_with("hint: `plakar at LOCATION create` makes a store\n"), "{err}");
    let err = home.run(["at", "store", "create", "-plaintext"]).fails(1);
    assert!(err.contains("is not empty\nhint: a new store wants a folder that is empty"), "{err}");
    // Before a passphrase is asked for, which fails here.
    let err = home.run(["at", "store", "create"]).fails(1);
    assert!(err.contains(": a store is there already: fs://"), "{err}");
}

#[test]
fn a_name_without_its_sign_is_recognised() {
    let home = Home::with_store_and_data();
    home.run(["store", "add", "nas", "store"]).ok();
    let err = home.run(["at", "nas", "ls"]).fails(66);
    assert!(err.contains("hint: the configuration has a store of that name: @nas\n"), "{err}");
}

#[test]
fn words_of_other_programs_are_answered_with_ours() {
    let home = Home::new();
    let err = home.run(["init"]).fails(64);
    assert!(
        err.ends_with(": command not found: init\nhint: here it is `create`: see `plakar help create`\n"),
        "{err}"
    );
    assert!(home.run(["bakup"]).fails(64).ends_with("hint: `plakar help` lists the commands\n"));
    let err = home.run(["--version"]).fails(2);
    assert!(err.ends_with("hint: `plakar version` is a command, without a dash\n"), "{err}");
}

#[test]
fn nothing_that_was_said_is_dropped_in_silence() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "-tag", "a,b", "-tag", "c", "data"]).ok();
    let out = home.run(["at", "store", "ls", "-tags"]).ok();
    assert!(out.ends_with(" tags=a,b,c\n"), "{out}");
    let mut command = home.command();
    let bad: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(b"st\xff".to_vec());
    command.env("PLAKAR_REPOSITORY", bad).arg("ls");
    let err = crate::support::ran(command.output().unwrap()).fails(64);
    assert!(err.ends_with(": $PLAKAR_REPOSITORY must be valid UTF-8\n"), "{err}");
    let err = home.run(["ptar", "-plaintext", "-o", "data/readme.txt", "data"]).fails(1);
    assert!(err.ends_with(": file exists\nhint: -overwrite replaces it\n"), "{err}");
}

#[test]
fn a_destination_is_never_taken_from_a_variable_that_was_not_set() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "data"]).ok();
    let out = home.run(["at", "store", "restore", "-to", "", ":readme.txt"]).ok();
    assert!(!home.path("readme.txt").exists(), "{out}");
    let (_, name) = out.split_once("\ninfo: restored to ./").unwrap();
    assert!(home.path(name.trim_end()).join("readme.txt").is_file(), "{out}");
    let err = home.run(["at", "store", "restore", "-to", "not/there"]).fails(1);
    assert!(err.ends_with("hint: the folder above the destination must be there\n"), "{err}");
    let err = home.run(["at", "store", "restore", ":docs", "out"]).fails(64);
    assert!(err.contains("`-to DESTINATION` says where to\n"), "{err}");
}

#[test]
fn no_name_ends_a_line() {
    let home = Home::with_store_and_data();
    std::fs::write(home.path("data/x\ninfo: y"), "z").unwrap();
    let out = home.run(["at", "store", "backup", "data"]).ok();
    assert!(out.contains("/data/x?info: y\n"), "{out}");
    let out = home.run(["at", "store", "check"]).ok();
    assert!(out.contains("/data/x?info: y\n"), "{out}");
}
