//! Standard input as a source.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use connector_stdin::StdinSource;
use kloset_connector::{ConnectorContext, ErrorKind, Location, ScanOptions, Source};
use testkit::suites::drive::{read, scan};

fn source(input: impl Into<OwnedFd>, text: &str) -> StdinSource {
    let context = ConnectorContext::silent("/".into());
    StdinSource::reading(input.into(), &Location::parse(text), &context).expect("a good name")
}

fn empty() -> std::fs::File {
    std::fs::File::open("/dev/null").expect("/dev/null")
}

fn everything() -> ScanOptions {
    ScanOptions { excluded: Arc::new(|_, _| false), xattr_values: true }
}

#[test]
fn the_location_names_the_file_and_its_folders() {
    for (text, paths) in [
        ("stdin:", vec!["/stdin"]),
        ("stdin:/", vec!["/stdin"]),
        ("stdin:dump.sql", vec!["/dump.sql"]),
        ("stdin:///a/./b//c", vec!["/a", "/a/b", "/a/b/c"]),
    ] {
        let source = source(empty(), text);
        assert_eq!(source.info().expect("info").directory, b"/");
        let scanned = scan(&source, &everything(), usize::MAX).expect("scan");
        let found: Vec<_> = scanned.records().into_keys().map(|p| String::from_utf8(p).unwrap()).collect();
        assert_eq!(found, paths, "{text}");
        let records = scanned.records();
        let file = records.values().last().expect("a file");
        assert_eq!((file.info.mode.to_text().as_str(), file.info.size), ("-rw-------", -1));
    }
    let context = ConnectorContext::silent("/".into());
    for bad in ["stdin:/a/../b", "stdin:..", "stdin:a\0b"] {
        let error = StdinSource::reading(empty().into(), &Location::parse(bad), &context).err();
        assert_eq!(error.expect("refused").kind, ErrorKind::Invalid, "{bad:?}");
    }
}

#[test]
fn what_comes_through_a_pipe_is_the_content() {
    let (reader, mut writer) = std::io::pipe().expect("pipe");
    let thread = std::thread::spawn(move || {
        for piece in 0..100u8 {
            writer.write_all(&[piece; 1000]).expect("write");
        }
    });
    let source = source(reader, "stdin:/x");
    let contents = read(&source, &[(b"/x".to_vec(), 0), (b"/y".to_vec(), 0)]).expect("read");
    thread.join().expect("writer");
    let found = contents[b"/x".as_slice()].as_ref().expect("content");
    assert!(found.len() == 100_000 && found.ends_with(&[99; 1000]));
    assert_eq!(contents[b"/y".as_slice()], Err(ErrorKind::Invalid));
}

#[test]
fn input_that_cannot_be_read_loses_the_source() {
    let folder = std::fs::File::open("/").expect("a folder");
    let error =
        read(&source(folder, "stdin:x"), &[(b"/x".to_vec(), 0)]).expect_err("a folder has no content");
    assert!(error.message.contains("is a directory"), "{error}");
}

#[test]
fn an_interrupt_is_noticed_while_nothing_comes() {
    let (reader, _writer) = std::io::pipe().expect("pipe");
    let context = ConnectorContext::silent("/".into());
    let source =
        StdinSource::reading(reader.into(), &Location::parse("stdin:x"), &context).expect("a good name");
    std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        context.interrupted.store(true, Ordering::Relaxed);
    });
    let error = read(&source, &[(b"/x".to_vec(), 0)]).expect_err("interrupted");
    assert_eq!(error.kind, ErrorKind::Interrupted);
}
