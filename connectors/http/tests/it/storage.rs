//! The client against our server: the conformance suite, loss of the server, TLS.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use connector_http::Deletion;
use http_server::TlsFiles;
use kloset_connector::layer::RetriedStorage;
use kloset_connector::{ConnectorContext, ErrorKind, PutMode, Storage, StoreFile};
use tempfile::tempdir;

use crate::support::{Both, Server, client};

#[test]
fn storage_behind_http_conforms() {
    testkit::suites::storage::run(&|path: &Path| {
        let server = Server::start(path, Deletion::Allowed, None);
        Box::new(Both { client: server.client(&[]), _server: server })
    });
}

#[test]
fn nobody_there_is_unreachable_at_once() {
    let error = client("http://127.0.0.1:9", &[]).read_config().expect_err("nobody listens");
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains("connection refused"), "{error}");
}

#[test]
fn a_server_that_comes_back_is_waited_for() {
    let folder = tempdir().expect("folder");
    let store = folder.path().join("store");
    let server = Server::start(&store, Deletion::Allowed, None);
    let address = server.address().to_owned();
    let mut context = ConnectorContext::silent("/".into());
    context.retry.first_wait = Duration::from_millis(50);
    let storage = RetriedStorage::new(server.client(&[]), context);
    storage.create(b"config").expect("create");
    drop(server);
    let again = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        Server::start_on(&address, &store, Deletion::Allowed, None, None)
    });
    storage
        .put(StoreFile::State, &[1; 32], vec![7; 1000].into(), PutMode::Immutable)
        .expect("put after a while");
    let _server = again.join().expect("second server");
    assert_eq!(storage.get(StoreFile::State, &[1; 32]).expect("get"), vec![7; 1000]);
}

#[test]
fn certificates_are_checked() {
    let folder = tempdir().expect("folder");
    let (key, cert) = (folder.path().join("key.pem"), folder.path().join("cert.pem"));
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
                 -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    let made = Command::new("openssl")
        .args(words.split_whitespace())
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        eprintln!("skipped: there is no openssl");
        return;
    }
    let tls = TlsFiles { certificates: cert.clone(), key };
    let store = folder.path().join("store");
    let server = Server::start_on("127.0.0.1:0", &store, Deletion::Allowed, Some("t"), Some(&tls));
    assert!(server.url.starts_with("https://"));
    let error = server.client(&[("auth_token", "t")]).read_config().expect_err("unknown certificate");
    assert_eq!(error.kind, ErrorKind::HostKey, "{error}");
    let trusted = server.client(&[("auth_token", "t"), ("ca", cert.to_str().expect("text"))]);
    trusted.create(b"config").expect("create");
    assert_eq!(trusted.read_config().expect("read"), b"config");
    let blind = server.client(&[("auth_token", "t"), ("tls_no_verify", "true"), ("insecure", "true")]);
    assert_eq!(blind.read_config().expect("read"), b"config");
}
