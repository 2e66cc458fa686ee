//! Decompression and decryption: hostile bytes never exceed the bound, good ones come back.
#![no_main]

use kloset_codec::codec::{Codec, Scratch};
use kloset_codec::compress::Compression;
use kloset_codec::encrypt::{Cipher, SubkeyAlgorithm};
use libfuzzer_sys::fuzz_target;

const BOUND: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let mut scratch = Scratch::new();
    let piece_bytes = 4096;
    for compression in [None, Some(Compression::Lz4), Some(Compression::Gzip)] {
        for subkey in [None, Some(SubkeyAlgorithm::Aes256Kw), Some(SubkeyAlgorithm::Aes256Gcm)] {
            let cipher = subkey.map(|subkey| Cipher::new(&[7; 32], subkey, piece_bytes));
            let codec = Codec { compression, cipher };
            if let Ok(plain) = codec.decode(&mut scratch, data, BOUND) {
                assert!(plain.len() <= BOUND);
            }
            let mut encoded = Vec::new();
            codec.encode(&mut scratch, data, &mut encoded);
            let plain = codec.decode(&mut scratch, &encoded, data.len()).expect("our own bytes decode");
            assert_eq!(plain, data);
        }
    }
});
