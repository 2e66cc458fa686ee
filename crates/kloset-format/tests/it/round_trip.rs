//! Random values: decoding what was encoded gives the same value, and the same bytes again.

use kloset_format::config::Kdf;
use kloset_format::entry::{CustomMetadata, EntryClassification, Score};
use kloset_format::header::{
    Class, Classification, Identity, Importer, Index, KeyValue, Roots, SourceRecord,
};
use kloset_format::msgpack::{self, Reader};
use kloset_format::summary::Counters;
use kloset_format::{
    ChunkRecord, Config, Entry, FileInfo, FileMode, Header, LockRecord, Mac, Object, PackfileId,
    ResourceType, SnapshotId, StateEntry, StateId, StateReader, StateWriter, Summary, Text, Timestamp,
    Version,
};
use proptest::prelude::*;

use crate::golden::encrypted_config;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..40),
        1 => prop::collection::vec(any::<u8>(), 200..300),
        1 => (65_530usize..65_540).prop_map(|length| vec![b'x'; length]),
    ]
}

fn text() -> impl Strategy<Value = Text> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Text)
}

fn texts() -> impl Strategy<Value = Vec<Text>> {
    prop::collection::vec(text(), 0..20)
}

fn id() -> impl Strategy<Value = Mac> {
    any::<[u8; 32]>().prop_map(Mac)
}

fn time() -> impl Strategy<Value = Timestamp> {
    let seconds = prop_oneof![any::<i64>(), any::<u32>().prop_map(i64::from), 0i64..(1 << 35), -10i64..10];
    (seconds, prop_oneof![Just(0), 0u32..1_000_000_000])
        .prop_map(|(seconds, nanoseconds)| Timestamp { seconds, nanoseconds })
}

fn counters() -> impl Strategy<Value = Counters> {
    (any::<[u16; 8]>(), any::<[i64; 2]>(), prop::num::f64::NORMAL).prop_map(|(n, times, entropy)| Counters {
        files: n[0].into(),
        setuid: n[1].into(),
        min_size: n[2].into(),
        size: n[3].into(),
        hi_entropy: n[4].into(),
        mime_video: n[5].into(),
        errors: (n[6] % 2).into(),
        chunks: n[7].into(),
        min_mod_time: times[0],
        max_mod_time: times[1],
        max_entropy: entropy,
        ..Counters::default()
    })
}

fn summary() -> impl Strategy<Value = Summary> {
    (prop_oneof![Just(Counters::default()), counters()], counters())
        .prop_map(|(directory, below)| Summary { directory, below })
}

fn file_info() -> impl Strategy<Value = FileInfo> {
    (bytes(), any::<(i64, u32, u64, u64)>(), time(), any::<(u64, u64, u16, u32)>(), bytes(), bytes())
        .prop_map(
            |(name, (size, mode, dev, ino), mod_time, (uid, gid, nlink, flags), username, groupname)| {
                FileInfo {
                    name,
                    size,
                    mode: FileMode(mode),
                    mod_time,
                    dev,
                    ino,
                    uid,
                    gid,
                    nlink,
                    username,
                    groupname,
                    flags,
                }
            },
        )
}

fn classification() -> impl Strategy<Value = EntryClassification> {
    let scores = prop::collection::vec(
        (text(), prop::num::f64::NORMAL).prop_map(|(key, value)| Score { key, value }),
        0..4,
    );
    (text(), texts(), scores).prop_map(|(analyzer, classes, scores)| EntryClassification {
        analyzer,
        classes,
        scores,
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let content = (id(), "[a-z/; =-]{0,40}", prop::num::f64::POSITIVE, any::<u64>());
    let names = || prop::collection::vec(bytes(), 0..3);
    let custom =
        prop::collection::vec((text(), bytes()).prop_map(|(key, value)| CustomMetadata { key, value }), 0..3);
    let marks = (prop::collection::vec(classification(), 0..3), custom, texts());
    (
        (bytes(), file_info(), prop::option::of(summary()), bytes()),
        content,
        (names(), bytes(), any::<u32>(), names()),
        marks,
    )
        .prop_map(|((parent, info, summary, target), content, attributes, marks)| Entry {
            summary,
            symlink_target: target,
            object: content.0,
            content_type: content.1,
            entropy: content.2,
            chunks: content.3,
            alternate_data_streams: attributes.0,
            security_descriptor: attributes.1,
            file_attributes: attributes.2,
            extended_attributes: attributes.3,
            classifications: marks.0,
            custom_metadata: marks.1,
            tags: marks.2,
            ..Entry::new(parent, info)
        })
}

fn object() -> impl Strategy<Value = Object> {
    let chunk = (id(), any::<(u32, u32, u32)>(), prop::num::f64::NORMAL).prop_map(
        |(mac, (version, length, flags), entropy)| ChunkRecord {
            version: Version(version),
            mac,
            length,
            entropy,
            flags,
        },
    );
    (id(), prop::collection::vec(chunk, 0..40), "[a-z/]{0,40}", prop::num::f64::NORMAL).prop_map(
        |(content_mac, chunks, content_type, entropy)| Object {
            version: Version::V1_0_0,
            content_mac,
            chunks,
            content_type,
            entropy,
            flags: 0,
        },
    )
}

fn key_values() -> impl Strategy<Value = Vec<KeyValue>> {
    prop::collection::vec((text(), text()).prop_map(|(key, value)| KeyValue { key, value }), 0..20)
}

fn source() -> impl Strategy<Value = SourceRecord> {
    let index = (text(), text(), id()).prop_map(|(name, kind, value)| Index { name, kind, value });
    let importer =
        (text(), text(), bytes()).prop_map(|(kind, origin, directory)| Importer { kind, origin, directory });
    (importer, key_values(), (id(), id(), id()), prop::collection::vec(index, 0..4), summary()).prop_map(
        |(importer, context, (root, xattrs, errors), indexes, summary)| SourceRecord {
            importer,
            context,
            roots: Roots { root, xattrs, errors },
            indexes,
            summary,
        },
    )
}

fn header() -> impl Strategy<Value = Header> {
    let class = (text(), prop::num::f64::NORMAL).prop_map(|(name, probability)| Class { name, probability });
    let classification = (text(), prop::collection::vec(class, 0..3))
        .prop_map(|(analyzer, classes)| Classification { analyzer, classes });
    let identity = (any::<[u8; 16]>(), prop::option::of(bytes()))
        .prop_map(|(id, public_key)| Identity { identifier: id.to_vec(), public_key });
    (
        (id(), time(), any::<i64>(), identity, any::<[u32; 2]>()),
        prop::collection::vec(text(), 6..=6),
        (texts(), prop::collection::vec(classification, 0..3), texts()),
        (key_values(), prop::collection::vec(source(), 0..3)),
    )
        .prop_map(|((id, timestamp, duration_ns, identity, numbers), words, lists, records)| {
            let mut words = words.into_iter();
            let mut word = || words.next().expect("six words");
            Header {
                version: Version(numbers[0]),
                duration_ns,
                identity,
                name: word(),
                category: word(),
                environment: word(),
                perimeter: word(),
                job: word(),
                dataset: word(),
                replicas: numbers[1],
                data_classes: lists.0,
                classifications: lists.1,
                tags: lists.2,
                context: records.0,
                sources: records.1,
                ..Header::new(SnapshotId(id.0), timestamp)
            }
        })
}

fn state_entry() -> impl Strategy<Value = StateEntry> {
    prop_oneof![
        (any::<(u8, u32, [u8; 32], [u8; 32], u64, u32)>()).prop_map(
            |(kind, version, mac, pack, offset, length)| {
                StateEntry::Location {
                    resource: ResourceType(kind),
                    version: Version(version),
                    mac: Mac(mac),
                    packfile: PackfileId(pack),
                    offset,
                    length,
                    flags: 0,
                }
            }
        ),
        any::<(u8, [u8; 32], i64)>().prop_map(|(kind, mac, when_ns)| StateEntry::Coloured {
            resource: ResourceType(kind),
            mac: Mac(mac),
            when_ns
        }),
        any::<([u8; 32], [u8; 32], i64)>().prop_map(|(pack, state, timestamp_ns)| StateEntry::Packfile {
            packfile: PackfileId(pack),
            state: StateId(state),
            timestamp_ns
        }),
        (2u8..5, any::<(u8, [u8; 32], [u8; 32])>()).prop_map(|(entry_type, (kind, mac, pack))| {
            StateEntry::Delete {
                entry_type,
                resource: ResourceType(kind),
                mac: Mac(mac),
                packfile: PackfileId(pack),
            }
        }),
    ]
}

fn push(writer: &mut StateWriter, entry: &StateEntry) {
    match entry {
        StateEntry::Location { resource, version, mac, packfile, offset, length, .. } => {
            writer.location(*resource, *version, mac, packfile, *offset, *length);
        }
        StateEntry::Coloured { resource, mac, when_ns } => writer.coloured(*resource, mac, *when_ns),
        StateEntry::Packfile { packfile, state, timestamp_ns } => {
            writer.packfile(packfile, state, *timestamp_ns);
        }
        StateEntry::Delete { entry_type, resource, mac, packfile } => {
            writer.delete(*entry_type, *resource, mac, packfile);
        }
        StateEntry::Configuration { .. } => unreachable!("never written"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn entries_round_trip(entry in entry()) {
        let mut out = Vec::new();
        entry.encode(&mut out);
        prop_assert_eq!(Entry::decode(&out).unwrap(), entry);
    }

    #[test]
    fn objects_round_trip(object in object()) {
        let mut out = Vec::new();
        object.encode(&mut out);
        prop_assert_eq!(Object::decode(&out).unwrap(), object);
    }

    #[test]
    fn headers_round_trip(header in header()) {
        prop_assert_eq!(Header::decode(&header.encode()).unwrap(), header);
    }

    #[test]
    fn summaries_round_trip(summary in summary()) {
        let mut out = Vec::new();
        summary.encode(&mut out);
        prop_assert_eq!(Summary::decode(&out).unwrap(), summary);
    }

    #[test]
    fn locks_round_trip(timestamp in time(), hostname in ".{0,40}", exclusive: bool) {
        let lock = LockRecord { version: Version::V1_0_0, timestamp, hostname, exclusive };
        prop_assert_eq!(LockRecord::decode(&lock.encode()).unwrap(), lock);
    }

    #[test]
    fn configs_round_trip(time: u32, memory_kib: u32, threads: u8, timestamp in time(), chunk_size: i64, n: i64) {
        let argon = Kdf::Argon2id { time, memory_kib, threads, key_len: 32 };
        for kdf in [argon, Kdf::Scrypt { n, r: n / 2, p: 1, key_len: 32 }] {
            let mut config = Config { timestamp, ..encrypted_config(kdf) };
            config.encryption.as_mut().unwrap().chunk_size = chunk_size;
            prop_assert_eq!(Config::decode(&config.encode()).unwrap(), config);
        }
    }

    #[test]
    fn states_round_trip(parent: [u8; 32], entries in prop::collection::vec(state_entry(), 0..20), ns: i64) {
        let mut writer = StateWriter::new(StateId(parent));
        for entry in &entries {
            push(&mut writer, entry);
        }
        let plain = writer.finish(Version::V1_1_0, ns, [3; 16]);
        let mut reader = StateReader::new(&plain, Version::V1_1_0).unwrap();
        let read: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
        prop_assert_eq!(read, entries);
        prop_assert_eq!(reader.parent().0, parent);
        prop_assert_eq!(reader.metadata().unwrap().timestamp_ns, ns);
    }

    #[test]
    fn a_replaced_state_is_a_place_that_never_was(state: [u8; 32], other in state_entry()) {
        let mut writer = StateWriter::new(StateId::ZERO);
        writer.replaces(&StateId(state));
        push(&mut writer, &other);
        let mut plain = writer.finish(Version::V1_1_0, 1, [0; 16]);
        let end = plain.split_off(plain.len() - 29);
        plain.extend_from_slice(&[77, 2, 0, 0, 0, 1, 2]);
        plain.extend_from_slice(&end);
        let mut reader = StateReader::new(&plain, Version::V1_1_0).unwrap();
        let read: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
        prop_assert_eq!(read[0].replaced(), Some(StateId(state)));
        let StateEntry::Delete { entry_type: 2, resource: ResourceType::RANDOM, packfile, .. } = &read[0] else {
            panic!("{:?}", read[0]);
        };
        prop_assert!(packfile.is_zero());
        let is_such_a_place = matches!(&other, StateEntry::Delete { entry_type: 2, packfile, .. } if packfile.is_zero());
        prop_assert!(is_such_a_place || read[1].replaced().is_none());
        prop_assert_eq!(reader.skipped(), 1);
    }

    #[test]
    fn integers_of_any_width_are_read(value: i64) {
        let mut out = Vec::new();
        msgpack::put_int(&mut out, value);
        msgpack::put_i64(&mut out, value);
        let mut reader = Reader::new("test", &out);
        prop_assert_eq!(reader.i64("compact").unwrap(), value);
        prop_assert_eq!(reader.i64("wide").unwrap(), value);
        prop_assert!(reader.finish().is_ok());
    }
}
