//! Which snapshots are chosen, and how dates and tags are read.

use super::*;
use kloset_format::header::{Importer, SourceRecord};

fn header() -> Header {
    let mut header = Header::new(SnapshotId::ZERO, Timestamp { seconds: 1000, nanoseconds: 0 });
    header.name = "default".into();
    header.tags = vec!["a".into(), "b".into()];
    let importer = Importer { kind: "fs".into(), origin: "host".into(), directory: b"/data".to_vec() };
    header.sources.push(SourceRecord { importer, ..SourceRecord::default() });
    header
}

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

#[test]
fn tags_are_all_wanted_or_absent() {
    let matches = |tags: &[&str]| NameFilters { tag: list(tags), ..Default::default() }.matches(&header());
    assert!(matches(&[]) && matches(&["a"]) && matches(&["a,b"]) && matches(&["a", "b"]) && matches(&["!c"]));
    assert!(!matches(&["a,c"]) && !matches(&["!a"]) && !matches(&["b,!a"]));
}

#[test]
fn roots_given_twice_must_all_match_and_lists_need_one() {
    let matches = |roots: &[&str]| Filters { root: list(roots), ..Default::default() }.matches(&header());
    assert!(matches(&["/data"]) && matches(&["/x,/data"]));
    assert!(!matches(&["/x"]) && !matches(&["/data", "/x"]));
    let origins = |o: &[&str]| Filters { origin: list(o), ..Default::default() }.matches(&header());
    assert!(origins(&["x", "host"]) && !origins(&["x"]));
}

#[test]
fn dates_are_inclusive() {
    let at = |seconds| Some(Timestamp { seconds, nanoseconds: 0 });
    let matches = |before, since| Filters { before, since, ..Default::default() }.matches(&header());
    assert!(matches(at(1000), at(1000)) && matches(at(1001), at(999)));
    assert!(!matches(at(999), None) && !matches(None, at(1001)));
}

#[test]
fn arguments_are_taken_apart() {
    for (text, prefix, path) in [
        ("abc", "abc", ""),
        ("abc:", "abc", ""),
        ("abc:x/y:z", "abc", "x/y:z"),
        ("/x:y", "", "/x:y"),
        (":/x", "", "/x"),
        ("", "", ""),
    ] {
        let found = SnapshotArgument::parse(OsStr::new(text));
        assert_eq!((found.prefix.as_str(), found.path.as_slice()), (prefix, path.as_bytes()), "{text}");
    }
    assert!(!SnapshotArgument::parse(OsStr::new("ABC")).is_hexadecimal());
}
