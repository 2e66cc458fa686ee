//! Locations as typed.
#![no_main]

use kloset_connector::Location;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let location = Location::parse(text);
    assert!(!location.scheme.is_empty());
    let _ = location.to_string();
});
