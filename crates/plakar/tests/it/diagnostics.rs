//! `diag`, `-trace`, `-highlight`, and the words and flags that are accepted without effect.

use std::fs;

use crate::support::Home;

/// A store with one snapshot of `data`, and the snapshot's id.
fn backed_up() -> (Home, String) {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "data"]).ok();
    let line = home.run(["at", "store", "ls", "-uuid"]).ok();
    let id = line.split_whitespace().nth(1).unwrap().to_owned();
    assert_eq!(id.len(), 64);
    (home, id)
}

fn diag(home: &Home, words: &[&str]) -> String {
    let ran = home.run(["at", "store", "diag"].iter().chain(words));
    assert_eq!(ran.err, "", "{words:?}");
    ran.ok()
}

#[test]
fn states_packfiles_and_blobs_lead_to_each_other() {
    let (home, id) = backed_up();
    assert_eq!(diag(&home, &[]), home.run(["at", "store", "info"]).ok());
    let states = diag(&home, &["state"]);
    let state = states.lines().next().unwrap();
    let said = diag(&home, &["state", state]);
    assert!(said.starts_with("Version: 1.1.0\nParent: 0000"), "{said}");
    let header = said.lines().find(|line| line.starts_with(&format!("snapshot {id} packfile="))).unwrap();
    let packfiles = diag(&home, &["packfile"]);
    for packfile in packfiles.lines() {
        assert!(said.contains(&format!("\npackfile {packfile} state={state} at=2")), "{said}");
    }
    assert_eq!(diag(&home, &["blobsearch", &id]), format!("{header}\n"));
    let listed: usize =
        packfiles.lines().map(|packfile| diag(&home, &["packfile", packfile]).lines().count()).sum();
    let told = said.lines().filter(|line| line.contains(" offset=") && !line.starts_with("random ")).count();
    assert!(listed >= told && told > 5, "{listed} {told}");
    let header = diag(&home, &["snapshot", &id[..8]]);
    assert!(header.contains(&format!("\nSnapshotID: {id}\n")), "{header}");
    assert!(header.contains("\n - Index: dirpack btree "), "{header}");
}

#[test]
fn objects_and_their_chunks_can_be_read() {
    let (home, id) = backed_up();
    let entry = diag(&home, &["vfs", &format!("{id}:readme.txt")]);
    let path = home.path("data/readme.txt");
    assert!(
        entry.starts_with(&format!("Version: 1.0.0\nPath: {}\nMode: -rw-r--r--\nSize: 6\n", path.display()))
    );
    let object = entry.lines().find_map(|line| line.strip_prefix("Object: ")).unwrap();
    let said = diag(&home, &["object", object]);
    assert!(said.starts_with(&format!("Object: {object}\nContent: ")), "{said}");
    assert!(said.contains("\nContentType: text/plain") && said.contains(" length=6 entropy="), "{said}");
    let rows = diag(&home, &["dirpack", &id]);
    let docs = rows.lines().find(|line| line.ends_with("/data/docs")).unwrap();
    let object = docs.split(' ').next().unwrap();
    let said = diag(&home, &["object", object]);
    assert!(said.starts_with(&format!("Object: {object}\nContent: ")), "{said}");
    let chunk = said.lines().find_map(|line| line.strip_prefix(" - ")).unwrap();
    let chunk = chunk.split(' ').next().unwrap();
    assert!(diag(&home, &["blob", "chunk", chunk]).contains("a.txt"));
    let top = rows.lines().next().unwrap();
    assert!(top.ends_with(" /"), "{rows}");
}

#[test]
fn entries_are_found_by_content_type() {
    let (home, id) = backed_up();
    fs::write(home.path("data/pixel.gif"), b"GIF89a\x01\0\x01\0\0\0\0;").unwrap();
    home.run(["at", "store", "backup", "-tag", "gif", "data"]).ok();
    let line = home.run(["at", "store", "ls", "-tag", "gif"]).ok();
    let gif = line.split_whitespace().nth(1).unwrap();
    assert!(diag(&home, &["contenttype", gif]).lines().any(|line| line.starts_with("image/gif /")));
    let found = diag(&home, &["search", gif, "image/gif"]);
    assert_eq!(found, format!("{gif}:{}\n", home.path("data/pixel.gif").display()));
    assert_eq!(diag(&home, &["search", gif, "image"]), found);
    assert_eq!(diag(&home, &["search", &id, "image"]), "");
    let below = diag(&home, &["search", &format!("{id}:docs")]);
    assert_eq!(below.lines().count(), 2, "{below}");
}

#[test]
fn diag_says_what_it_cannot_find() {
    let (home, id) = backed_up();
    let unknown = "0".repeat(64);
    for (words, code, text) in [
        (&["object", &unknown][..], 65, "object"),
        (&["object", "12"], 64, "64 hexadecimal digits are wanted, not 12"),
        (&["object"], 64, "an argument is missing"),
        (&["blob", "nosuch", &unknown], 64, "unknown type nosuch"),
        (&["blobsearch", &unknown], 1, "no state tells of a blob of this name"),
        (&["packfile", &unknown], 1, "no state tells of packfile 0000"),
        (&["state", &unknown], 1, "states"),
        (&["vfs", &format!("{id}:nosuch")], 1, "nosuch"),
        (&["snapshot", "zz"], 1, "zz"),
        (&["nosuch"], 64, "usage: plakar diag [snapshot|state|packfile|"),
    ] {
        let ran = home.run(["at", "store", "diag"].iter().chain(words));
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{words:?}: {ran:?}");
        assert!(ran.err.contains(text), "{words:?}: {ran:?}");
    }
    assert_eq!(diag(&home, &["locks"]), "");
    let listed = home.run(["help"]).ok();
    assert!(!listed.contains("\n    diag\n"), "{listed}");
    assert!(home.run(["help", "diag"]).ok().contains("\n    dirpack\n"));
}

#[test]
fn calls_of_the_store_are_traced() {
    let (home, _) = backed_up();
    let out = home.run(["-trace", "repository", "at", "store", "ls"]).ok();
    assert!(out.lines().any(|line| line.starts_with("trace: repository: get CONFIG: ")), "{out}");
    let traced: Vec<&str> = out.lines().filter(|line| line.starts_with("trace: ")).collect();
    assert!(traced.iter().any(|line| line.contains("list states: ")), "{out}");
    for line in &traced {
        assert!(
            line.starts_with("trace: repository: ") && line.contains(" in ") && line.ends_with('s'),
            "{line}"
        );
    }
    assert_eq!(out.lines().count(), traced.len() + 1, "the listing itself stays: {out}");
    let out = home.run(["-trace=snapshot", "at", "store", "check"]).ok();
    assert!(out.contains("trace: snapshot: phase check\n") && !out.contains("trace: repository"), "{out}");
    let out = home.run(["-trace", "server,all", "at", "store", "backup", "data"]).ok();
    assert!(out.contains("trace: repository: put packfiles/") && out.contains("trace: snapshot: "), "{out}");
    assert!(!home.run(["-trace", "cached", "at", "store", "ls"]).ok().contains("trace:"));
    for line in home.run(["-json", "-trace", "all", "at", "store", "check"]).ok().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn texts_are_coloured_on_request_only() {
    let home = Home::with_store_and_data();
    let program = "fn main() {}\n";
    fs::write(home.path("data/main.rs"), program).unwrap();
    home.run(["at", "store", "backup", "-tag", "one", "data"]).ok();
    fs::write(home.path("data/main.rs"), "fn other() {}\n").unwrap();
    assert_eq!(home.run(["at", "store", "cat", ":main.rs"]).ok(), program);
    let coloured = home.run(["at", "store", "cat", "-highlight", ":main.rs", ":readme.txt"]).ok();
    assert!(coloured.contains("\x1b[38;2;") && coloured.contains("hello"), "{coloured}");
    let plain = home.run(["at", "store", "diff", ":main.rs"]).ok();
    assert!(plain.contains("\n-fn main() {}\n+fn other() {}\n") && !plain.contains('\x1b'), "{plain}");
    let coloured = home.run(["at", "store", "diff", "-highlight", ":main.rs"]).ok();
    assert!(coloured.contains("\x1b[38;2;") && coloured.contains("fn other() {}"), "{coloured}");
}

#[test]
fn without_locks_neither_locks_of_others_count_nor_are_own_ones_written() {
    let home = Home::with_store_and_data();
    let lockless = [("PLAKAR_LOCKLESS", "true")];
    let locks = home.path("store/locks");
    fs::write(locks.join("ab".repeat(32)), "not a lock").unwrap();
    home.run(["at", "store", "backup", "data"]).fails(1);
    home.run_with(["at", "store", "backup", "data"], &lockless).ok();
    home.run_with(["at", "store", "maintenance"], &lockless).ok();
    let traced = home.run_with(["-trace", "all", "at", "store", "backup", "data"], &lockless).ok();
    assert!(!traced.contains("locks"), "{traced}");
    assert_eq!(fs::read_dir(locks).unwrap().count(), 1);
}

#[test]
fn what_is_not_available_says_so() {
    let home = Home::new();
    let ran = home.run(["-profile-cpu", "cpu.out", "-profile-mem=mem.out", "version"]);
    assert_eq!(ran.code, 0);
    assert_eq!(
        ran.err,
        "warn: -profile-cpu is not available: no profile is written; `perf record` can make one\n\
         warn: -profile-mem is not available: no profile is written; `perf record` can make one\n"
    );
    assert!(!home.path("cpu.out").exists());
    let ran = home.run(["cached", "-foreground", "-log", "x", "-teardown", "5s"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
    assert!(home.run(["service", "list"]).fails(1).contains("not logged in: use `plakar login` first\n"));
    let token = [("PLAKAR_TOKEN", "secret")];
    let said = home.run_with(["service", "status", "x"], &token).fails(1);
    assert!(said.ends_with(": services of the vendor's cloud are not available in this program\n"), "{said}");
    assert!(home.run(["service"]).fails(64).contains("usage: plakar service [list|add|"));
    assert!(home.run(["service", "nosuch"]).fails(64).contains("usage: plakar service [list|add|"));
}
