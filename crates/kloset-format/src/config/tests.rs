//! What CONFIG may not ask for.

use super::*;

fn config(kdf: Kdf) -> Config {
    Config {
        timestamp: Timestamp::EPOCH,
        repository_id: [1; 16],
        packfile: PackfileSizes::default(),
        chunking: Chunking { algorithm: "FASTCDC".into(), min: 64 << 10, normal: 1 << 20, max: 4 << 20 },
        hashing: Hashing { algorithm: "SHA256".into(), bits: 256 },
        compression: Some(Compression { algorithm: "GZIP".into(), ..Compression::default() }),
        encryption: Some(Encryption {
            subkey_algorithm: "AES256-GCM".into(),
            data_algorithm: "AES256-GCM-SIV".into(),
            chunk_size: 1 << 20,
            kdf: KdfParams { salt: vec![7; 16], salt_size: 16, kdf },
            canary: vec![9; 100],
        }),
    }
}

fn argon2id() -> Config {
    config(Kdf::Argon2id { time: 4, memory_kib: 256 << 10, threads: 4, key_len: 32 })
}

/// Applies a change and expects the refusal to name this field.
#[track_caller]
fn refused(field: &str, mut config: Config, change: impl FnOnce(&mut Config)) {
    config.validate().expect("sound before the change");
    change(&mut config);
    let error = config.validate().expect_err(field);
    assert_eq!(error.field, field, "{error}");
}

#[test]
fn unknown_algorithms_are_refused() {
    refused("Hashing.Algorithm", argon2id(), |c| c.hashing.algorithm = "MD5".into());
    refused("Hashing.Bits", argon2id(), |c| c.hashing.bits = 512);
    refused("Chunking.Algorithm", argon2id(), |c| c.chunking.algorithm = String::new());
    refused("Compression.Algorithm", argon2id(), |c| {
        c.compression = Some(Compression { algorithm: "ZSTD".into(), ..Compression::default() });
    });
    let encryption =
        |change: fn(&mut Encryption)| move |c: &mut Config| change(c.encryption.as_mut().unwrap());
    refused("Encryption.SubKeyAlgorithm", argon2id(), encryption(|e| e.subkey_algorithm.clear()));
    refused("Encryption.DataAlgorithm", argon2id(), encryption(|e| e.data_algorithm = "none".into()));
    refused("Encryption.Canary", argon2id(), encryption(|e| e.canary.clear()));
    refused("KDFParams.Salt length", argon2id(), encryption(|e| e.kdf.salt = vec![0; 15]));
    for size in [-1, 0, 4095, (1 << 20) + 1, i64::MAX] {
        refused("Encryption.ChunkSize", argon2id(), |c| c.encryption.as_mut().unwrap().chunk_size = size);
    }
}

#[test]
fn chunk_sizes_that_are_missing_swapped_or_huge_are_refused() {
    refused("Chunking.MaxSize", argon2id(), |c| c.chunking.max = 0);
    refused("Chunking.MaxSize", argon2id(), |c| c.chunking.max = (64 << 20) + 1);
    refused("Chunking.NormalSize", argon2id(), |c| c.chunking.normal = 0);
    refused("Chunking.NormalSize", argon2id(), |c| c.chunking.normal = 5 << 20);
    refused("Chunking.MinSize", argon2id(), |c| c.chunking.min = 0);
    refused("Chunking.MinSize", argon2id(), |c| c.chunking.min = 2 << 20);
}

#[test]
fn key_derivations_beyond_the_caps_are_refused() {
    let with = |kdf: Kdf| move |c: &mut Config| c.encryption.as_mut().unwrap().kdf.kdf = kdf;
    for (field, kdf) in [
        ("argon2id.Time", Kdf::Argon2id { time: 0, memory_kib: 1 << 18, threads: 1, key_len: 32 }),
        ("argon2id.Time", Kdf::Argon2id { time: 17, memory_kib: 1 << 18, threads: 1, key_len: 32 }),
        ("argon2id.Memory", Kdf::Argon2id { time: 1, memory_kib: 8191, threads: 1, key_len: 32 }),
        ("argon2id.Memory", Kdf::Argon2id { time: 1, memory_kib: u32::MAX, threads: 1, key_len: 32 }),
        ("argon2id.Threads", Kdf::Argon2id { time: 1, memory_kib: 1 << 18, threads: 0, key_len: 32 }),
        ("argon2id.KeyLen", Kdf::Argon2id { time: 1, memory_kib: 1 << 18, threads: 1, key_len: 16 }),
        ("scrypt.N", Kdf::Scrypt { n: 1 << 21, r: 8, p: 1, key_len: 32 }),
        ("scrypt.N", Kdf::Scrypt { n: 1000, r: 8, p: 1, key_len: 32 }),
        ("scrypt.N", Kdf::Scrypt { n: -4, r: 8, p: 1, key_len: 32 }),
        ("scrypt.R", Kdf::Scrypt { n: 1 << 15, r: 17, p: 1, key_len: 32 }),
        ("scrypt.P", Kdf::Scrypt { n: 1 << 15, r: 8, p: 0, key_len: 32 }),
        ("pbkdf2.Iterations", Kdf::Pbkdf2 { iterations: 99_999, key_len: 32, hashing: "SHA256".into() }),
        ("pbkdf2.Iterations", Kdf::Pbkdf2 { iterations: i64::MIN, key_len: 32, hashing: "SHA256".into() }),
        ("pbkdf2.Hashing", Kdf::Pbkdf2 { iterations: 100_000, key_len: 32, hashing: "SHA1".into() }),
    ] {
        refused(field, argon2id(), with(kdf));
    }
}

#[test]
fn refusal_names_field_value_and_bound() {
    let mut config = argon2id();
    config.chunking.max = 0;
    let text = config.validate().unwrap_err().to_string();
    assert_eq!(text, "CONFIG Chunking.MaxSize is 0, allowed: 64 to 67108864");
}

#[test]
fn missing_parts_of_config_are_zero_and_missing_key_derivations_an_error() {
    let empty = Config::decode(b"\x80").unwrap();
    assert_eq!((empty.packfile.max, empty.encryption.is_none()), (0, true));
    assert!(empty.validate().is_err());
    for payload in [
        &b"\x81\xaaEncryption\x80"[..],
        b"\x81\xaaEncryption\x81\xa9KDFParams\x80",
        b"\x81\xaaEncryption\x81\xa9KDFParams\x81\xa3KDF\xa6SCRYPT",
        b"\x81\xaaEncryption\x81\xa9KDFParams\x82\xa3KDF\xa6SCRYPT\xa6scrypt\xc0",
        b"\x81\xaaEncryption\x81\xa9KDFParams\x82\xa3KDF\xa4none\xa6scrypt\x80",
    ] {
        assert!(Config::decode(payload).is_err());
    }
    assert!(Config::decode(&vec![0; Config::MAX_BYTES + 1]).is_err());
}

#[test]
fn repository_id_has_the_text_form_of_a_uuid() {
    let text = "3cbb2279-e305-4afd-a44d-9e1c1544623b";
    let id = RepositoryId::parse(text).unwrap();
    assert_eq!(id.to_string(), text);
    assert_eq!(text.to_uppercase().parse(), Ok(id));
    for bad in [
        "",
        "3cbb2279",
        "3cbb2279e3054afda44d9e1c1544623b",
        &text[1..],
        &format!("{text}0"),
        &format!("{text}00"),
    ] {
        assert_eq!(RepositoryId::parse(bad), None, "{bad}");
    }
}
