//! Prints the speed of every primitive on this machine. Run with `--release`.
#![allow(clippy::print_stdout)]

use kloset_codec::kdf::derive;
use kloset_codec::{
    ChunkSizes, Chunker, Cipher, Codec, Compression, HashAlgorithm, Kdf, MacKey, Scratch, SubkeyAlgorithm,
    content_type, entropy,
};
use rand::{RngCore, SeedableRng, rngs::StdRng};
use std::hint::black_box;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

/// Best time of one call of `work` out of half a second of calls.
fn best(mut work: impl FnMut()) -> Duration {
    let begin = Instant::now();
    let mut best = Duration::MAX;
    while begin.elapsed() < Duration::from_millis(500) {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed());
    }
    best
}

fn rate(name: &str, bytes: usize, work: impl FnMut()) {
    let time = best(work);
    println!("{name:44} {:8.0} MiB/s", bytes as f64 / MIB as f64 / time.as_secs_f64());
}

/// Cost of one of `count` equal calls.
fn cost(name: &str, count: u32, mut work: impl FnMut()) {
    let time = best(|| (0..count).for_each(|_| work()));
    println!("{name:44} {:8.0} ns", time.as_nanos() as f64 / f64::from(count));
}

fn main() {
    let mut random = vec![0u8; 64 * MIB];
    StdRng::seed_from_u64(1).fill_bytes(&mut random);
    let text = prose(&random);
    let key = MacKey::new(HashAlgorithm::Blake3, [7; 32]);

    hashing(&key, &random);
    encoding(&random, &text);
    cutting(&random);
    small_files(&key, &random, &text);
    for threads in [1, 4] {
        let kdf = Kdf::Argon2id { time: 4, memory_kib: 256 << 10, threads };
        let time = (0..3)
            .map(|_| {
                let start = Instant::now();
                black_box(derive(&kdf, &[1; 16], b"passphrase").expect("legal parameters"));
                start.elapsed()
            })
            .min();
        println!("argon2id 256 MiB, 4 passes, {threads} lanes: {time:?}");
    }
}

/// Words of random choice: compresses about as well as source text.
fn prose(random: &[u8]) -> Vec<u8> {
    let words: Vec<Vec<u8>> = random
        .chunks(8)
        .take(1500)
        .map(|c| c.iter().take(2 + usize::from(c[7] % 6)).map(|b| b'a' + b % 26).collect())
        .collect();
    let mut text = Vec::new();
    for pair in random.as_chunks::<2>().0.iter().take(1 << 20) {
        let pick = u32::from(u16::from_le_bytes(*pair));
        // Squared: some words are much more common than others.
        text.extend_from_slice(&words[(pick * pick / (u32::from(u16::MAX) / 1500) / 65_536) as usize % 1500]);
        text.push(if pick % 12 == 0 { b'\n' } else { b' ' });
    }
    text
}

fn hashing(key: &MacKey, random: &[u8]) {
    let chunk = &random[..MIB];
    rate("mac, blake3, 1 MiB", MIB, || _ = black_box(key.mac(chunk)));
    rate("mac, blake3, 4 KiB", 4096, || _ = black_box(key.mac(&chunk[..4096])));
    let sha256 = MacKey::new(HashAlgorithm::Sha256, [7; 32]);
    rate("mac, sha256, 1 MiB", MIB, || _ = black_box(sha256.mac(chunk)));
}

fn codecs() -> [(&'static str, Codec); 4] {
    let cipher = || Some(Cipher::new(&[7; 32], SubkeyAlgorithm::Aes256Kw, 65_536));
    [
        ("lz4", Codec { compression: Some(Compression::Lz4), cipher: None }),
        ("aes", Codec { compression: None, cipher: cipher() }),
        ("lz4+aes", Codec { compression: Some(Compression::Lz4), cipher: cipher() }),
        ("gzip", Codec { compression: Some(Compression::Gzip), cipher: None }),
    ]
}

fn encoding(random: &[u8], text: &[u8]) {
    let mut scratch = Scratch::new();
    for (name, codec) in codecs() {
        for (kind, data) in [("random", random), ("text", text)] {
            let plain = &data[..MIB];
            let mut out = Vec::with_capacity(2 * MIB);
            rate(&format!("encode {name}, {kind}, 1 MiB"), MIB, || {
                out.clear();
                codec.encode(&mut scratch, black_box(plain), &mut out);
            });
            rate(&format!("decode {name}, {kind} (ratio {:.2})", out.len() as f64 / MIB as f64), MIB, || {
                black_box(codec.decode(&mut scratch, &out, MIB).expect("just encoded"));
            });
        }
        for size in [300, 2000] {
            let plain = &text[..size];
            let mut out = Vec::with_capacity(MIB);
            cost(&format!("encode {name}, {size} bytes of text"), 1000, || {
                out.clear();
                codec.encode(&mut scratch, black_box(plain), &mut out);
            });
            cost(&format!("decode {name}, {size} bytes of text"), 1000, || {
                black_box(codec.decode(&mut scratch, &out, MIB).expect("just encoded"));
            });
        }
    }
}

fn cutting(random: &[u8]) {
    let sizes = ChunkSizes { min: 512 << 10, normal: MIB, max: 8 * MIB };
    let chunker = Chunker::new("fastcdc-v1.0.0", sizes).expect("the default sizes");
    let total = 48 * MIB;
    rate("cut (skipped minimum counted)", total, || {
        let mut at = 0;
        while at < total {
            at += chunker.cut(&random[at..at + sizes.max]);
        }
        black_box(at);
    });
}

fn small_files(key: &MacKey, random: &[u8], text: &[u8]) {
    rate("entropy, random, 1 MiB", MIB, || {
        black_box(entropy::entropy(&random[..MIB]));
    });
    rate("entropy, text, 1 MiB", MIB, || {
        black_box(entropy::entropy(&text[..MIB]));
    });
    rate("entropy, zeros, 1 MiB", MIB, || {
        black_box(entropy::entropy(black_box(&[0; MIB])));
    });
    for size in [300, 2000, 4000] {
        for (kind, data) in [("text", text), ("random", random)] {
            let file = &data[..size];
            cost(&format!("mac, {size} bytes"), 1000, || _ = black_box(key.mac(black_box(file))));
            cost(&format!("entropy, {size} bytes of {kind}"), 1000, || {
                black_box(entropy::entropy(black_box(file)));
            });
            cost(&format!("content type, {size} bytes of {kind}"), 1000, || {
                black_box(content_type::detect(black_box(file)));
            });
        }
    }
}
