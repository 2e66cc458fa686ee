//! Sources behind a package.

use std::path::Path;

use connector_plugin::PluginSource;
use kloset_connector::{Options, Source};
use testkit::suites::source::Factory;
use testkit::tree::Fidelity;

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
