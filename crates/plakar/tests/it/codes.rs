//! One line per exit code that can be reached on this machine alone.

use std::fs;

use crate::support::Home;

#[test]
fn stores_that_cannot_be_opened() {
    let home = Home::new();
    let err = home.run(["at", "nothing", "ls"]).fails(66);
    assert!(err.contains("failed to open the repository at fs://"), "{err}");
    assert!(
        err.contains("To specify an alternative repository, please use \"plakar at <location> <command>\".")
    );
    home.run(["ls"]).fails(66);
    home.run(["at", "x.ptar", "ls"]).fails(66);
}

#[test]
fn passphrases_come_from_file_entry_command_and_environment() {
    let home = Home::new();
    let create = home.run(["at", "s", "create"]);
    assert!(create.fails(77).contains("on a terminal: "));
    fs::write(home.path("key"), "secret\n").unwrap();
    home.run(["-keyfile", "key", "at", "s", "create"]).ok();
    home.run(["-keyfile", "key", "at", "s", "ls"]).ok();
    home.run_with(["at", "s", "ls"], &[("PLAKAR_PASSPHRASE", "secret")]).ok();
    home.run(["store", "add", "one", "s", "passphrase=secret"]).ok();
    home.run_with(["at", "@one", "ls"], &[("PLAKAR_PASSPHRASE", "wrong: the entry comes first")]).ok();
    home.run(["store", "add", "two", "s", "passphrase_cmd=echo secret"]).ok();
    home.run(["at", "@two", "ls"]).ok();
    home.run_with(["ls"], &[("PLAKAR_REPOSITORY", "@two")]).ok();
    let err = home.run_with(["at", "s", "ls"], &[("PLAKAR_PASSPHRASE", "wrong")]).fails(77);
    assert!(err.contains("failed to unlock repository"), "{err}");
    home.run(["at", "s", "ls"]).fails(77);
    home.run(["-keyfile", "absent", "at", "s", "ls"]).fails(64);
    home.run(["store", "add", "three", "s", "passphrase_cmd=printf 'a\\nb\\n'"]).ok();
    assert!(home.run(["at", "@three", "ls"]).fails(77).contains("passphrase_cmd returned too many lines"));
}

#[test]
fn a_folder_in_use_is_not_made_a_store() {
    let home = Home::with_store_and_data();
    let err = home.run(["at", "data", "create", "-plaintext"]).fails(1);
    assert!(err.contains("is not empty"), "{err}");
    home.run(["at", "store", "create", "-plaintext"]).fails(1);
    home.run(["at", "other", "create", "-plaintext", "-hashing", "MD5"]).fails(1);
    home.run(["at", "deep/er/store", "create", "-plaintext", "-hashing=SHA256", "-no-compression"]).ok();
}

#[test]
fn a_damaged_config_is_65() {
    let home = Home::with_store_and_data();
    let config = home.path("store/CONFIG");
    let mut bytes = fs::read(&config).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let mut permissions = fs::metadata(&config).unwrap().permissions();
    #[allow(clippy::permissions_set_readonly_false)]
    permissions.set_readonly(false);
    fs::set_permissions(&config, permissions).unwrap();
    fs::write(&config, bytes).unwrap();
    home.run(["at", "store", "ls"]).fails(65);
}

#[test]
fn unknown_snapshots_and_paths_are_1() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "data"]).ok();
    home.run(["at", "store", "backup", "data"]).ok();
    for words in [
        &["ls", "zz"][..],
        &["ls", ""],
        &["cat", "zz:readme.txt"],
        &["check", "0000000000000000"],
        &["check", "zz"],
        &["digest", "zz"],
        &["info", "zz"],
        &["rm", "zz"],
        &["restore", "zz"],
        &["restore", "-tag", "nosuch"],
    ] {
        let mut line = vec!["at", "store"];
        line.extend(words);
        home.run(line).fails(1);
    }
    assert!(home.run(["at", "store", "rm"]).fails(64).contains("no filter"));
    assert!(
        home.run(["at", "store", "ls", ""])
            .fails(1)
            .contains("snapshot ID is ambiguous:  (matches 2 snapshots)")
    );
}
