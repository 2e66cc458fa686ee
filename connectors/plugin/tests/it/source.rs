//! Sources behind a package.

use std::path::Path;
use std::sync::Arc;

use connector_plugin::PluginSource;
use kloset_connector::{Options, ScanOptions, Source};
use testkit::suites::drive;
use testkit::suites::source::Factory;
use testkit::tree::{Fidelity, build_small_tree};

use crate::support::{command, context, location};

fn source(path: &Path, options: &Options, extended: bool) -> Box<dyn Source> {
    let command = command("source", extended);
    Box::new(PluginSource::new(&command, &location(path), options, &context().0).expect("named"))
}

#[test]
fn source_behind_a_package_keeps_the_contract() {
    let fidelity = Fidelity { endless_paths: false, ..Fidelity::everything() };
    testkit::suites::source::run(&Factory { fidelity, make: &|path, options| source(path, options, true) });
}

#[test]
fn the_plain_protocol_tells_the_same_of_a_plain_tree() {
    let temp = tempfile::tempdir().expect("temporary folder");
    let root = temp.path().canonicalize().expect("real path").join("tree");
    build_small_tree(&root, 20, 10, 500).expect("tree");
    std::fs::create_dir(root.join("empty")).expect("folder");
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"od\xffd");
    let everything = ScanOptions { excluded: Arc::new(|_, _| false), xattr_values: true };
    let scan = |extended| {
        let source = source(&root, &Options::new(), extended);
        let mut scanned = drive::scan(source.as_ref(), &everything, usize::MAX).expect("scan");
        scanned.listings.sort_by(|a, b| a.0.cmp(&b.0));
        let records = scanned.records();
        let wanted: Vec<_> = records
            .iter()
            .filter(|(_, record)| record.info.mode.is_regular())
            .map(|(path, record)| (path.clone(), record.info.size as u64))
            .collect();
        let contents = drive::read(source.as_ref(), &wanted).expect("read");
        let folders: Vec<_> = scanned.listings.into_iter().map(|(folder, _)| folder).collect();
        // Times of the folders above belong to others.
        let chain: Vec<_> = scanned.chain.into_iter().map(|record| record.info.name).collect();
        (chain, folders, records, contents, scanned.failed.len())
    };
    assert!(scan(true) == scan(false), "both tell the same");
    std::fs::write(root.join(odd), b"x").expect("write");
    assert_eq!((scan(true).4, scan(false).4), (0, 1), "the name cannot be told");
}
