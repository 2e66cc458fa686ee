//! Bytes of stores written by the reference implementation, as the format description gives them.

use kloset_format::config::{Chunking, Compression, Encryption, Hashing, Kdf, KdfParams, PackfileSizes};
use kloset_format::packfile::{self, BlobRecord, Footer};
use kloset_format::{
    Config, LockRecord, Mac, RepositoryId, ResourceType, StateEntry, StateId, StateReader, StateWriter,
    Timestamp, Version, envelope,
};

use crate::{hex, unhex};

/// Whole CONFIG file of a plaintext store.
pub const CONFIG_FILE: &str = "
5f4b4c4f5345545f 01000000 00000100
87a954696d657374616d70d7ff054909e86b037df5ac5265706f7369746f72794944c4103cbb2279e3054afda44d9e1c1544623ba85061636b66696c6583a74d
696e53697a65cf0000000000000000a741766753697a65cf0000000000000000a74d617853697a65cf0000000004000000a84368756e6b696e6784a9416c676f
726974686dae666173746364632d76312e302e30a74d696e53697a65ce00080000aa4e6f726d616c53697a65ce00100000a74d617853697a65ce00800000a748
617368696e6782a9416c676f726974686da6424c414b4533a442697473ce00000100ab436f6d7072657373696f6e86a9416c676f726974686da34c5a34a54c65
76656cce00020000aa57696e646f7753697a65ffa94368756e6b53697a65ffa9426c6f636b53697a65ffa9456e61626c65435243c2aa456e6372797074696f6e
c0
ac9622d907d278e60bcc24ddbd65c3a2d06b307623691b709824f5becd5c9e6b
";

/// Decoded state that `rm` wrote.
pub const STATE: &str = "
5535f57cb48b8d09c53197274a6b640c343ebfd14aa741feee01b12f5ecbf062
03 29000000 05 c5f6ee4d12826d48522abd5f1305ede1e92cbc9c72207af199b9f1acb02132bb e89e8526ed82ea18
01 00010100 f49a8526ed82ea18 00000000000000000000000000000000
";

/// Two index records, then footer and footer length of an unencoded packfile.
const PACKFILE_TAIL: &str = "
ff000000 00000100 c195e4c37bd60fd5766466a4d046a5a08ce19a4a7dea20fabc62670c5a12f745 0000000000000000 15030200 00000000
0c000000 00000100 65c72806bce6d91d580f14e43b41dace0ba97fccd9c7e9475156cac3f19cc7dc 1503020000000000 ff000000 00000000
205da7a29682ea18 4d000000 9da2030000000000 7cf398b382d3b505cc073e370e8f90c2a8f3b4bce70c29d72e033d69f7415689 00000000 38000000
";

/// Decoded lock.
pub const LOCK: &str =
    "84a776657273696f6ece00010000a974696d657374616d70d7ff2855f1606b037e09a8686f73746e616d65a2766da96578636c75
73697665c2";

/// Canary of an encrypted store.
const CANARY: &str = "
18d5085e2dab84d87e015144aee3e54d36da894d5d2dad6f98812f909e0c0327060ed77815c58b41
           80da06ab488459603a0c1299f474ee4b915098db29936de7ce5d559a82c5d0f1e2db581c7ba1aa9468401a19ab59594d7f38647ac2657e0ad17f6362
";

fn plaintext_config() -> Config {
    Config {
        timestamp: Timestamp { seconds: 0x6b03_7df5, nanoseconds: 0x0549_09e8 >> 2 },
        repository_id: RepositoryId::parse("3cbb2279-e305-4afd-a44d-9e1c1544623b").unwrap().0,
        packfile: PackfileSizes { min: 0, avg: 0, max: 64 << 20 },
        chunking: Chunking {
            algorithm: "fastcdc-v1.0.0".into(),
            min: 512 << 10,
            normal: 1 << 20,
            max: 8 << 20,
        },
        hashing: Hashing { algorithm: "BLAKE3".into(), bits: 256 },
        compression: Some(Compression {
            algorithm: "LZ4".into(),
            level: 131_072,
            window_size: -1,
            chunk_size: -1,
            block_size: -1,
            enable_crc: false,
        }),
        encryption: None,
    }
}

/// A config of an encrypted store with the given key derivation.
pub fn encrypted_config(kdf: Kdf) -> Config {
    Config {
        encryption: Some(Encryption {
            subkey_algorithm: "AES256-KW".into(),
            data_algorithm: "AES256-GCM-SIV".into(),
            chunk_size: 65_536,
            kdf: KdfParams { salt: unhex("1eb039af7c389cc0b90e023f71bf2c86"), salt_size: 16, kdf },
            canary: unhex(CANARY),
        }),
        ..plaintext_config()
    }
}

#[test]
fn config_of_a_plaintext_store_is_read_and_written_byte_for_byte() {
    let file = unhex(CONFIG_FILE);
    assert_eq!(file.len(), 369);
    let envelope = envelope::open(&file, ResourceType::CONFIG, Version::V1_0_0).unwrap();
    assert_eq!(envelope.trailer.0, *blake3::hash(envelope.signed).as_bytes());
    let config = Config::decode(envelope.payload).unwrap();
    assert_eq!(config, plaintext_config());
    assert_eq!(hex(&config.encode()), hex(envelope.payload));
    config.validate().unwrap();
    assert_eq!(RepositoryId(config.repository_id).to_string(), "3cbb2279-e305-4afd-a44d-9e1c1544623b");
}

#[test]
fn encryption_of_config_has_the_widths_of_the_reference() {
    let argon = encrypted_config(Kdf::Argon2id { time: 4, memory_kib: 262_144, threads: 1, key_len: 32 });
    argon.validate().unwrap();
    let bytes = hex(&argon.encode());
    for part in [
        // ChunkSize: smallest form.
        "a94368756e6b53697a65ce00010000",
        // Threads: one byte.
        "a754687265616473cc01",
        // KDFParams: three keys, absent algorithms left out.
        "a94b4446506172616d7383a34b4446a84152474f4e324944",
        // KeyLen.
        "a64b65794c656ece00000020",
    ] {
        assert!(bytes.contains(part), "{part}");
    }
    let scrypt = encrypted_config(Kdf::Scrypt { n: 32_768, r: 8, p: 1, key_len: 32 });
    assert!(hex(&scrypt.encode()).contains("a14ecd8000a15208a15001a64b65794c656e20"));
    let pbkdf2 = encrypted_config(Kdf::Pbkdf2 { iterations: 100_000, key_len: 32, hashing: "SHA256".into() });
    for config in [argon, scrypt, pbkdf2] {
        config.validate().unwrap();
        assert_eq!(Config::decode(&config.encode()).unwrap(), config);
    }
}

#[test]
fn state_written_by_rm_is_read_and_written_byte_for_byte() {
    let plain = unhex(STATE);
    let mut reader = StateReader::new(&plain, Version::V1_1_0).unwrap();
    let parent =
        StateId::from_hex("5535f57cb48b8d09c53197274a6b640c343ebfd14aa741feee01b12f5ecbf062").unwrap();
    assert_eq!(reader.parent(), parent);
    let entries: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    let StateEntry::Coloured { resource, mac, when_ns } = entries[0] else { panic!("{entries:?}") };
    assert_eq!((entries.len(), resource), (1, ResourceType::SNAPSHOT));
    let metadata = reader.metadata().unwrap();
    assert_eq!(metadata, StateReader::metadata_of(&plain).unwrap());
    assert_eq!((metadata.version, metadata.serial), (Version::V1_1_0, [0; 16]));

    let mut writer = StateWriter::new(parent);
    writer.coloured(resource, &mac, when_ns);
    let again = writer.finish(Version::V1_1_0, metadata.timestamp_ns, metadata.serial);
    assert_eq!(hex(&again), hex(&plain));
}

#[test]
fn lock_is_read_and_written_byte_for_byte() {
    let lock = LockRecord::decode(&unhex(LOCK)).unwrap();
    assert_eq!((lock.hostname.as_str(), lock.exclusive, lock.version), ("vm", false, Version::V1_0_0));
    assert_eq!(lock.timestamp, Timestamp { seconds: 0x6b03_7e09, nanoseconds: 0x2855_f160 >> 2 });
    assert_eq!(hex(&lock.encode()), hex(&unhex(LOCK)));
}

#[test]
fn packfile_index_and_footer_are_read_and_written_byte_for_byte() {
    let bytes = unhex(PACKFILE_TAIL);
    let (index, rest) = bytes.split_at(2 * BlobRecord::SIZE_BYTES);
    let records: Vec<_> = packfile::records(index).unwrap().collect();
    assert_eq!(records[0].resource_type(), Some(ResourceType::RANDOM));
    assert_eq!(records[1].resource_type(), Some(ResourceType::VFS_ENTRY));
    assert_eq!(records[0].range(u64::MAX).unwrap().end, records[1].offset);
    packfile::check_layout(&records, 238_237).unwrap();
    let mut again = Vec::new();
    for record in &records {
        record.encode(&mut again);
    }
    assert_eq!(again, index);

    let (encoded, offset) = packfile::split_payload(rest).unwrap();
    assert_eq!((encoded.len(), offset), (Footer::SIZE_BYTES, 0));
    let footer = Footer::decode(encoded).unwrap();
    assert_eq!((footer.count, footer.index_offset, footer.flags), (77, 238_237, 0));
    assert_eq!(
        footer.index_mac.short(),
        Mac(unhex("7cf398b382d3b505cc073e370e8f90c2a8f3b4bce70c29d72e033d69f7415689").try_into().unwrap())
            .short()
    );
    assert_eq!(footer.encode(), encoded);
}

#[test]
fn state_of_version_1_0_0_has_no_parent_and_skips_deletes() {
    let mut plain = unhex(STATE).split_off(32);
    let mark = plain.len() - 29;
    plain.splice(mark..mark, [6, 2, 0, 0, 0, 1, 2]);
    let mut reader = StateReader::new(&plain, Version::V1_0_0).unwrap();
    assert!(reader.parent().is_zero());
    assert_eq!(reader.by_ref().filter(|entry| entry.is_ok()).count(), 1);
    assert!(reader.metadata().is_some());
}
