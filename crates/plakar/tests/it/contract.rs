//! Lines that scripts of upstream's users depend on: the same words give the same bytes and codes.
//!
//! The store is one that upstream 1.1.4 wrote; what is expected was printed by upstream, unless
//! `docs/differences.md` lists the difference.

use crate::support::{Home, Ran, with_upstream_store};

const SECOND: &str = "2026-11-23T00:24:14Z   d64d65ac    12 MiB        1s /srv/data";
const FIRST: &str = "2026-11-23T00:24:05Z   845a071a    12 MiB        1s /srv/data";

fn lines(words: &[&str]) -> String {
    words.iter().map(|line| format!("{line}\n")).collect()
}

#[track_caller]
fn at_plain(home: &Home, words: &[&str]) -> Ran {
    home.run(["at", "plain"].iter().chain(words))
}

#[test]
fn listings_of_the_store() {
    let home = with_upstream_store();
    let both = lines(&[SECOND, FIRST]);
    let (second, first) = (lines(&[SECOND]), lines(&[FIRST]));
    let tagged = format!("{SECOND} tags=second\n{FIRST} tags=first,golden\n");
    let full = "d64d65ac236a5f8d60cb626d07d1b3e54bf0f50feb8dcdac8b6bc04aa4fe6a79";
    let full = format!("2026-11-23T00:24:14Z {full}    12 MiB        1s /srv/data tags=second\n");
    for (words, out) in [
        (&["ls"][..], both.as_str()),
        (&["ls", "-recursive"], &both),
        (&["ls", "-latest=false"], &both),
        (&["ls", "-root", "/srv/data"], &both),
        (&["ls", "-root=/srv/data,/nowhere"], &both),
        (&["ls", "-root", "/srv/data", "-root", "/nowhere"], ""),
        (&["ls", "-type", "fs", "-origin", "fixture-host"], &both),
        (&["ls", "-since", "2026-11-23"], &both),
        (&["ls", "-since", "2026-11-23 00:24:06"], &second),
        (&["ls", "-before", "2026-11-23T00:24:05.9Z"], &first),
        (&["ls", "-before", "2026/11/23"], ""),
        (&["ls", "-tags"], &tagged),
        (&["ls", "-latest"], &second),
        (&["ls", "-latest", "-tag", "first"], &first),
        (&["ls", "-tag", "first", "-tag", "golden"], &first),
        (&["ls", "-tag", "first,golden"], &first),
        (&["ls", "-tag", "first,second"], ""),
        (&["ls", "-tag", "!first"], &second),
        (&["ls", "-name", "nightly"], &second),
        (&["ls", "-name", "night"], ""),
        (&["ls", "-category", "x"], ""),
        (&["ls", "-per-day", "1"], &second),
        (&["ls", "-per-minute", "2"], &both),
        (&["ls", "-group-by", "tag", "-per-year", "1"], &both),
        (&["ls", "--uuid", "-tags", "-name=nightly"], &full),
    ] {
        let ran = at_plain(&home, words);
        assert_eq!((ran.code, ran.err.as_str(), ran.out.as_str()), (0, "", out), "{words:?}");
    }
}

#[test]
fn listings_and_contents_of_a_snapshot() {
    let home = with_upstream_store();
    let file = "2023-11-14T22:30:02Z -rw-r--r--     root     root      4 B new-file\n";
    let whole = "2023-11-14T22:30:02Z -rw-r--r--     root     root      4 B /srv/data/added/new-file\n";
    let names = "2023-11-14T22:13:29Z -rw-r--r--     root     root      4 B space and?tab\n\
                 2023-11-14T22:13:28Z -rw-r--r--     root     root      4 B été 日本語 🚀.txt\n";
    let sums = "SHA256 (/srv/data/added/new-file) = 7aa7a5359173d05b63cfd682e3c38487f3cb4f7f1d60659fe59fab1505977d4c\n\
                SHA256 (/srv/data/text.txt) = 426d76a1ca5acc18023d9d7928189930d1abeabfd60c04e77fd3ebb842a67f3b\n";
    let unified = "--- d64d65ac:/srv/data/text.txt\n+++ 845a071a:/srv/data/text.txt\n@@ -398,4 +398,3 @@\n \
                   line 397: the quick brown fox 157609\n line 398: the quick brown fox 158404\n \
                   line 399: the quick brown fox 159201\n-line 400: the quick brown fox 160000\n";
    let found = "d64d65ac:/srv/data/text.txt\n845a071a:/srv/data/text.txt\n";
    for (words, out) in [
        (&["ls", "d64d:added"][..], file),
        (&["ls", "d64d:added/"], file),
        (&["ls", "d64d:/srv/data/../data//added"], file),
        (&["ls", "d64d:added/new-file"], file),
        (&["ls", "-recursive", "d64d:added"], whole),
        (&["ls", "d64d:added", "-recursive"], whole),
        (&["ls", "d64d:unicode"], names),
        (&["cat", "d64d:added/new-file", "d64d:/srv/data/added/new-file"], "new\nnew\n"),
        (&["cat", "d64d:link-relative"], ""),
        (&["digest", "d64d:added", "d64d:text.txt"], sums),
        (&["diff", "d64d:text.txt", "845a:text.txt"], unified),
        (&["diff", "d64d:many/0", "845a:many/0"], ""),
        (&["diff", "d64d:empty", "845a:empty"], ""),
        (&["locate", "text.*"], found),
        (&["locate", "-snapshot", "d64d", "tex[st].tx?"], "d64d65ac:/srv/data/text.txt\n"),
        (&["locate", "-name", "nightly", "new-file"], "d64d65ac:/srv/data/added/new-file\n"),
        (&["locate", "nosuch"], ""),
        (&["locate"], ""),
        (&["info", "-errors", "d64d"], ""),
    ] {
        let ran = at_plain(&home, words);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{words:?}: {ran:?}");
        // A long file: its beginning is enough.
        if words.get(1) == Some(&"d64d:link-relative") {
            assert!(ran.out.starts_with("line 0: the quick brown fox"), "{words:?}: {ran:?}");
        } else {
            assert_eq!(ran.out, out, "{words:?}");
        }
    }
    let flat = at_plain(&home, &["diff", "d64d", "845a"]).ok();
    assert!(flat.starts_with("Only in d64d65ac:/srv/data: added\nCommon subdirectories: deep and deep\n"));
    let deep = at_plain(&home, &["diff", "-recursive", "d64d", "845a"]).ok();
    let binary = "Binary files d64d65ac:/srv/data/big.bin and 845a071a:/srv/data/big.bin differ\n";
    assert!(deep.contains(binary) && deep.ends_with(unified), "{deep}");
}

#[test]
fn plans_of_removal() {
    let home = with_upstream_store();
    let head = "would remove these 1 snapshot(s), run with -apply to proceed";
    let keep = String::from(
        "prune: would keep 1 and delete 1 snapshot(s), run with -apply to proceed\n\
         keep     2026-11-23T00:24:14Z   d64d65ac    12 MiB /srv/data tags=second        \
         match=day:2026-11-23 rank=1 cap=1\n\
         delete   2026-11-23T00:24:05Z   845a071a    12 MiB /srv/data tags=first,golden  \
         reason=outside retention windows\n",
    );
    let only = "prune: would keep 1 and delete 0 snapshot(s), run with -apply to proceed\n\
                keep     2026-11-23T00:24:14Z   d64d65ac    12 MiB /srv/data tags=second  reason=matched filters\n";
    for (words, out) in [
        (&["rm", "d64d"][..], format!("rm: {head}\n{SECOND} tags=second\n")),
        (&["rm", "-tag", "golden"], format!("rm: {head}\n{FIRST} tags=first,golden\n")),
        (&["rm", "-tag", "nosuch"], "info: rm: no snapshots matched the selection\n".to_owned()),
        (&["prune", "-per-day", "1"], keep),
        (&["prune", "-name", "nightly"], only.to_owned()),
        (&["ls"], lines(&[SECOND, FIRST])),
        (&["rm", "-apply", "d64d"], "info: rm: removal of d64d65ac completed successfully\n".to_owned()),
        (&["ls"], lines(&[FIRST])),
        (
            &["prune", "-apply", "-per-day=0", "-minutes=1"],
            "info: prune: removal of 845a071a completed successfully\n".to_owned(),
        ),
        (&["ls"], String::new()),
    ] {
        let ran = at_plain(&home, words);
        assert_eq!((ran.code, ran.err.as_str(), ran.out.as_str()), (0, "", out.as_str()), "{words:?}");
    }
}

#[test]
fn descriptions_of_store_and_snapshot() {
    let home = with_upstream_store();
    let store = at_plain(&home, &["info"]).ok();
    let titles: Vec<&str> = store.lines().filter_map(|line| line.strip_suffix(':')).collect();
    assert_eq!(titles, ["Packfile", "Chunking", "Hashing", "Compression"]);
    let start = "Version: 1.0.0\nTimestamp: 2026-11-23T00:23:59.611626233Z\n\
                 RepositoryID: f2b0b45f-0d3c-41d3-b711-e6c840d0aac7\n";
    let end = "Snapshots: 2\nStorage size: 6.2 MiB (6496142 bytes)\nLogical size: 24 MiB (25529348 bytes)\n";
    assert!(store.starts_with(start) && store.ends_with(end), "{store}");
    let snapshot = at_plain(&home, &["info", "d64d"]).ok();
    let keys: Vec<&str> = snapshot.lines().filter_map(|line| line.split(':').next()).collect();
    let context = [
        " - MachineID",
        " - Hostname",
        " - Username",
        " - OperatingSystem",
        " - Architecture",
        " - NumCPU",
        " - GOMAXPROCS",
        " - ProcessID",
        " - Client",
        " - CommandLine",
    ];
    let at = keys.iter().position(|key| *key == "Context").unwrap();
    assert_eq!(keys[at + 1..at + 11], context);
    assert_eq!(keys[at + 11], "Summary");
    assert_eq!(
        keys[..9],
        [
            "Version",
            "SnapshotID",
            "Timestamp",
            "Duration",
            "Name",
            "Environment",
            "Perimeter",
            "Category",
            "Tags"
        ]
    );
    assert!(snapshot.contains(" - Size: 12 MiB (12764687 bytes)\n") && snapshot.ends_with(" - Errors: 0\n"));
}

#[test]
fn quiet_and_silent_leave_what_is_asked_for() {
    let home = with_upstream_store();
    for (flag, ends) in [("-quiet", "d64d65ac: check completed without errors in "), ("-silent", "")] {
        let ran = home.run([flag, "at", "plain", "check", "-latest"]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
        assert!(ran.out.starts_with(ends) && !ran.out.contains("OK ✓"), "{flag}: {ran:?}");
        assert_eq!(ran.out.lines().count(), usize::from(flag == "-quiet"), "{ran:?}");
        assert_eq!(home.run([flag, "at", "plain", "ls", "-latest"]).ok(), lines(&[SECOND]));
        assert_eq!(home.run([flag, "at", "plain", "cat", "d64d:added/new-file"]).ok(), "new\n");
    }
    let plain = home.run(["-stdio", "at", "plain", "check", "d64d:added"]).ok();
    assert!(
        plain.starts_with("d64d65ac: OK ✓ /srv/data/added") && plain.contains("check completed"),
        "{plain}"
    );
}

#[test]
fn restored_paths_land_where_upstream_puts_them() {
    let home = with_upstream_store();
    let listed = |folder: &str| {
        let mut names: Vec<String> = std::fs::read_dir(home.path(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names.join(" ")
    };
    for (argument, folder, expected) in [
        ("d64d:added", "a", "new-file"),
        ("d64d:added/", "b", "new-file"),
        ("d64d:/srv/data/added", "c", "new-file"),
        ("d64d:text.txt", "d", "text.txt"),
        ("d64d:link-relative", "e", "text.txt"),
        ("d64d:/", "f", "srv"),
    ] {
        at_plain(&home, &["restore", "-to", folder, argument]).ok();
        assert_eq!(listed(folder), expected, "{argument}");
    }
    at_plain(&home, &["restore", "-to", "g", "-tag", "first"]).ok();
    assert!(home.path("g/text.txt").exists() && !home.path("g/added").exists());
    at_plain(&home, &["restore", "-to", "no/such", "d64d:added"]).fails(1);
}
