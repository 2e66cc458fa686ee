//! Single-file stores on a web server that knows nothing of them.

use std::sync::Mutex;

use connector_http::{HttpPtarStorage, ptar};
use kloset_connector::{
    ConnectorContext, ConnectorError, ErrorKind, Location, Options, PutMode, RangeRequest, Storage, StoreFile,
};
use kloset_format::ptar::{STATE_ID, Trailer, header};
use testkit::web_file::{Manner, WebFile};

const PACKFILE_BYTES: u64 = 3_000_000;

/// CONFIG of 100 bytes, a packfile in which each byte tells its place, a state of 1,000 bytes.
fn file() -> Vec<u8> {
    let trailer =
        Trailer { config: 12..112, packfile: 112..112 + PACKFILE_BYTES, state: 3_000_112..3_001_112 };
    let mut bytes = header().to_vec();
    bytes.extend([b'c'; 100]);
    bytes.extend((0..PACKFILE_BYTES).map(|at| (at % 251) as u8));
    bytes.extend([b's'; 1000]);
    bytes.extend(trailer.encode());
    bytes
}

fn open(server: &WebFile, options: &[(&str, &str)]) -> Result<HttpPtarStorage, ConnectorError> {
    let location = Location::parse(&format!("ptar+http://{}/files/a.ptar?version=3", server.address()));
    let options: Options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    ptar(&location, &options, &ConnectorContext::silent("/".into()))
}

fn ranges(store: &HttpPtarStorage, wanted: &[(u64, u64)]) -> Vec<Result<Vec<u8>, ErrorKind>> {
    let requests: Vec<_> = wanted
        .iter()
        .map(|&(offset, length)| RangeRequest { file: StoreFile::Packfile, name: [9; 32], offset, length })
        .collect();
    let results = Mutex::new(vec![None; requests.len()]);
    store.get_ranges(&requests, &|index, result| {
        let seen = results.lock().expect("not poisoned")[index]
            .replace(result.map(Vec::from).map_err(|error| error.kind));
        assert!(seen.is_none(), "range {index} came twice");
    });
    results.into_inner().expect("not poisoned").into_iter().map(|result| result.expect("delivered")).collect()
}

#[test]
fn only_the_wanted_parts_travel() {
    let server = WebFile::start(file(), Manner::Parts).expect("server");
    let store = open(&server, &[]).expect("a good URL");
    assert_eq!(server.given_bytes(), 0, "nothing is asked for before it is needed");
    let info = store.info();
    assert!(!info.writable && info.location.starts_with("ptar+http://127.0.0.1:"), "{info:?}");
    assert_eq!(store.read_config().expect("config"), [b'c'; 100]);
    assert_eq!(store.get(StoreFile::State, &STATE_ID.0).expect("state"), [b's'; 1000]);
    let listed = store.list(StoreFile::Packfile).expect("list");
    assert_eq!(listed[0].size, Some(PACKFILE_BYTES));
    let wanted: Vec<(u64, u64)> = (0..30).map(|i| (i * 90_000 + i, 5)).collect();
    for (result, (offset, _)) in ranges(&store, &wanted).into_iter().zip(wanted) {
        let expected: Vec<u8> = (offset..offset + 5).map(|at| (at % 251) as u8).collect();
        assert_eq!(result, Ok(expected));
    }
    assert_eq!(
        ranges(&store, &[(PACKFILE_BYTES - 1, 1), (PACKFILE_BYTES, 1), (u64::MAX, 2)]),
        [Ok(vec![((PACKFILE_BYTES - 1) % 251) as u8]), Err(ErrorKind::Corrupt), Err(ErrorKind::Corrupt)]
    );
    assert!(server.given_bytes() < 2000, "{} bytes were fetched", server.given_bytes());
    let put = store.put(StoreFile::State, &[1; 32], b"x".as_slice().into(), PutMode::Immutable);
    assert_eq!(put.expect_err("read only").kind, ErrorKind::Unsupported);
}

#[test]
fn answers_that_are_not_what_was_asked_for_are_refused() {
    for (manner, kind, words) in [
        (Manner::Whole, ErrorKind::Unsupported, "the server gives no parts of files (it answered 200 OK)"),
        (Manner::WrongWords, ErrorKind::Corrupt, "another part of the file than the one asked for"),
        (Manner::Growing, ErrorKind::Corrupt, "the file has changed while it was read"),
        (Manner::Missing, ErrorKind::NotFound, "the server answered 404 Not Found"),
    ] {
        let server = WebFile::start(file(), manner).expect("server");
        let error = open(&server, &[]).expect("a good URL").read_config().expect_err("a wrong answer");
        assert_eq!(error.kind, kind, "{manner:?}: {error}");
        assert!(error.to_string().contains(words), "{manner:?}: {error}");
        assert!(server.given_bytes() < 4_000_000);
    }
    // The layout is known by then: the file may not change any more.
    let server = WebFile::start(file(), Manner::Parts).expect("server");
    let store = open(&server, &[]).expect("a good URL");
    store.read_config().expect("config");
    server.set_manner(Manner::Growing);
    assert_eq!(ranges(&store, &[(0, 5)]), [Err(ErrorKind::Corrupt)]);
}

#[test]
fn other_files_are_no_stores() {
    for content in [vec![b'x'; 5000], vec![b'x'; 20], b"_PLATAR_\0\0\x01\0".repeat(20)] {
        let server = WebFile::start(content, Manner::Parts).expect("server");
        let error = open(&server, &[]).expect("a good URL").read_config().expect_err("no store");
        assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
    }
    let server = WebFile::start(file(), Manner::Parts).expect("server");
    assert!(open(&server, &[("ca", "/dev/null")]).is_err());
}
