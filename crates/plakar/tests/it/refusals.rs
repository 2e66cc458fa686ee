//! Locations in all their forms, and what is refused with which words and code.

use crate::support::{ran, with_upstream_store};

/// The newest snapshot of upstream's store as `ls` prints it.
const LATEST: &str = "2026-11-23T00:24:14Z   d64d65ac    12 MiB        1s /srv/data\n";

#[test]
fn locations_have_many_forms() {
    let home = with_upstream_store();
    home.run(["store", "add", "@one", "location=plain"]).ok();
    home.run(["store", "add", "up", "."]).ok();
    let absolute = home.path("plain").display().to_string();
    for location in [
        "plain",
        "./plain/",
        &absolute,
        "fs:plain",
        &format!("fs://{absolute}"),
        "@one",
        "@one:",
        "@up:plain",
    ] {
        assert_eq!(home.run(["at", location, "ls", "-latest"]).ok(), LATEST, "{location}");
    }
    let mut inside = home.command();
    inside.current_dir(home.path("plain")).args(["at", "", "ls", "-latest"]);
    assert_eq!(ran(inside.output().unwrap()).ok(), LATEST);
    for location in ["data.ptar", "ptar:data.ptar", "ptar://data.ptar"] {
        let out = home.run(["at", location, "ls"]).ok();
        assert_eq!(out, "2026-11-23T00:24:33Z   b3e9da9d    12 MiB        0s /srv/data\n", "{location}");
    }
    for (location, code, text) in [
        ("xyz:/a", 66, "backend 'xyz' does not exist"),
        ("@nosuch", 1, "could not resolve repository: @nosuch"),
        ("@one:sub", 66, "failed to open the repository at fs://"),
        ("nothing.ptar", 66, "failed to open the repository at "),
    ] {
        let ran = home.run(["at", location, "ls"]);
        assert!(ran.err.contains(text), "{location}: {ran:?}");
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{location}");
    }
}

#[test]
fn refusals_have_their_words_on_standard_error() {
    let home = with_upstream_store();
    for (words, code, text) in [
        (&["ls", "0123"][..], 1, "no snapshot has prefix: 0123"),
        (&["ls", ""], 1, "snapshot ID is ambiguous:  (matches 2 snapshots)"),
        (&["ls", "d64d:nosuch"], 1, "file does not exist"),
        (&["ls", "d64d", "845a"], 64, "too many arguments"),
        (&["ls", "-before", " 1h"], 2, "invalid value \" 1h\" for flag -before: "),
        (&["ls", "-days", "x"], 2, "invalid value \"x\" for flag -days: "),
        (&["ls", "-group-by", "x"], 2, "invalid value \"x\" for flag -group-by: "),
        (&["cat"], 64, "at least one parameter is required"),
        (&["cat", "d64d:many"], 1, "error: cat: /srv/data/many: not a regular file\n"),
        (&["cat", "d64d:x"], 1, "error: cat: /srv/data/x: no such file\n"),
        (&["digest"], 64, "at least one parameter is required"),
        (&["digest", "-hashing", "MD5", "d64d"], 1, "unsupported hashing algorithm: MD5"),
        (&["diff", "d64d:many", "845a:text.txt"], 1, "cannot compare a directory with a file"),
        (&["locate", "["], 1, "syntax error in pattern"),
        (&["check", "zz"], 1, "invalid snapshot prefix: zz"),
        (&["check", "0000"], 1, "no snapshot has prefix: 0000"),
        (&["dup"], 64, "at least one parameter is required"),
        (&["dup", "0000"], 1, "no snapshot has prefix: 0000"),
        (&["rm"], 64, "no filter"),
        (&["prune"], 64, "no filter"),
        (&["prune", "-policy", "nosuch"], 1, "policy \"nosuch\" not found"),
        (&["restore", "0000"], 1, "no snapshots found"),
        (&["restore", "d64d", "845a"], 64, "multiple snapshots found"),
        (&["restore", "-to", "@nosuch", "d64d"], 1, "could not resolve exporter: @nosuch"),
        (&["restore", "-to", "x1:/y", "d64d"], 1, "unsupported exporter protocol: x1"),
        (&["backup", "@nosuch"], 1, "could not resolve importer: @nosuch"),
        (&["backup", "x1:/y"], 1, "unsupported importer protocol: x1"),
        (&["backup", "-force-timestamp", "2999-01-01", "."], 1, "forced timestamp cannot be in the future"),
        (&["backup", "-exclude", "x"], 2, "flag provided but not defined: -exclude"),
        (&["sync"], 64, "usage: sync [ID] to|from|with LOCATION"),
        (&["sync", "to", "plain"], 1, "cannot synchronize a store with itself"),
        (&["sync", "for", "plain"], 64, "invalid direction: for, must be to, from or with"),
        (&["archive", "-format", "x", "d64d"], 2, "must be tarball, tar or zip"),
        (&["create", "x"], 64, "too many arguments"),
        (&["create", "-plaintext"], 1, "is not empty"),
        (&["maintenance", "x", "-y"], 64, "-y"),
    ] {
        let ran = home.run(["at", "plain"].iter().chain(words));
        assert!(ran.err.contains(text), "{words:?}: {ran:?}");
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{words:?}");
    }
    let ran = home.run(["-keyfile", "absent", "version"]);
    assert!(ran.err.contains("could not read key file: absent: no such file or directory\n"), "{ran:?}");
    assert_eq!((ran.code, ran.out.as_str()), (64, ""));
    home.run(["at", "data.ptar", "backup", "."]).fails(1);
}
