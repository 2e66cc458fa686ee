//! Snapshot header.
#![no_main]

use kloset_format::Header;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(header) = Header::decode(data) else { return };
    let bytes = header.encode();
    let again = Header::decode(&bytes).expect("what was encoded decodes");
    assert_eq!(again.encode(), bytes);
});
