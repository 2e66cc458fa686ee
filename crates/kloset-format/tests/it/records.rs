//! Every record of `records.json`: its bytes, its name, and what it says.

use kloset_format::{
    Entry, ErrorEntry, FileKind, Header, Mac, Node, Object, Summary, Timestamp, TreeRecord, XattrEntry,
    dirpack,
};
use serde_json::Value;

use crate::{hex, mac, unhex};

/// Name, blob type and bytes of all records.
pub fn records() -> Vec<(String, u64, Vec<u8>)> {
    let file: Value = serde_json::from_str(include_str!("../vectors/records.json")).unwrap();
    file["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            let bytes = unhex(r["hex"].as_str().unwrap());
            assert_eq!(mac(&bytes).to_string(), r["keyed_blake3"].as_str().unwrap());
            (r["name"].as_str().unwrap().to_owned(), r["blob_type"].as_u64().unwrap(), bytes)
        })
        .collect()
}

fn record(prefix: &str) -> Vec<u8> {
    records().into_iter().find(|(name, ..)| name.starts_with(prefix)).expect(prefix).2
}

/// Decodes a blob of the given type and encodes it again.
pub fn recode(blob_type: u64, bytes: &[u8]) -> Result<Vec<u8>, kloset_format::DecodeError> {
    let mut out = Vec::new();
    match blob_type {
        5 => out = Header::decode(bytes)?.encode(),
        7 => Object::decode(bytes)?.encode(&mut out),
        9 => {
            for frame in dirpack::frames(bytes) {
                let frame = frame?;
                dirpack::push_frame(&mut out, frame.is_directory, frame.entry_bytes, &frame.mac);
            }
        }
        10 => TreeRecord::decode(bytes)?.encode(&mut out),
        11 => Node::decode(bytes)?.encode(&mut out),
        12 => Entry::decode(bytes)?.encode(&mut out),
        15 => ErrorEntry::decode(bytes)?.encode(&mut out),
        18 => XattrEntry::decode(bytes)?.encode(&mut out),
        21 => Summary::decode(bytes)?.encode(&mut out),
        other => panic!("no decoder for blob type {other}"),
    }
    Ok(out)
}

#[test]
fn every_record_encodes_to_its_own_bytes() {
    let all = records();
    assert_eq!(all.len(), 17);
    for (name, blob_type, bytes) in all {
        let again = recode(blob_type, &bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(hex(&again), hex(&bytes), "{name}");
    }
}

#[test]
fn object_says_what_the_vector_means() {
    let object = Object::decode(&record("object of the six")).unwrap();
    assert_eq!(object.content_mac, mac(b"hello\n"));
    assert_eq!(object.chunks.len(), 1);
    assert_eq!(object.chunks[0].mac, mac(b"hello\n"));
    assert_eq!(object.content_bytes(), 6);
    assert_eq!(object.entropy, 2.251629167387823);
    assert_eq!(object.content_type, "text/plain; charset=utf-8");
    let empty = Object::decode(&record("object of an empty")).unwrap();
    assert_eq!((empty.chunks.len(), empty.content_bytes(), empty.entropy), (1, 0, 0.0));
}

#[test]
fn entries_say_what_the_vectors_mean() {
    let file = Entry::decode(&record("entry of a regular file")).unwrap();
    assert_eq!(file.path(), b"/home/ana/hello.txt");
    assert_eq!((file.info.size, file.info.mode.0, file.info.dev, file.info.ino), (6, 0x1a4, 2049, 131));
    assert_eq!((file.info.uid, file.info.gid, file.info.nlink, file.chunks), (1000, 1000, 1, 1));
    assert_eq!((&file.info.username[..], &file.info.groupname[..]), (&b"ana"[..], &b"users"[..]));
    assert_eq!(file.info.mod_time, Timestamp { seconds: 1_709_210_096, nanoseconds: 789_000_000 });
    assert_eq!(file.extended_attributes, [b"user.a", b"user.b"]);
    assert_eq!(file.object, mac(&record("object of the six")));
    assert_eq!(file.content_type_key().unwrap(), b"/text/plain/home/ana/hello.txt");

    let folder = Entry::decode(&record("entry of a directory")).unwrap();
    assert!(folder.info.mode.is_directory() && folder.object.is_zero());
    assert_eq!(folder.info.mode.0, 0x8050_01e8);
    assert_eq!(folder.content_type_key(), None);

    let link = Entry::decode(&record("entry of a symbolic link")).unwrap();
    assert_eq!(link.symlink_target, b"hello.txt");
    assert_eq!(link.info.mod_time, Timestamp { seconds: -1, nanoseconds: 5 });

    let device = Entry::decode(&record("entry of a character device")).unwrap();
    assert_eq!(device.info.mode.kind(), FileKind::CharacterDevice);
    assert_eq!(device.info.mod_time, Timestamp::UNSET);

    let made_up = Entry::decode(&record("entry made up")).unwrap();
    let info = kloset_format::FileInfo::made_up_directory(&made_up.info.name);
    assert_eq!(made_up, Entry::new(made_up.parent_path.clone(), info));
}

#[test]
fn summary_of_one_file_is_computed_as_in_the_vector() {
    let mut summary = Summary::default();
    summary.add_entry(&Entry::decode(&record("entry of a regular file")).unwrap());
    summary.finish(0);
    let mut bytes = Vec::new();
    summary.encode(&mut bytes);
    assert_eq!(hex(&bytes), hex(&record("summary of a directory that holds only")));
    let mut empty = Summary::default();
    empty.finish(0);
    bytes.clear();
    empty.encode(&mut bytes);
    assert_eq!(bytes, record("summary of an empty"));
}

#[test]
fn smaller_records_say_what_the_vectors_mean() {
    let error = ErrorEntry::decode(&record("error entry")).unwrap();
    assert_eq!(error.name, b"/home/ana/secret");
    assert_eq!(error.error, "open /home/ana/secret: permission denied");
    let xattr = XattrEntry::decode(&record("extended attribute")).unwrap();
    assert_eq!(xattr.tree_key(), b"/home/ana/hello.txtuser.a:");
    assert_eq!((xattr.size, xattr.object), (5, Mac([7; 32])));
    let empty = Node::decode(&record("empty leaf")).unwrap();
    assert_eq!(empty, Node::default());
    let leaf = Node::decode(&record("leaf with two")).unwrap();
    assert_eq!(leaf.next, Some(Mac([9; 32])));
    assert!(leaf.validate(50).is_ok() && leaf.validate(2).is_err());
    let tree = TreeRecord::decode(&record("tree record")).unwrap();
    assert_eq!(tree, TreeRecord::new(Mac([5; 32])));
}

#[test]
fn header_says_what_the_vector_means() {
    let header = Header::decode(&record("snapshot header")).unwrap();
    assert_eq!(header.identifier.0, [0xab; 32]);
    assert_eq!(header.duration_ns, 1_500_000_000);
    assert!(header.identity.is_nobody());
    assert_eq!(header.name, "default");
    assert_eq!(header.tags, ["daily", "home"]);
    assert_eq!(header.context_value("Client").unwrap(), &"plakar/v1.1.4");
    let source = header.source().unwrap();
    assert!(source.importer.kind == "fs" && source.importer.origin == "host1");
    assert_eq!(source.importer.directory, b"/home/ana");
    assert_eq!((source.roots.root, source.roots.errors), (Mac([1; 32]), Mac([3; 32])));
    assert_eq!(source.index("dirpack"), Some(Mac([5; 32])));
    assert_eq!(source.index("other"), None);
    assert_eq!(source.summary.directory.files, 1);
}

#[test]
fn dirpack_frames_hold_the_entry_records() {
    let content = record("dirpack content");
    let frames: Vec<_> = dirpack::frames(&content).map(Result::unwrap).collect();
    assert_eq!(frames.len(), 2);
    for (frame, name) in frames.iter().zip(["entry of a regular file", "entry of a symbolic link"]) {
        assert_eq!(frame.entry_bytes, record(name));
        assert_eq!(frame.mac, mac(frame.entry_bytes));
        assert!(!frame.is_directory);
    }
}
