//! Standard input and archives as sources, standard output as a destination.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::{Home, Ran, ran};

fn with_input(home: &Home, words: &[&str], input: &[u8]) -> Ran {
    let mut child = home
        .command()
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    ran(child.wait_with_output().unwrap())
}

#[test]
fn standard_input_becomes_one_file_and_goes_to_standard_output() {
    let home = Home::with_store_and_data();
    let content: Vec<u8> = (0..3_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 9) as u8).collect();
    let out = with_input(&home, &["at", "store", "backup", "stdin:/dumps/db.sql"], &content).ok();
    let id = &out[..8];
    assert_eq!(out.lines().filter(|line| line.contains("OK ✓")).count(), 3, "{out}");
    assert!(out.contains("OK ✓ /dumps/db.sql\n") && out.contains("backup completed without errors"), "{out}");
    let ls = home.run(["at", "store", "ls", &format!("{id}:/dumps")]).ok();
    assert!(ls.contains(" -rw------- ") && ls.ends_with(" 2.9 MiB db.sql\n"), "{ls}");
    assert!(home.run(["at", "store", "info", id]).ok().contains("Type: stdin\n"));

    let restore = home
        .command()
        .args(["-time", "at", "store", "restore", "-to", "stdout:"])
        .arg(format!("{id}:/dumps/db.sql"))
        .output()
        .unwrap();
    assert!(restore.stdout == content, "nothing but the content is on standard output");
    let said = ran(restore);
    assert_eq!(said.code, 0);
    assert!(said.err.contains(&format!("{id}: OK ✓ /dumps/db.sql\n{id}: restore completed")), "{}", said.err);
    assert!(said.err.contains("\ntime: "), "{}", said.err);
    let quiet = home.run(["-quiet", "at", "store", "restore", "-to", "stdout:", &format!("{id}:/dumps")]);
    assert_eq!(quiet.out, "");
    assert!(quiet.fails(1).contains("/dumps: not a regular file, standard output takes one"));
    assert_eq!(home.run(["at", "store", "restore", "-to", "stdout:", &format!("{id}:/no")]).out, "");
}

#[test]
fn standard_error_takes_one_file_too() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "data"]).ok();
    let ran = home.run(["at", "store", "restore", "-to", "stderr:", ":readme.txt"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, "hello\n"), "{ran:?}");
    assert!(ran.out.contains("OK ✓ /") && ran.out.contains("restore completed"), "{ran:?}");
    let err = home.run(["at", "store", "restore", "-to", "stderr:", ":docs"]).fails(1);
    assert!(err.contains("docs: not a regular file, standard error takes one"), "{err}");
    home.run(["destination", "add", "err", "stderr:"]).ok();
    assert_eq!(home.run(["at", "store", "restore", "-to", "@err", ":readme.txt"]).err, "hello\n");
}

#[test]
fn standard_input_has_a_default_name_and_bad_names_are_refused() {
    let home = Home::with_store_and_data();
    let out = with_input(&home, &["at", "store", "backup", "stdin:"], b"").ok();
    assert!(out.contains("OK ✓ /stdin\n"), "{out}");
    assert_eq!(home.run(["at", "store", "cat", &format!("{}:/stdin", &out[..8])]).ok(), "");
    let err = home.run(["at", "store", "backup", "stdin:../x"]).fails(1);
    assert!(err.contains("the name of the file must not contain `..`"), "{err}");
    let two = home.run(["at", "store", "backup", "stdin:a", "data"]).fails(1);
    assert!(two.contains("multi-source backup not supported yet"), "{two}");
    let err = ran(home
        .command()
        .args(["at", "store", "backup", "stdin:"])
        .stdin(fs::File::open("/").unwrap())
        .output()
        .unwrap())
    .fails(1);
    assert!(err.contains("is a directory"), "{err}");
    assert_eq!(home.run(["at", "store", "ls"]).ok().lines().count(), 1);
    let dry = home.run(["at", "store", "backup", "-dry-run", "stdin:x"]).ok();
    assert!(dry.contains("00000000: OK ✓ /x\n"), "{dry}");
}

#[test]
fn an_archive_is_backed_up_as_what_is_in_it() {
    let home = Home::with_store_and_data();
    fs::hard_link(home.path("data/readme.txt"), home.path("data/docs/second")).unwrap();
    for (kind, file) in [("-cf", "a.tar"), ("-czf", "a.tar.gz")] {
        if Command::new("tar").args([kind, file, "data"]).current_dir(home.path("")).status().is_err() {
            eprintln!("skipped: there is no tar");
            return;
        }
        let out = home.run(["at", "store", "backup", &format!("tar:{file}")]).ok();
        let id = &out[..8];
        assert!(out.contains("OK ✓ /data/docs/a.txt\n"), "{out}");
        home.run(["-quiet", "at", "store", "restore", "-to", "back", &format!("{id}:/data")]).ok();
        assert_eq!(fs::read_to_string(home.path("back/readme.txt")).unwrap(), "hello\n");
        let ino = |path: &str| std::os::unix::fs::MetadataExt::ino(&fs::metadata(home.path(path)).unwrap());
        assert_eq!(ino("back/readme.txt"), ino("back/docs/second"));
        assert_eq!(fs::read_link(home.path("back/link")).unwrap().to_str(), Some("docs/a.txt"));
        fs::remove_dir_all(home.path("back")).unwrap();
        assert!(home.run(["at", "store", "info", id]).ok().contains("Type: tar\n"));
        home.run(["at", "store", "check", id]).ok();
        // The same file again: nothing is read.
        home.run(["at", "store", "backup", &format!("tar:{file}")]).ok();
    }
}

#[test]
fn a_truncated_archive_makes_no_snapshot_unless_a_part_is_wanted() {
    let home = Home::with_store_and_data();
    if Command::new("tar").args(["-cf", "a.tar", "data"]).current_dir(home.path("")).status().is_err() {
        eprintln!("skipped: there is no tar");
        return;
    }
    let whole = fs::read(home.path("a.tar")).unwrap();
    fs::write(home.path("a.tar"), &whole[..3 * 512]).unwrap();
    let err = home.run(["at", "store", "backup", "tar:a.tar"]).fails(1);
    assert!(
        err.contains("a.tar: the archive is truncated") && err.contains("hint: `-o allow_partial=true`"),
        "{err}"
    );
    assert_eq!(home.run(["at", "store", "ls"]).ok(), "");
    let part = home.run(["at", "store", "backup", "-o", "allow_partial=true", "tar:a.tar"]);
    assert!(part.out.contains("OK ✓ /data\n"), "{part:?}");
    let err = part.fails(3);
    assert!(err.contains("the source was lost"), "{err}");
    let err = home.run(["at", "store", "backup", "tar:no.tar"]).fails(1);
    assert!(err.contains("no.tar: no such file or directory"), "{err}");
    home.run(["at", "store", "backup", "tar:"]).fails(1);
}
