use crate::vectors;
use kloset_codec::{ChunkSizes, Chunker, ChunkerError};
use proptest::prelude::*;

fn cut_all<'a>(chunker: &Chunker, mut rest: &'a [u8]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    loop {
        let (chunk, after) = rest.split_at(chunker.cut(&rest[..rest.len().min(chunker.sizes().max)]));
        chunks.push(chunk);
        rest = after;
        if rest.is_empty() {
            return chunks;
        }
    }
}

#[test]
fn cuts_are_those_of_the_reference() {
    let file = vectors::load(include_str!("../vectors/chunk-boundaries.json"));
    for vector in file["vectors"].as_array().unwrap() {
        let size = |name: &str| vector[name].as_u64().unwrap() as usize;
        let sizes = ChunkSizes { min: size("min"), normal: size("normal"), max: size("max") };
        let input = vectors::input(vector);
        assert_eq!(input.len(), size("length"));
        let chunker = Chunker::new("FastCDC-v1.0.0", sizes).unwrap();
        let chunks = cut_all(&chunker, &input);
        let lengths: Vec<u64> = chunks.iter().map(|c| c.len() as u64).collect();
        let expected: Vec<u64> =
            vector["chunk_lengths"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        assert_eq!(lengths, expected, "{}", vector["name"]);
        for (chunk, name) in
            [(chunks[0], "blake3_of_first_chunk"), (chunks[chunks.len() - 1], "blake3_of_last_chunk")]
        {
            assert_eq!(blake3::hash(chunk).to_hex().as_str(), vector[name], "{}", vector["name"]);
        }
    }
}

#[test]
fn unknown_algorithms_and_impossible_sizes_are_refused() {
    let good = ChunkSizes { min: 1024, normal: 4096, max: 16384 };
    assert!(matches!(Chunker::new("ultracdc", good), Err(ChunkerError::UnknownAlgorithm { .. })));
    for sizes in [
        ChunkSizes { min: 0, normal: 0, max: 0 },
        ChunkSizes { min: 0, ..good },
        ChunkSizes { min: 5000, ..good },
        ChunkSizes { max: 4095, ..good },
        ChunkSizes { min: 1, normal: 2, max: 8 },
        ChunkSizes { min: 1, normal: usize::MAX, max: usize::MAX },
    ] {
        assert!(matches!(Chunker::new("fastcdc", sizes), Err(ChunkerError::BadSizes { .. })), "{sizes:?}");
    }
}

/// The rule of the format, word for word.
fn plain_cut(gear: &[u64], sizes: ChunkSizes, strict: u64, loose: u64, buffer: &[u8]) -> usize {
    if buffer.len() <= sizes.min {
        return buffer.len();
    }
    let mut h = 0u64;
    for (i, &byte) in buffer.iter().enumerate().skip(sizes.min) {
        h = (h << 1).wrapping_add(gear[usize::from(byte)]);
        if h & (if i < sizes.normal { strict } else { loose }) == 0 {
            return i;
        }
    }
    buffer.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn fast_loop_agrees_with_the_written_rule(seed in "[a-z]{4}", len in 0usize..20_000, values in 1u8..=255) {
        let gear: Vec<u64> = vectors::load(include_str!("../vectors/gear.json"))["gear"]
            .as_array().unwrap().iter()
            .map(|w| u64::from_str_radix(w.as_str().unwrap(), 16).unwrap()).collect();
        // normal 256: 10 ones, step 6; 6 ones, step 10
        let mask = |ones: u32| (0..ones).fold(0u64, |m, i| m | 1 << (63 - i * (64 / ones)));
        let sizes = ChunkSizes { min: 100, normal: 300, max: 4000 };
        let data: Vec<u8> = vectors::generated(&seed, len).iter().map(|b| b % values).collect();
        let chunker = Chunker::new("fastcdc-v1.0.0", sizes).unwrap();
        let mut rest = data.as_slice();
        while !rest.is_empty() {
            let buffer = &rest[..rest.len().min(sizes.max)];
            let cut = chunker.cut(buffer);
            prop_assert_eq!(cut, plain_cut(&gear, sizes, mask(10), mask(6), buffer));
            prop_assert!(cut > 0 && (cut >= sizes.min || cut == rest.len()));
            rest = &rest[cut..];
        }
    }
}
