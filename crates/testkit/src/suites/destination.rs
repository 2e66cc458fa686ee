//! What every destination must do.

use std::path::Path;

use kloset_connector::Destination;

use super::announce;
use crate::tree::Fidelity;

/// Makes destinations for local paths.
pub struct Factory<'a> {
    /// What the destination can hold.
    pub fidelity: Fidelity,
    /// Makes a destination for a local path.
    pub make: &'a dyn Fn(&Path) -> Box<dyn Destination>,
}

/// Runs every case.
pub fn run(factory: &Factory<'_>) {
    for (sentence, case) in CASES {
        announce("destination", sentence);
        case(factory);
    }
}

/// One thing that must hold: its sentence and the test.
type Case = (&'static str, fn(&Factory<'_>));

const CASES: &[Case] = &[];
