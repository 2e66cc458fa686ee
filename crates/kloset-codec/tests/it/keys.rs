use crate::vectors::{hex, to_hex};
use kloset_codec::kdf::derive;
use kloset_codec::{HashAlgorithm, Kdf, KdfError, MacKey, config_trailer};
use kloset_format::Mac;

const PASSPHRASE: &[u8] = b"correct horse battery staple 42!";
const SALT: &str = "1eb039af7c389cc0b90e023f71bf2c86";

fn derived(kdf: Kdf) -> String {
    to_hex(derive(&kdf, &hex(SALT), PASSPHRASE).unwrap().as_slice())
}

#[test]
fn keys_are_those_of_the_reference() {
    assert_eq!(
        derived(Kdf::Argon2id { time: 4, memory_kib: 262_144, threads: 1 }),
        "da4e2853b4d80b24e0a911484cab018b1fb2d3dab260959b5eee3620e67c42ca"
    );
    assert_eq!(
        derived(Kdf::Scrypt { n: 32_768, r: 8, p: 1 }),
        "15fbacf8357cbb3425217090253a8dc31690cd52910ec89058ff8438dafa4b3a"
    );
    assert_eq!(
        derived(Kdf::Pbkdf2Sha256 { rounds: 100_000 }),
        "121e72cfcfc7cb448c2d68c2357671ae108b7ebe00b4bebbe0d4036379a057d0"
    );
}

#[test]
fn impossible_parameters_are_refused() {
    for kdf in [
        Kdf::Argon2id { time: 0, memory_kib: 8192, threads: 1 },
        Kdf::Argon2id { time: 1, memory_kib: 8192, threads: 0 },
        Kdf::Argon2id { time: 1, memory_kib: 8, threads: 4 },
        Kdf::Scrypt { n: 0, r: 8, p: 1 },
        Kdf::Scrypt { n: 1000, r: 8, p: 1 },
        Kdf::Scrypt { n: 1 << 14, r: 1 << 20, p: 1 << 20 },
        Kdf::Scrypt { n: 1 << 14, r: 0, p: 1 },
        Kdf::Pbkdf2Sha256 { rounds: 0 },
    ] {
        assert!(
            matches!(derive(&kdf, &hex(SALT), PASSPHRASE), Err(KdfError::BadParameters { .. })),
            "{kdf:?}"
        );
    }
}

#[test]
fn macs_are_those_of_the_reference() {
    let encrypted = MacKey::new(
        HashAlgorithm::Blake3,
        hex("da4e2853b4d80b24e0a911484cab018b1fb2d3dab260959b5eee3620e67c42ca").try_into().unwrap(),
    );
    assert_eq!(
        encrypted.mac(b"").to_string(),
        "c1d730d69354206a66cd2b69e7c86687ab957a6d2407bf74aacb6757be6bc770"
    );
    assert_eq!(
        encrypted.mac(b"hello kloset\n").to_string(),
        "bc7d1702f7d8938e200a2f30e4b09fe5e3f8de236a0c108082c7dbbcb1771bbc"
    );
    let id = hex("3cbb2279-e305-4afd-a44d-9e1c1544623b").try_into().unwrap();
    let plain = MacKey::for_plaintext_store(HashAlgorithm::Blake3, &id);
    assert_eq!(
        plain.mac(b"hello kloset\n").to_string(),
        "8dcfdf53e88c201188321894abc30ff4a1ff800cbc4a2e0863c26ac5ad67260c"
    );
    let id = hex("ca004458-d2fd-4ae2-9b66-0f5f09abf2bf").try_into().unwrap();
    let sha256 = MacKey::for_plaintext_store(HashAlgorithm::Sha256, &id);
    assert_eq!(
        sha256.mac(b"hello kloset\n").to_string(),
        "155dac60570e71774018c575321d58e8c7134400f685cc8b4257510a59651ae4"
    );
}

#[test]
fn pieces_hash_like_the_whole() {
    for algorithm in [HashAlgorithm::Blake3, HashAlgorithm::Sha256] {
        let key = MacKey::new(algorithm, [9; 32]);
        let whole = key.mac(b"one two three");
        assert_eq!(key.mac_parts(&[b"one ", b"", b"two three"]), whole);
        let mut stream = key.stream();
        stream.update(b"one two");
        stream.update(b" three");
        assert_eq!(stream.finish(), whole);
        assert!(key.verify_parts(&[b"one two ", b"three"], &whole));
        assert!(!key.verify_parts(&[b"one two ", b"Three"], &whole));
    }
}

#[test]
fn trailer_of_a_plaintext_config_is_plain_blake3() {
    let config = hex(CONFIG);
    let (signed, trailer) = config.split_last_chunk::<32>().unwrap();
    assert_eq!(config_trailer(None, signed), Mac(*trailer));
    assert_ne!(config_trailer(Some(&[0; 32]), signed), Mac(*trailer));
}

#[test]
fn trailers_of_sha256_stores_are_hmacs() {
    let id = hex("ca004458-d2fd-4ae2-9b66-0f5f09abf2bf").try_into().unwrap();
    let lock = hex(LOCK);
    let (signed, trailer) = lock.split_last_chunk::<32>().unwrap();
    let key = MacKey::for_plaintext_store(HashAlgorithm::Sha256, &id);
    assert!(key.verify_parts(&[signed], &Mac(*trailer)));
}

#[test]
fn algorithm_names_are_read_in_either_case() {
    assert_eq!(HashAlgorithm::from_config("blake3"), Some(HashAlgorithm::Blake3));
    assert_eq!(HashAlgorithm::from_config("SHA256"), Some(HashAlgorithm::Sha256));
    assert_eq!(HashAlgorithm::from_config("MD5"), None);
}

#[test]
fn debug_output_of_a_key_does_not_show_it() {
    assert_eq!(format!("{:?}", MacKey::new(HashAlgorithm::Blake3, [0xab; 32])), "MacKey(BLAKE3)");
}

const CONFIG: &str = "5f4b4c4f5345545f010000000000010087a954696d657374616d70d7ff054909e86b037df5ac5265706f7369746f72794944\
    c4103cbb2279e3054afda44d9e1c1544623ba85061636b66696c6583a74d696e53697a65cf0000000000000000a741766753\
    697a65cf0000000000000000a74d617853697a65cf0000000004000000a84368756e6b696e6784a9416c676f726974686dae\
    666173746364632d76312e302e30a74d696e53697a65ce00080000aa4e6f726d616c53697a65ce00100000a74d617853697a\
    65ce00800000a748617368696e6782a9416c676f726974686da6424c414b4533a442697473ce00000100ab436f6d70726573\
    73696f6e86a9416c676f726974686da34c5a34a54c6576656cce00020000aa57696e646f7753697a65ffa94368756e6b5369\
    7a65ffa9426c6f636b53697a65ffa9456e61626c65435243c2aa456e6372797074696f6ec0ac9622d907d278e60bcc24ddbd\
    65c3a2d06b307623691b709824f5becd5c9e6b";

const LOCK: &str = "5f4b4c4f5345545f020000000000010004224d186470b93900008084a776657273696f6ece00010000a974696d657374616d\
    70d7ff2855f1606b037e09a8686f73746e616d65a2766da96578636c7573697665c200000000c9d26cafa11eeca569df9ea6\
    e7c3f2917458e99ad4201965b9dbe8d41b3e40aac1ef3c8c";
