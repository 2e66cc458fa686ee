//! Destinations behind a package of ours: the whole contract, and by the plain protocol alone.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use connector_plugin::PluginDestination;
use kloset_connector::{Destination, ErrorKind, HardLink, Options};
use testkit::suites::destination::Factory;
use testkit::suites::drive::{self, assert_restored};
use testkit::tree::{Fidelity, build_odd_tree, read_tree};

use crate::support::{command, context, location};

fn destination(path: &Path, extended: bool) -> PluginDestination {
    let command = command("destination", extended);
    PluginDestination::new(&command, &location(path), &Options::new(), &context().0).expect("named")
}

#[test]
fn destination_behind_a_package_keeps_the_contract() {
    testkit::suites::destination::run(&Factory {
        fidelity: Fidelity { endless_paths: false, ..Fidelity::everything() },
        make: &|path| Box::new(destination(path, true)),
    });
}

#[test]
fn an_odd_tree_comes_back_by_the_plain_protocol() {
    let temp = tempfile::tempdir().expect("temporary folder");
    let (source, target) = (temp.path().join("source"), temp.path().join("target"));
    std::fs::create_dir(&source).expect("folder");
    // The protocol has no words for attributes and for the two names of one file.
    let fidelity =
        Fidelity { xattrs: false, hard_links: false, endless_paths: false, ..Fidelity::everything() };
    build_odd_tree(&source, fidelity).expect("tree");
    let mut tree = read_tree(&source).expect("tree");
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
    tree.retain(|path, node| text(path) && node.link.as_deref().is_none_or(text));
    let outcomes = drive::restore(&destination(&target, false), &tree);
    let links: Vec<_> = outcomes
        .iter()
        .filter(|(_, outcome)| outcome.as_ref().is_err_and(|error| error.kind == ErrorKind::Unsupported))
        .map(|(path, _)| path.clone())
        .collect();
    // The engine would write copies in their places.
    for path in &links {
        let node = &tree[path];
        assert!(node.first_name != *path, "{}", path.escape_ascii());
        let name = |path: &[u8]| Path::new(<OsStr as OsStrExt>::from_bytes(path)).to_owned();
        std::fs::copy(source.join(name(path)), target.join(name(path))).expect("copy");
    }
    let rest = outcomes.into_iter().filter(|(path, _)| !links.contains(path)).collect();
    assert_restored(&rest, &[]);
    let found = read_tree(&target).expect("tree");
    for (path, node) in &tree {
        let other = found.get(path).unwrap_or_else(|| panic!("{} is missing", path.escape_ascii()));
        assert_eq!(node.content, other.content, "{}", path.escape_ascii());
        // The root was made before its own attributes were known.
        if !links.contains(path) && !path.is_empty() {
            assert_eq!(node.info.mode, other.info.mode, "{}", path.escape_ascii());
        }
    }
}

#[test]
fn links_are_left_to_the_engine() {
    let temp = tempfile::tempdir().expect("temporary folder");
    let destination = destination(temp.path(), false);
    let links = [HardLink { path: b"a".to_vec(), original: b"b".to_vec() }];
    let collect = drive::Collect::new(1);
    destination.hard_links(&links, &collect.report());
    let outcomes = collect.finish();
    assert!(matches!(&outcomes[0], Err(error) if error.kind == ErrorKind::Unsupported));
}

#[test]
fn names_that_are_no_text_fail_alone_by_the_plain_protocol() {
    let temp = tempfile::tempdir().expect("temporary folder");
    let (source, target) = (temp.path().join("source"), temp.path().join("target"));
    std::fs::create_dir(&source).expect("folder");
    std::fs::write(source.join("good"), b"x").expect("write");
    std::fs::set_permissions(&source, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"od\xffd");
    std::fs::write(source.join(odd), b"x").expect("write");
    let tree = read_tree(&source).expect("tree");
    let outcomes = drive::restore(&destination(&target, false), &tree);
    assert!(outcomes[b"good".as_slice()].is_ok());
    let error = outcomes[b"od\xffd".as_slice()].as_ref().expect_err("not UTF-8");
    assert!(error.message.contains("UTF-8"), "{error}");
    assert_eq!(std::fs::read(target.join("good")).expect("read"), b"x");
}
