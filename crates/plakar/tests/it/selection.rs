//! Filters of snapshots: every one of them at every command that takes it.

use crate::support::{Home, short_id};

/// Two snapshots that differ in each header field; the ids of the wanted and of the other one.
fn two() -> (Home, String, String) {
    let home = Home::with_store_and_data();
    let fields = |mark: &'static str| {
        ["-name", "-category", "-environment", "-perimeter", "-job"]
            .into_iter()
            .flat_map(move |flag| [flag, mark])
    };
    let backup = |mark, tag, folder| {
        let words = ["-quiet", "at", "store", "backup"].into_iter().chain(fields(mark));
        short_id(&home.run(words.chain(["-tag", tag, folder])).ok())
    };
    let wanted = backup("wanted", "kept,wanted", "data");
    let other = backup("other", "kept", "data/docs");
    (home, wanted, other)
}

/// Each filter with a value that only the wanted snapshot has, with one that both have, with one that none has.
fn filters(home: &Home) -> Vec<[Vec<String>; 3]> {
    let root = home.path("data").canonicalize().unwrap().display().to_string();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let mut all: Vec<_> = ["-name", "-category", "-environment", "-perimeter", "-job"]
        .into_iter()
        .map(|flag| [words(&[flag, "wanted"]), words(&[]), words(&[flag, "nobody"])])
        .collect();
    all.push([words(&["-tag", "wanted"]), words(&["-tag", "kept"]), words(&["-tag", "kept", "-tag", "no"])]);
    all.push([words(&["-tag", "kept,wanted"]), words(&["-tag", "!no"]), words(&["-tag", "!kept"])]);
    all.push([words(&["-root", &root]), words(&["-type", "fs"]), words(&["-type", "sftp"])]);
    all.push([words(&["-root", &format!("/x,{root}")]), words(&["-since", "1h"]), words(&["-before", "1h"])]);
    all.push([
        words(&["-root", &root, "-latest"]),
        words(&["-latest=false", "-tag", "kept"]),
        words(&["-dataset", "no"]),
    ]);
    all.push([words(&["-root", &root]), words(&[]), words(&["-data-class", "no"])]);
    all.push([words(&["-root", &root]), words(&[]), words(&["-origin", "nowhere"])]);
    all
}

/// Ids that a command names, of the two.
fn named<'a>(out: &str, ids: [&'a str; 2]) -> Vec<&'a str> {
    ids.into_iter().filter(|id| out.contains(*id)).collect()
}

#[test]
fn every_filter_works_at_every_command() {
    let (home, wanted, other) = two();
    home.run(["at", "peer", "create", "-plaintext"]).ok();
    let commands: [(&[&str], &[&str]); 5] = [
        (&["ls"], &[]),
        (&["check", "-fast"], &[]),
        (&["locate"], &["a.txt"]),
        (&["rm"], &[]),
        (&["prune"], &[]),
    ];
    for [one, both, none] in filters(&home) {
        for (command, words) in commands {
            for (filter, expected) in
                [(&one, vec![&*wanted]), (&both, vec![&*wanted, &*other]), (&none, vec![])]
            {
                // Without any filter, these two refuse.
                if filter.is_empty() && matches!(command, ["rm" | "prune"]) {
                    continue;
                }
                let line = ["-quiet", "at", "store"].iter().chain(command).map(|word| (*word).to_owned());
                let line =
                    line.chain(filter.iter().cloned()).chain(words.iter().map(|word| (*word).to_owned()));
                let line: Vec<String> = line.collect();
                assert_eq!(named(&home.run(&line).ok(), [&wanted, &other]), expected, "{line:?}");
            }
        }
        let sync = |filter: &[String]| {
            let line = ["at", "store", "sync"].into_iter().map(str::to_owned).chain(filter.iter().cloned());
            home.run(line.chain(["to".to_owned(), "peer".to_owned()])).ok()
        };
        assert!(sync(&none).starts_with("info: No matching snapshot found in store "), "{none:?}");
        sync(&one);
        assert_eq!(named(&home.run(["at", "peer", "ls"]).ok(), [&wanted, &other]), [&*wanted], "{one:?}");
    }
}

#[test]
fn restore_takes_the_newest_that_passes_its_filters() {
    let (home, wanted, _) = two();
    for (number, flag) in
        ["-name", "-category", "-environment", "-perimeter", "-job", "-tag"].iter().enumerate()
    {
        let to = format!("out{number}");
        let out = home.run(["at", "store", "restore", "-to", &to, flag, "wanted"]).ok();
        assert_eq!(short_id(&out), wanted, "{flag}");
        let err = home.run(["at", "store", "restore", "-to", "no", flag, "nobody"]).fails(1);
        assert!(err.contains("no snapshots found"), "{flag}: {err}");
    }
    // Retention and dates are not for it, as in the reference implementation.
    for flag in ["-latest", "-root=/", "-since=1h", "-per-day=1"] {
        home.run(["at", "store", "restore", "-to", "no", flag]).fails(2);
    }
    assert!(!home.path("no").exists());
}
