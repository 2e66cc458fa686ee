//! A store exported by `server`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use crate::support::Home;

struct Server {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    url: String,
}

fn start(home: &Home, words: &[&str], variables: &[(&str, &str)]) -> Server {
    start_with(home, &[], words, variables)
}

fn start_with(home: &Home, globals: &[&str], words: &[&str], variables: &[(&str, &str)]) -> Server {
    let mut command = home.command();
    command.args(globals).args(["at", "store", "server", "-listen", "127.0.0.1:0"]).args(words);
    let mut child = command
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("info: listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
    Server { child, out, url }
}

impl Server {
    /// Interrupts it as a person or a service manager would; gives what it said.
    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        let mut said = String::new();
        self.out.read_to_string(&mut said).unwrap();
        let status = self.child.wait().unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    }
}

#[test]
fn a_store_is_used_through_the_server_and_a_signal_ends_it_well() {
    let home = Home::with_store_and_data();
    let server = start(&home, &[], &[]);
    let url = server.url.clone();
    let out = home.run(["at", &url, "backup", "data"]).ok();
    assert!(out.contains("backup completed without errors"), "{out}");
    let id = &out[..8];
    assert_eq!(home.run(["at", &url, "ls"]).ok(), home.run(["at", "store", "ls"]).ok());
    home.run(["at", &url, "check"]).ok();
    home.run(["-quiet", "at", &url, "restore", "-to", "back", id]).ok();
    assert_eq!(std::fs::read(home.path("back/docs/a.txt")).unwrap().len(), 3000);
    assert_eq!(home.run(["at", &url, "cat", &format!("{id}:readme.txt")]).ok(), "hello\n");
    // A mark is an addition; removing files is not allowed.
    home.run(["at", &url, "rm", "-apply", id]).ok();
    home.run(["store", "add", "far", &url]).ok();
    assert!(home.run(["store", "ping", "far"]).ok().contains("configuration OK"));
    assert_eq!(std::fs::read_dir(home.path("store/locks")).unwrap().count(), 0, "locks are given back");
    let (code, said) = server.end("-TERM");
    assert_eq!(code, Some(0), "{said}");
    let err = home.run(["-retry-timeout", "0", "at", &url, "ls"]).fails(66);
    assert!(err.contains("connection refused"), "{err}");
}

#[test]
fn the_token_is_asked_for_and_a_new_store_can_be_made() {
    let home = Home::new();
    let secret = &[("PLAKAR_SERVER_TOKEN", "s3cret")];
    let server = start(&home, &["-allow-delete"], secret);
    let url = server.url.clone();
    let err = home.run(["at", &url, "ls"]).fails(66);
    assert!(
        err.contains("the token is missing or wrong") && err.contains("hint: put the server's token"),
        "{err}"
    );
    home.run_with(["at", &url, "create", "-plaintext"], secret).ok();
    assert_eq!(home.run_with(["at", &url, "ls"], secret).ok(), "");
    home.run(["store", "add", "far", &url, "auth_token=s3cret"]).ok();
    assert_eq!(home.run(["at", "@far", "ls"]).ok(), "");
    assert!(home.run_with(["at", &url, "create", "-plaintext"], secret).fails(1).contains("is not empty"));
    assert_eq!(server.end("-INT").0, Some(0));
}

#[test]
fn requests_are_traced() {
    let home = Home::with_store_and_data();
    std::fs::write(home.path("token"), "s3cret\n").unwrap();
    let server = start_with(&home, &["-trace", "server"], &["-token-file", "token"], &[]);
    let url = server.url.clone();
    home.run_with(["at", &url, "ls"], &[("PLAKAR_SERVER_TOKEN", "s3cret")]).ok();
    home.run(["at", &url, "ls"]).fails(66);
    let (code, said) = server.end("-TERM");
    assert_eq!(code, Some(0), "{said}");
    let traced: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("trace: server: ")).collect();
    assert!(traced[0].starts_with("GET /: 200, ") && traced[0].contains(" bytes in "), "{said}");
    assert!(traced.iter().any(|line| line.starts_with("GET /resources/states: 200, ")), "{said}");
    assert!(traced.last().is_some_and(|line| line.starts_with("GET /: 401, ")), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn bad_words_are_refused() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "server", "-cert", "x"]).fails(64);
    home.run(["at", "store", "server", "-listen", "nowhere.invalid:1"]).fails(1);
    home.run(["at", "store", "server", "-token-file", "no"]).fails(1);
    home.run(["at", "http://127.0.0.1:9", "ls"]).fails(66);
}
