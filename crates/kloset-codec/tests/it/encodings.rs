use crate::vectors::{generated, hex, to_hex};
use kloset_codec::{Cipher, Codec, CodecError, Compression, HashAlgorithm, MacKey, Scratch, SubkeyAlgorithm};
use proptest::prelude::*;
use rand::{CryptoRng, RngCore};

fn upstream_key() -> [u8; 32] {
    hex("da4e2853b4d80b24e0a911484cab018b1fb2d3dab260959b5eee3620e67c42ca").try_into().unwrap()
}

fn upstream_codec() -> Codec {
    Codec {
        compression: Some(Compression::Lz4),
        cipher: Some(Cipher::new(&upstream_key(), SubkeyAlgorithm::Aes256Kw, 65_536)),
    }
}

fn compressing(compression: Compression) -> Codec {
    Codec { compression: Some(compression), cipher: None }
}

fn encrypting(subkey: SubkeyAlgorithm, piece_bytes: usize) -> Codec {
    Codec { compression: None, cipher: Some(Cipher::new(&[7; 32], subkey, piece_bytes)) }
}

/// All ways to encode that a store can ask for.
fn codecs() -> Vec<Codec> {
    let mut codecs = Vec::new();
    for compression in [None, Some(Compression::Lz4), Some(Compression::Gzip)] {
        codecs.push(Codec { compression, cipher: None });
        for (subkey, piece_bytes) in [
            (SubkeyAlgorithm::Aes256Kw, 65_536),
            (SubkeyAlgorithm::Aes256Gcm, 65_536),
            (SubkeyAlgorithm::Aes256Kw, 4096),
        ] {
            codecs.push(Codec { compression, ..encrypting(subkey, piece_bytes) });
        }
    }
    codecs
}

fn encoded(codec: &Codec, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec.encode(&mut Scratch::new(), plain, &mut out);
    out
}

/// Gives the bytes of a list instead of random ones.
struct Scripted(Vec<u8>);

impl RngCore for Scripted {
    fn next_u32(&mut self) -> u32 {
        unreachable!("only bytes are asked for")
    }
    fn next_u64(&mut self) -> u64 {
        unreachable!("only bytes are asked for")
    }
    fn fill_bytes(&mut self, dst: &mut [u8]) {
        let rest = self.0.split_off(dst.len());
        dst.copy_from_slice(&std::mem::replace(&mut self.0, rest));
    }
}

impl CryptoRng for Scripted {}

#[test]
fn sealing_is_that_of_the_format() {
    let key: [u8; 32] = std::array::from_fn(|i| i as u8);
    let cipher = Cipher::new(&key, SubkeyAlgorithm::Aes256Kw, 65_536);
    let mut rng = Scripted((0..32).chain(0x40..0x4c).collect());
    let mut sealed = Vec::new();
    cipher.seal(b"hello kloset\n", &mut sealed, &mut rng);
    let expected = "82c693bff487db7c31a7f0cc440ad9e37709511b52efce48094b4548eee3cfc2bf7805b51201bc01
        404142434445464748494a4b f46d1ca7d1d3fa5434b807b623 0892f454b905ce7111bae6102635663f";
    assert_eq!(to_hex(&sealed), to_hex(&hex(expected)));
    assert_eq!(sealed.len(), cipher.sealed_len(13));
}

#[test]
fn upstream_canary_opens() {
    let sealed = hex("18d5085e2dab84d87e015144aee3e54d36da894d5d2dad6f98812f909e0c0327060ed77815c58b41
        80da06ab488459603a0c1299f474ee4b915098db29936de7ce5d559a82c5d0f1e2db581c7ba1aa94
        68401a19ab59594d7f38647ac2657e0ad17f6362");
    let cipher = Cipher::new(&upstream_key(), SubkeyAlgorithm::Aes256Kw, 65_536);
    let mut plain = Vec::new();
    cipher.open(&sealed, &mut plain, 32).unwrap();
    assert_eq!(to_hex(&plain), "d2e1df33639485e533449dcfaefbc09db7e9bb98ab87c8805cbc8f4545a2594a");
    let other = Cipher::new(&[1; 32], SubkeyAlgorithm::Aes256Kw, 65_536);
    assert_eq!(other.open(&sealed, &mut Vec::new(), 32), Err(CodecError::WrongKeyOrDamaged));
}

#[test]
fn upstream_chunk_decodes() {
    let chunk = hex("713b9b82b10f07fc18fbc1f117983bc3f8a0c42be19a8549af728defdd2a09fda8e66b1559426ecc
        07b64fafa3aa9b5f132aff8b555ef21120562c3bc07962f27f9ef498e518224afc213d686fd8f7a3
        cab878d6e09de0501f9917cf09a5e6030855bc0e");
    let mut scratch = Scratch::new();
    assert_eq!(upstream_codec().decode(&mut scratch, &chunk, 13).unwrap(), b"hello kloset\n");
    assert_eq!(upstream_codec().decode(&mut scratch, &chunk, 12), Err(CodecError::TooLarge { bound: 12 }));
    let mut frame = Vec::new();
    upstream_codec().cipher.unwrap().open(&chunk, &mut frame, 1000).unwrap();
    assert_eq!(to_hex(&frame), "04224d186470b90d00008068656c6c6f206b6c6f7365740a00000000b115ca2b");
    assert_eq!(encoded(&compressing(Compression::Lz4), b"hello kloset\n"), frame);
}

#[test]
fn upstream_state_decodes_and_is_named_by_its_mac() {
    let plain = upstream_codec().decode(&mut Scratch::new(), &hex(STATE_PAYLOAD), 1000).unwrap();
    assert_eq!(to_hex(&plain), to_hex(&hex(STATE)));
    assert_eq!(
        MacKey::new(HashAlgorithm::Blake3, upstream_key()).mac(&plain).to_string(),
        "5abbe7d3e904bb6e9a3c0d131f06e6addf86ac98564233bfc624ba501f3903d0"
    );
}

#[test]
fn empty_input_has_the_known_forms() {
    assert_eq!(encoded(&Codec { compression: None, cipher: None }, b""), b"");
    assert_eq!(encoded(&encrypting(SubkeyAlgorithm::Aes256Kw, 65_536), b"").len(), 40);
    assert_eq!(encoded(&encrypting(SubkeyAlgorithm::Aes256Gcm, 65_536), b"").len(), 60);
    assert_eq!(to_hex(&encoded(&compressing(Compression::Lz4), b"")), "04224d186470b900000000055dcc02");
}

#[test]
fn every_encoding_appends_and_comes_back() {
    const MIB: usize = 1 << 20;
    let mut scratch = Scratch::new();
    let random = generated("codec", 9 * MIB);
    let text: Vec<u8> = random.iter().map(|b| b"etaoin shrdlu"[usize::from(b % 13)]).collect();
    let small = [0, 1, 12, 13, 300, 4096, 65_534, 65_535, 65_536, 65_537, 131_072];
    let large = [4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 9 * MIB];
    for codec in codecs() {
        let large = if codec.compression == Some(Compression::Gzip) { &large[..1] } else { &large };
        for (&len, data) in small.iter().chain(large).flat_map(|len| [(len, &random), (len, &text)]) {
            let plain = &data[..len];
            let mut out = b"before".to_vec();
            codec.encode(&mut scratch, plain, &mut out);
            let encoded = out.strip_prefix(b"before").unwrap();
            assert!(codec.decode(&mut scratch, encoded, len).unwrap() == plain, "{codec:?} {len}");
            if len > 0 {
                let refused = codec.decode(&mut scratch, encoded, len - 1);
                assert!(refused == Err(CodecError::TooLarge { bound: len - 1 }), "{codec:?} {len}");
            }
        }
    }
}

#[test]
fn equal_input_is_never_sealed_equally() {
    let mut scratch = Scratch::new();
    let (mut a, mut b) = (Vec::new(), Vec::new());
    upstream_codec().encode(&mut scratch, b"same", &mut a);
    upstream_codec().encode(&mut scratch, b"same", &mut b);
    assert_ne!(a[..40], b[..40]);
    assert_ne!(a[40..], b[40..]);
}

#[test]
fn every_flipped_bit_of_a_sealed_item_is_noticed() {
    let mut scratch = Scratch::new();
    for subkey in [SubkeyAlgorithm::Aes256Kw, SubkeyAlgorithm::Aes256Gcm] {
        let codec = encrypting(subkey, 64);
        let mut sealed = encoded(&codec, &generated("bits", 200));
        for bit in 0..sealed.len() * 8 {
            sealed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(codec.decode(&mut scratch, &sealed, 1000), Err(CodecError::WrongKeyOrDamaged));
            sealed[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn truncation_of_a_sealed_item_is_noticed_except_between_pieces() {
    let mut scratch = Scratch::new();
    let codec = encrypting(SubkeyAlgorithm::Aes256Kw, 64);
    let sealed = encoded(&codec, &generated("cut", 200));
    for len in 0..sealed.len() {
        let between_pieces = len >= 40 && (len - 40) % (64 + 28) == 0;
        assert_eq!(codec.decode(&mut scratch, &sealed[..len], 1000).is_ok(), between_pieces, "{len}");
    }
}

#[test]
fn compressed_items_are_refused_when_truncated_damaged_or_followed_by_anything() {
    let mut scratch = Scratch::new();
    for compression in [Compression::Lz4, Compression::Gzip] {
        let codec = compressing(compression);
        let plain = b"abcd".repeat(100);
        let mut item = encoded(&codec, &plain);
        for len in 0..item.len() {
            let result = codec.decode(&mut scratch, &item[..len], 1000);
            assert_eq!(result, Err(CodecError::Truncated), "{compression:?} {len}");
        }
        // The header of GZIP holds a time, flags and a system that do not matter.
        let start = if compression == Compression::Gzip { 10 } else { 0 };
        for bit in start * 8..item.len() * 8 {
            item[bit / 8] ^= 1 << (bit % 8);
            // A few bits mean nothing; the content is never wrong.
            let result = codec.decode(&mut scratch, &item, 1000);
            assert!(result.is_err() || result.as_ref() == Ok(&plain), "{compression:?} {bit}");
            item[bit / 8] ^= 1 << (bit % 8);
        }
        item.push(0);
        let result = codec.decode(&mut scratch, &item, 1000);
        assert_eq!(result, Err(CodecError::BadFrame { problem: "bytes after the end" }));
    }
}

/// Builds LZ4 frames that our writer never makes.
struct Frame(Vec<u8>);

impl Frame {
    fn new(flags: u8, block_descriptor: u8, content_size: Option<u64>) -> Self {
        let mut descriptor = vec![flags, block_descriptor];
        descriptor.extend(content_size.into_iter().flat_map(u64::to_le_bytes));
        let check = (xxh32(&descriptor) >> 8) as u8;
        Self([&[0x04, 0x22, 0x4d, 0x18][..], &descriptor, &[check]].concat())
    }

    fn compressed(self, block: &[u8], checksum: bool) -> Self {
        self.block(block, 0, checksum)
    }

    fn stored(self, block: &[u8], checksum: bool) -> Self {
        self.block(block, 1 << 31, checksum)
    }

    fn block(mut self, block: &[u8], size_bits: u32, checksum: bool) -> Self {
        self.0.extend((block.len() as u32 | size_bits).to_le_bytes());
        self.0.extend(block);
        if checksum {
            self.0.extend(xxh32(block).to_le_bytes());
        }
        self
    }

    fn end(mut self, content: Option<&[u8]>) -> Vec<u8> {
        self.0.extend([0; 4]);
        self.0.extend(content.into_iter().flat_map(|c| xxh32(c).to_le_bytes()));
        self.0
    }
}

fn xxh32(bytes: &[u8]) -> u32 {
    twox_hash::XxHash32::oneshot(0, bytes)
}

fn decode_lz4(frame: &[u8], bound: usize) -> Result<Vec<u8>, CodecError> {
    compressing(Compression::Lz4).decode(&mut Scratch::new(), frame, bound)
}

#[test]
fn every_legal_lz4_frame_is_read() {
    let text = b"one two three one two three one two three one two three ".repeat(1000);
    let (first, second) = text.split_at(30_000);
    // Blocks that refer back into the one before: compressed, then stored.
    let second_linked = lz4_flex::block::compress_with_dict(second, first);
    assert!(second_linked.len() < lz4_flex::block::compress(second).len());
    let linked = Frame::new(0x44, 0x40, None)
        .compressed(&lz4_flex::block::compress(first), false)
        .compressed(&second_linked, false)
        .end(Some(&text));
    assert!(decode_lz4(&linked, text.len()).unwrap() == text);
    let linked_to_stored =
        Frame::new(0x44, 0x40, None).stored(first, false).compressed(&second_linked, false).end(Some(&text));
    assert!(decode_lz4(&linked_to_stored, text.len()).unwrap() == text);
    // Block checksums, content size, 256 KiB blocks, no content checksum.
    let checked = Frame::new(0x78, 0x50, Some(text.len() as u64))
        .compressed(&lz4_flex::block::compress(first), true)
        .stored(second, true)
        .end(None);
    assert!(decode_lz4(&checked, text.len()).unwrap() == text);
    assert_eq!(decode_lz4(&checked, text.len() - 1), Err(CodecError::TooLarge { bound: text.len() - 1 }));
}

#[test]
fn linked_blocks_reach_back_over_several_small_ones() {
    let text = generated("window", 200);
    let mut frame = Frame::new(0x44, 0x40, None);
    let mut content = Vec::new();
    for _ in 0..1000 {
        frame = frame.compressed(&lz4_flex::block::compress_with_dict(&text, &content), false);
        content.extend_from_slice(&text);
    }
    assert!(decode_lz4(&frame.end(Some(&content)), content.len()).unwrap() == content);
}

#[test]
fn illegal_lz4_frames_are_refused() {
    let refused = |frame: Vec<u8>| {
        let result = decode_lz4(&frame, 1 << 20);
        assert!(matches!(result, Err(CodecError::BadFrame { .. })), "{result:?}");
    };
    refused(b"not a frame at all".to_vec());
    // Version, reserved bits, block size, dictionary.
    for (flags, block_descriptor) in
        [(0x24, 0x70), (0x66, 0x70), (0x64, 0xf0), (0x64, 0x71), (0x64, 0x30), (0x65, 0x70)]
    {
        refused(Frame::new(flags, block_descriptor, None).end(Some(b"")));
    }
    // A checksum of a block, of the content, and a content size that are wrong.
    let mut frame = Frame::new(0x74, 0x70, None).stored(b"abc", true).end(Some(b"abc"));
    frame[11] ^= 1;
    refused(frame);
    refused(Frame::new(0x64, 0x70, None).stored(b"abc", false).end(Some(b"abd")));
    refused(Frame::new(0x6c, 0x70, Some(4)).stored(b"abc", false).end(Some(b"abc")));
    // Blocks larger than announced, stored and compressed.
    let zeros = vec![0; (64 << 10) + 1];
    let compressed = lz4_flex::block::compress(&zeros);
    refused(Frame::new(0x64, 0x40, None).stored(&zeros, false).end(Some(&zeros)));
    refused(Frame::new(0x64, 0x40, None).compressed(&compressed, false).end(Some(&zeros)));
    // A match that begins before the content.
    refused(Frame::new(0x64, 0x40, None).compressed(&[0x10, b'a', 9, 0, 0x10, b'b'], false).end(Some(b"a")));
}

#[test]
fn bombs_stop_at_the_bound() {
    let zeros = vec![0; 16 << 20];
    let mut scratch = Scratch::new();
    for compression in [Compression::Lz4, Compression::Gzip] {
        let codec = compressing(compression);
        let bomb = encoded(&codec, &zeros);
        for bound in [0, 1, 4 << 20, (4 << 20) + 1] {
            assert_eq!(codec.decode(&mut scratch, &bomb, bound), Err(CodecError::TooLarge { bound }));
        }
    }
}

#[test]
fn names_in_config_are_read_in_either_case() {
    assert_eq!(Compression::from_config("lz4"), Some(Compression::Lz4));
    assert_eq!(Compression::from_config("GZIP"), Some(Compression::Gzip));
    assert_eq!(Compression::from_config("ZSTD"), None);
    assert_eq!(SubkeyAlgorithm::from_config("AES256-KW"), Some(SubkeyAlgorithm::Aes256Kw));
    assert_eq!(SubkeyAlgorithm::from_config("AES256-GCM"), Some(SubkeyAlgorithm::Aes256Gcm));
    assert_eq!(SubkeyAlgorithm::from_config("AES128-KW"), None);
}

#[test]
fn debug_output_of_a_cipher_does_not_show_its_key() {
    let text = format!("{:?}", Cipher::new(&[0xab; 32], SubkeyAlgorithm::Aes256Kw, 4096));
    assert_eq!(text, "Cipher { subkey: Aes256Kw, piece_bytes: 4096, .. }");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_items_come_back(plain in prop::collection::vec(0u8..8, 0..20_000)) {
        let mut scratch = Scratch::new();
        for codec in codecs() {
            let mut out = Vec::new();
            codec.encode(&mut scratch, &plain, &mut out);
            prop_assert_eq!(&codec.decode(&mut scratch, &out, plain.len()).unwrap(), &plain);
        }
    }

    #[test]
    fn garbage_neither_panics_nor_exceeds_the_bound(
        garbage in prop::collection::vec(any::<u8>(), 0..2000),
        bound in 0usize..5000,
    ) {
        let mut scratch = Scratch::new();
        let lz4 = Frame::new(0x40, 0x40, None).compressed(&garbage, false).compressed(&garbage, false).end(None);
        let gzip = [hex("1f8b08000000000000ff"), garbage.clone()].concat();
        for codec in codecs() {
            for bytes in [&garbage, &lz4, &gzip] {
                if let Ok(plain) = codec.decode(&mut scratch, bytes, bound) {
                    prop_assert!(plain.len() <= bound);
                }
            }
        }
    }
}

const STATE_PAYLOAD: &str = "3dba9d1ab775c78f0961751aa42f480437c07a1ebb73425227fc40715f67a4ffbefbfac86ba21f81b6d6b23f07357848627f\
    b5e659d4d5155a7f2b891315d5f195676ee3fac3ebf8365f199a11d18d5de5c0f7b6dec7f9a914a83c9d6a3683cae457d6cb\
    db67e8d12a2fd00db8391061691b51524e63bbb71bd376f5d112aa4f522dc03fd134f4f230bd8b4add8bb8928c4bcd115013\
    390e13305bfd37d041869c7a20fa10c670da3a2227d9e3fa868d81b8fb793e503c377e3605e02f535173ece8";

const STATE: &str = "5535f57cb48b8d09c53197274a6b640c343ebfd14aa741feee01b12f5ecbf062032900000005c5f6ee4d12826d48522abd5f\
    1305ede1e92cbc9c72207af199b9f1acb02132bbe89e8526ed82ea180100010100f49a8526ed82ea18000000000000000000\
    00000000000000";
