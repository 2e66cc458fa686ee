//! Dirpack: the frames of a directory and the entries in them.
#![no_main]

use kloset_format::{Entry, dirpack};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for frame in dirpack::frames(data) {
        let Ok(frame) = frame else { return };
        let _ = Entry::decode(frame.entry_bytes);
    }
});
