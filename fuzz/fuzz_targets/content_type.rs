//! Content type by magic number and text tests.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert!(!kloset_codec::content_type::detect(data).is_empty());
});
