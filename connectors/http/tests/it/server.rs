//! The server against clients that are not ours.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use connector_http::Deletion;
use kloset_connector::{ErrorKind, PutMode, Storage, StoreFile};
use tempfile::{TempDir, tempdir};

use crate::support::Server;

const NAME: &str = "0101010101010101010101010101010101010101010101010101010101010101";

fn served(deletion: Deletion, token: Option<&str>) -> (TempDir, Server) {
    let folder = tempdir().expect("folder");
    let server = Server::start(&folder.path().join("store"), deletion, token);
    let options: Vec<_> = token.iter().map(|token| ("auth_token", *token)).collect();
    server.client(&options).create(b"config").expect("create");
    (folder, server)
}

/// Sends bytes, and reads until the server closes.
fn raw(server: &Server, text: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).expect("connect");
    stream.write_all(text.as_bytes()).expect("send");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answer");
    String::from_utf8_lossy(&answer).into_owned()
}

fn ask(server: &Server, line: &str, more: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let answer = raw(
        server,
        &format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n{body}"
        ),
    );
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    (head.split(' ').nth(1).expect("status").parse().expect("number"), body.to_owned())
}

#[test]
fn clients_of_the_reference_implementation_are_served() {
    let (_folder, server) = served(Deletion::LocksOnly, None);
    assert_eq!(ask(&server, "GET /", "", ""), (200, "config".to_owned()));
    assert_eq!(ask(&server, "GET /resources/packfiles", "", ""), (200, "[]".to_owned()));
    let path = format!("/resources/packfiles/{NAME}");
    // They send bodies in pieces of unknown number.
    let chunked = format!(
        "PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"
    );
    assert!(raw(&server, &chunked).starts_with("HTTP/1.1 200 "));
    assert_eq!(ask(&server, &format!("GET {path}"), "", ""), (200, "0123456789".to_owned()));
    // Their ranges end before the last number, and an answer to one is a 200.
    assert_eq!(ask(&server, &format!("GET {path}"), "Range: bytes=2-5\r\n", ""), (200, "234".to_owned()));
    assert_eq!(ask(&server, &format!("GET {path}"), "Range: bytes=8-11\r\n", "").0, 422);
    assert_eq!(ask(&server, "GET /resources/packfiles", "", ""), (200, format!("[\"{NAME}\"]")));
    let (status, text) = ask(&server, &format!("DELETE {path}"), "", "");
    assert_eq!(
        (status, text.as_str()),
        (403, "deleting is not allowed: the server runs without -allow-delete\n")
    );
    for (line, status) in [
        ("GET /resources/bogus", 400),
        ("GET /resources/packfiles/short", 400),
        ("GET /resources/packfiles/../../CONFIG", 404),
        ("GET /etc/passwd", 404),
        ("POST /", 405),
    ] {
        assert_eq!(ask(&server, line, "", "").0, status, "{line}");
    }
    assert_eq!(ask(&server, &format!("GET {path}"), "Range: items=1\r\n", "").0, 400);
}

#[test]
fn files_are_never_replaced_and_only_locks_go_away() {
    let (_folder, server) = served(Deletion::LocksOnly, None);
    let storage = server.client(&[]);
    for file in [StoreFile::Packfile, StoreFile::State] {
        storage.put(file, &[1; 32], b"one".as_slice().into(), PutMode::Immutable).expect("put");
        // Whatever the client asks for: the server decides.
        let error =
            storage.put(file, &[1; 32], b"two".as_slice().into(), PutMode::Replace).expect_err("other");
        assert_eq!(error.kind, ErrorKind::AlreadyExists);
        let error = storage.delete(file, &[1; 32]).expect_err("not allowed");
        assert_eq!(error.kind, ErrorKind::Permission);
        assert!(error.message.contains("-allow-delete"), "{error}");
        assert_eq!(storage.get(file, &[1; 32]).expect("get"), b"one");
    }
    storage.put(StoreFile::Lock, &[1; 32], b"one".as_slice().into(), PutMode::Immutable).expect("put");
    storage.put(StoreFile::Lock, &[1; 32], b"two".as_slice().into(), PutMode::Replace).expect("put");
    storage.delete(StoreFile::Lock, &[1; 32]).expect("locks belong to whoever works");
    assert!(storage.temporary_files(Duration::ZERO, true).is_err());
    let (_folder, server) = served(Deletion::Allowed, None);
    let storage = server.client(&[]);
    storage.put(StoreFile::State, &[1; 32], b"one".as_slice().into(), PutMode::Immutable).expect("put");
    storage.delete(StoreFile::State, &[1; 32]).expect("allowed");
    assert_eq!(storage.list(StoreFile::State).expect("list"), []);
}

#[test]
fn nothing_is_told_without_the_token() {
    let (folder, server) = served(Deletion::Allowed, Some("secret"));
    for options in [vec![], vec![("auth_token", "wrong")], vec![("auth_token", "secre")]] {
        let error = server.client(&options).read_config().expect_err("no token");
        assert_eq!(error.kind, ErrorKind::Authentication, "{error}");
        assert!(error.hint.is_some());
    }
    // A body is not even read.
    let line = format!("PUT /resources/states/{NAME}");
    assert_eq!(ask(&server, &line, "Authorization: Bearer wrong\r\n", "body").0, 401);
    assert!(is_empty(&folder.path().join("store/states/01")));
    assert_eq!(ask(&server, "GET /", "Authorization: Bearer secret\r\n", ""), (200, "config".to_owned()));
}

#[test]
fn a_body_that_is_cut_off_is_not_stored() {
    let (folder, server) = served(Deletion::Allowed, None);
    for head in ["Content-Length: 1000\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n"] {
        let mut stream = TcpStream::connect(server.address()).expect("connect");
        let text = format!("PUT /resources/states/{NAME} HTTP/1.1\r\nHost: x\r\n{head}");
        stream.write_all(text.as_bytes()).expect("send");
        drop(stream);
    }
    std::thread::sleep(Duration::from_millis(300));
    assert!(is_empty(&folder.path().join("store/states/01")));
    // And one that is too long is refused before it is read.
    let line = format!("PUT /resources/locks/{NAME}");
    assert_eq!(ask(&server, &line, "", &"x".repeat((4 << 20) + 1)).0, 413);
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).expect("list").next().is_none()
}
