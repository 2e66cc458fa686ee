//! Cutting: pieces are within bounds and add up to the input.
#![no_main]

use kloset_codec::chunk::{ChunkSizes, Chunker};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let sizes = ChunkSizes { min: 64, normal: 256, max: 1024 };
    let chunker = Chunker::new("fastcdc-v1.0.0", sizes).expect("the sizes are legal");
    let mut rest = data;
    while !rest.is_empty() {
        let cut = chunker.cut(&rest[..rest.len().min(sizes.max)]);
        assert!(cut > 0 && cut <= sizes.max && (cut >= sizes.min || cut == rest.len()));
        rest = &rest[cut..];
    }
});
