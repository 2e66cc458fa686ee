//! What every source must do.

use std::path::Path;

use kloset_connector::{Options, Source};

use super::announce;
use crate::tree::Fidelity;

/// Makes sources for local paths.
pub struct Factory<'a> {
    /// What the source can tell.
    pub fidelity: Fidelity,
    /// Makes a source for a local path with options.
    pub make: &'a dyn Fn(&Path, &Options) -> Box<dyn Source>,
}

/// Runs every case.
pub fn run(factory: &Factory<'_>) {
    for (sentence, case) in CASES {
        announce("source", sentence);
        case(factory);
    }
}

/// One thing that must hold: its sentence and the test.
type Case = (&'static str, fn(&Factory<'_>));

const CASES: &[Case] = &[];
