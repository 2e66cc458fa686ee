//! Damaged and malicious bytes: refused or read, but never a panic and never a large allocation.

use kloset_format::msgpack::{DEPTH_MAX, Reader};
use kloset_format::packfile::{self, BlobRecord, Footer};
use kloset_format::ptar::{self, Trailer};
use kloset_format::{
    Config, DecodeError, Entry, Header, LockRecord, Node, Object, ResourceType, StateReader, Version,
    dirpack, envelope,
};
use proptest::prelude::*;

use crate::golden::{CONFIG_FILE, LOCK, STATE};
use crate::records::{recode, records};
use crate::unhex;

const BLOB_TYPES: [u64; 9] = [5, 7, 9, 10, 11, 12, 15, 18, 21];

/// Runs every decoder over the same bytes; only panics are failures.
fn decode_everything(bytes: &[u8]) {
    for blob_type in BLOB_TYPES {
        let _ = recode(blob_type, bytes);
    }
    if let Ok(config) = Config::decode(bytes) {
        let _ = config.validate();
        let _ = Config::decode(&config.encode());
    }
    let _ = LockRecord::decode(bytes);
    for version in [Version::V1_0_0, Version::V1_1_0] {
        if let Ok(reader) = StateReader::new(bytes, version) {
            assert!(reader.count() <= bytes.len() + 1);
        }
    }
    let _ = StateReader::metadata_of(bytes);
    if let Ok(records) = packfile::records(bytes) {
        let records: Vec<BlobRecord> = records.collect();
        let _ = packfile::check_layout(&records, bytes.len() as u64);
    }
    if let (Ok(footer), Ok((_, offset))) = (Footer::decode(bytes), packfile::split_payload(bytes)) {
        let _ = footer.index_range(offset);
        let _ = footer.check_count(bytes);
    }
    let _ = Trailer::decode(bytes, bytes.len() as u64);
    let _ = ptar::check_header(bytes);
    let _ = envelope::open(bytes, ResourceType::STATE, Version::V1_1_0);
}

/// Every vector and golden record there is.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = records().into_iter().map(|(_, _, bytes)| bytes).collect();
    seeds.extend([CONFIG_FILE, STATE, LOCK].map(unhex));
    seeds.push(unhex(CONFIG_FILE)[16..369 - 32].to_vec());
    seeds
}

#[test]
fn records_cut_at_any_length_are_refused() {
    for (name, blob_type, bytes) in records().into_iter().filter(|(_, blob_type, _)| *blob_type != 9) {
        for length in 0..bytes.len() {
            assert!(recode(blob_type, &bytes[..length]).is_err(), "{name} cut at {length}");
        }
        let mut longer = bytes.clone();
        longer.push(0xc0);
        assert!(recode(blob_type, &longer).is_err(), "{name} with a byte more");
    }
}

#[test]
fn config_and_lock_cut_at_any_length_are_refused() {
    let payload = &unhex(CONFIG_FILE)[16..369 - 32];
    for length in 0..payload.len() {
        assert!(Config::decode(&payload[..length]).is_err());
    }
    let lock = unhex(LOCK);
    for length in 0..lock.len() {
        assert!(LockRecord::decode(&lock[..length]).is_err());
    }
}

#[test]
fn states_cut_at_any_length_never_show_metadata() {
    let plain = unhex(STATE);
    for length in 0..plain.len() {
        let Ok(mut reader) = StateReader::new(&plain[..length], Version::V1_1_0) else {
            assert!(length < 32);
            continue;
        };
        let last = reader.by_ref().last();
        assert!(matches!(last, Some(Err(_))) && reader.metadata().is_none(), "cut at {length}");
    }
    let mut longer = plain;
    longer.push(0);
    let mut reader = StateReader::new(&longer, Version::V1_1_0).unwrap();
    assert!(reader.by_ref().last().unwrap().is_err() && reader.metadata().is_none());
}

#[test]
fn flipped_bits_anywhere_never_panic() {
    for seed in seeds() {
        for at in 0..seed.len() {
            for bit in [0x01, 0x10, 0x80, 0xff] {
                let mut bytes = seed.clone();
                bytes[at] ^= bit;
                decode_everything(&bytes);
            }
        }
    }
}

#[test]
fn state_entries_of_wrong_or_huge_length_are_refused_and_small_unknown_ones_skipped() {
    let plain = unhex(STATE);
    let with = |entry: &[u8]| {
        let mut bytes = plain.clone();
        bytes.splice(32..32, entry.iter().copied());
        let mut reader = StateReader::new(&bytes, Version::V1_1_0).unwrap();
        let entries: Vec<_> = reader.by_ref().collect();
        (entries, reader.metadata())
    };
    let (entries, metadata) = with(&[99, 3, 0, 0, 0, 1, 2, 3]);
    assert!(entries.len() == 1 && entries[0].is_ok() && metadata.is_some());
    for entry in [
        // A location of 84 bytes.
        &[&[2u8, 84, 0, 0, 0][..], &[0; 84]].concat()[..],
        // An unknown entry longer than the state.
        &[99, 0xff, 0xff, 0x0f, 0],
        // An unknown entry longer than is ever skipped.
        &[99, 0xff, 0xff, 0xff, 0xff],
        // Deletes entries of the unknown type 7.
        &[&[6u8, 66, 0, 0, 0, 7][..], &[0; 65]].concat(),
        // A configuration whose key is longer than the entry.
        &[5, 3, 0, 0, 0, 200, 1, 2],
        // A configuration with a byte left over.
        &[5, 12, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    ] {
        let (entries, metadata) = with(entry);
        assert!(entries.len() == 1 && entries[0].is_err() && metadata.is_none(), "{entry:?}");
    }
}

#[test]
fn declared_lengths_beyond_the_input_are_refused() {
    for bytes in [
        // A map, a list, a string and a byte string of 2^32-1.
        &b"\xdf\xff\xff\xff\xff"[..],
        b"\x81\xa6chunks\xdd\xff\xff\xff\xff",
        b"\x81\xaccontent_type\xdb\xff\xff\xff\xff",
        b"\x81\xaacontentMAC\xc6\xff\xff\xff\xff",
        b"\x81\xa7unknown\xc9\xff\xff\xff\xff\x01",
    ] {
        assert!(Object::decode(bytes).is_err());
    }
}

#[test]
fn lists_of_tiny_items_do_not_grow_beyond_the_input() {
    let mut chunks = b"\x81\xa6chunks\xdc\xff\xff".to_vec();
    chunks.resize(chunks.len() + 0xffff, 0xc0);
    assert!(Object::decode(&chunks).is_err());
    let mut pointers = b"\x81\xa8pointers\xdc\xff\xff".to_vec();
    pointers.resize(pointers.len() + 0xffff, 0xc0);
    assert!(Node::decode(&pointers).is_err());
    for list in ["sources", "context", "classifications"] {
        let mut header = vec![0x81, 0xa0 | list.len() as u8];
        header.extend(list.bytes().chain([0xdc, 0xff, 0xff]));
        header.resize(header.len() + 0xffff, 0x80);
        assert!(Header::decode(&header).is_err(), "{list}");
    }
}

#[test]
fn nesting_ends_at_the_limit() {
    let nested = |depth: u32| {
        let mut bytes = b"\x81\xa1x".to_vec();
        bytes.extend((1..depth).map(|_| 0x91));
        bytes.push(0xc0);
        bytes
    };
    assert!(Entry::decode(&nested(DEPTH_MAX)).is_ok());
    assert!(Entry::decode(&nested(DEPTH_MAX + 1)).is_err());
    assert!(Entry::decode(&nested(100_000)).is_err());
}

#[test]
fn readers_take_unknown_doubled_missing_and_compact_fields() {
    let bytes = b"\x86\xa1?\x92\xc0\x81\xa1a\xcb\0\0\0\0\0\0\0\0\xa8replicas\x01\xa8replicas\x02\
        \xa4tags\xc0\xa8duration\xff\xa4name\xc4\x01n";
    let header = Header::decode(bytes).unwrap();
    assert_eq!((header.replicas, header.duration_ns), (2, -1));
    assert_eq!(header.name, "n");
    assert!(header.tags.is_empty() && header.sources.is_empty() && header.identifier.is_zero());
}

#[test]
fn wrong_types_and_ranges_name_the_field_and_its_place() {
    let error = Header::decode(b"\x81\xa8replicas\xcf\0\0\0\x01\0\0\0\0").unwrap_err();
    assert_eq!(
        error,
        DecodeError {
            resource: "snapshot header",
            field: "replicas",
            offset: 10,
            expected: "an integer of 32 bits".into(),
            found: "4294967296".into(),
        }
    );
    let text = "snapshot header: replicas at byte 10: expected an integer of 32 bits, found 4294967296";
    assert_eq!(error.to_string(), text);
    assert!(Header::decode(b"\x81\xa8replicas\xff").is_err());
    assert!(Header::decode(b"\x81\xa4name\x05").is_err());
    assert!(Header::decode(b"\x81\xaaidentifier\xc4\x02ab").is_err());
    assert!(Header::decode(b"\x81\xa9timestamp\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    assert!(Header::decode(b"\x81\x05\x05").is_err());
    assert!(Header::decode(b"\x81\xc0\x05").is_err());
    assert!(Header::decode(b"\xc1").is_err());
}

#[test]
fn names_that_escape_their_directory_are_not_plain() {
    let named = |parent: &[u8], name: &[u8]| {
        Entry::new(parent.to_vec(), kloset_format::FileInfo::made_up_directory(name)).has_plain_name()
    };
    assert!(named(b"/", b"/") && named(b"/a", b"b") && named(b"/a", b"\xff..") && named(b"/", b"..."));
    for name in [&b""[..], b".", b"..", b"../b", b"b/c", b"/b", b"b\0", b"/"] {
        assert!(!named(b"/a", name), "{}", name.escape_ascii());
    }
}

#[test]
fn dirpack_frames_end_at_the_first_damage() {
    let frames: Vec<_> = dirpack::frames(&[1, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]).collect();
    assert!(frames.len() == 1 && frames[0].is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mutated_records_never_panic(
        pick: prop::sample::Index,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..6),
    ) {
        let seeds = seeds();
        let mut bytes = pick.get(&seeds).clone();
        for (at, byte, action) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match action {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        decode_everything(&bytes);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        decode_everything(&bytes);
        let mut reader = Reader::new("test", &bytes);
        while reader.skip().is_ok() {}
    }
}
