//! Sync between stores: words, lines, passphrases and exit codes.

use std::fs;

use crate::support::Home;

fn backed_up(home: &Home) -> String {
    let out = home.run(["-quiet", "at", "store", "backup", "data"]).ok();
    out[..8].to_owned()
}

#[test]
fn snapshots_go_to_from_and_with_another_store() {
    let home = Home::with_store_and_data();
    let first = backed_up(&home);
    home.run(["at", "other", "create", "-plaintext"]).ok();
    let out = home.run(["at", "store", "sync", "to", "other"]).ok();
    assert!(out.contains(&format!("info: Synchronizing snapshot {first}")), "{out}");
    assert!(out.contains(&format!("{first}: OK ✓ /\n")), "{out}");
    assert!(out.contains(" completed: 1 snapshots synchronized\n"), "{out}");
    let listed = home.run(["at", "store", "ls", "-uuid"]).ok();
    assert_eq!(listed, home.run(["at", "other", "ls", "-uuid"]).ok());
    home.run(["at", "other", "check"]).ok();
    assert_eq!(home.run(["at", "other", "cat", &format!("{first}:readme.txt")]).ok(), "hello\n");

    fs::write(home.path("data/new"), "new").unwrap();
    let second = backed_up(&home);
    let out = home.run(["at", "other", "sync", &second, "from", "store"]).ok();
    assert!(out.contains(" completed: 1 snapshots synchronized\n"), "{out}");
    let out = home.run(["at", "other", "sync", "with", "store"]).ok();
    assert_eq!(out.matches("completed: 0 snapshots synchronized\n").count(), 2, "{out}");
    let out = home.run(["at", "store", "sync", "-name", "nobody", "to", "other"]).ok();
    assert!(out.starts_with("info: No matching snapshot found in store fs://"), "{out}");
}

#[test]
fn a_removed_snapshot_comes_back_only_by_its_name() {
    let home = Home::with_store_and_data();
    let id = backed_up(&home);
    home.run(["at", "other", "create", "-plaintext"]).ok();
    home.run(["at", "store", "sync", "to", "other"]).ok();
    home.run(["at", "other", "rm", "-apply", &id]).ok();
    let out = home.run(["at", "store", "sync", "to", "other"]).ok();
    assert!(out.contains("1 snapshots were removed from fs://") && !out.contains("OK"), "{out}");
    home.run(["at", "store", "sync", &id, "to", "other"]).ok();
    assert!(home.run(["at", "other", "ls"]).ok().contains(&id));
    home.run(["at", "other", "check"]).ok();
}

#[test]
fn wrong_words_and_impossible_pairs_are_refused() {
    let home = Home::with_store_and_data();
    backed_up(&home);
    home.run(["at", "store", "sync"]).fails(64);
    home.run(["at", "store", "sync", "onto", "other"]).fails(64);
    home.run(["at", "store", "sync", "to", "nothing-there"]).fails(66);
    assert!(home.run(["at", "store", "sync", "to", "store"]).fails(1).contains("with itself"));
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .args([home.path("store"), home.path("copy")])
        .status()
        .unwrap();
    assert!(copied.success());
    let said = home.run(["at", "store", "sync", "to", "copy"]).fails(1);
    assert!(said.contains("have the same identity") && said.contains("hint: "), "{said}");
}

#[test]
fn the_peer_has_a_passphrase_of_its_own() {
    let home = Home::with_store_and_data();
    let id = backed_up(&home);
    let mine = [("PLAKAR_PASSPHRASE", "the passphrase of the peer")];
    home.run_with(["at", "other", "create", "-weak-passphrase"], &mine).ok();
    home.run(["at", "store", "sync", "to", "other"]).fails(77);
    let wrong = [("PLAKAR_PASSPHRASE", "wrong")];
    home.run_with(["at", "store", "sync", "to", "other"], &wrong).fails(77);
    let peer = [("PLAKAR_PEER_PASSPHRASE", "the passphrase of the peer"), wrong[0]];
    home.run_with(["at", "store", "sync", "to", "other"], &peer).ok();
    assert!(home.run_with(["at", "other", "ls"], &mine).ok().contains(&id));
    let out = home.run_with(["at", "store", "sync", "to", "other"], &mine).ok();
    assert!(out.contains(" completed: 0 snapshots synchronized\n"), "{out}");
}

#[test]
fn a_damaged_snapshot_is_named_and_ends_with_3() {
    let home = Home::with_store_and_data();
    let id = backed_up(&home);
    home.run(["at", "other", "create", "-plaintext"]).ok();
    for bucket in fs::read_dir(home.path("store/packfiles")).unwrap() {
        for packfile in fs::read_dir(bucket.unwrap().path()).unwrap() {
            let path = packfile.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            bytes[16..].iter_mut().for_each(|byte| *byte ^= 1);
            fs::write(&path, bytes).unwrap();
        }
    }
    let said = home.run(["at", "store", "sync", "to", "other"]).fails(3);
    assert!(said.contains(&id), "{said}");
    assert_eq!(home.run(["at", "other", "ls"]).ok(), "");
}
