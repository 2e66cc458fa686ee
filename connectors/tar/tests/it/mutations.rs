//! Random archives, and changed ones: nothing panics, and no member goes missing in silence.

use std::collections::BTreeSet;
use std::sync::Arc;

use kloset_connector::{ConnectorError, ScanOptions};
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::tempdir;
use testkit::suites::drive::{Scanned, read, scan_partly};

use crate::support::{Archive, with_options};

/// A member of an archive that is being made.
#[derive(Clone, Debug)]
enum Piece {
    File(Vec<u8>),
    Described(Vec<u8>),
    LongName(u8),
    Folder,
    Symlink,
    Sparse,
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        vec(any::<u8>(), 0..1500).prop_map(Piece::File),
        vec(any::<u8>(), 1..700).prop_map(Piece::Described),
        any::<u8>().prop_map(Piece::LongName),
        Just(Piece::Folder),
        Just(Piece::Symlink),
        Just(Piece::Sparse),
    ]
}

/// The path of a member and the range of its bytes.
type Told = (Vec<u8>, std::ops::Range<usize>);

/// The archive and its members.
fn archive(pieces: &[Piece]) -> (Archive, Vec<Told>) {
    let mut archive = Archive::default();
    let mut members = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        let start = archive.0.len();
        let mut name = format!("member-{number}");
        match piece {
            Piece::File(content) => archive.file(&name, content),
            Piece::Described(value) => {
                archive.pax(&[("SCHILY.xattr.user.x", value), ("mtime", b"12.5")]).file(&name, b"described")
            }
            Piece::LongName(length) => {
                name = format!("{name}-{}", "n".repeat(100 + usize::from(*length) % 100));
                archive
                    .header(b"long", b'L', name.len() as u64, b"")
                    .data(name.as_bytes())
                    .file("short", b"x")
            }
            Piece::Folder => archive.header(name.as_bytes(), b'5', 0, b""),
            Piece::Symlink => archive.header(name.as_bytes(), b'2', 0, b"somewhere"),
            Piece::Sparse => archive
                .pax(&[("GNU.sparse.size", b"5000"), ("GNU.sparse.map", b"0,3,4000,2")])
                .file(&name, b"holes"),
        };
        members.push((format!("/{name}").into_bytes(), start..archive.0.len()));
    }
    archive.end();
    (archive, members)
}

/// Scans, and reads all contents; every way of ending but a panic is fine.
fn looked_at(archive: &Archive) -> (Scanned, Result<(), ConnectorError>) {
    let folder = tempdir().expect("folder");
    let source = with_options(&archive.write(folder.path()), &[("allow_partial", "true")]);
    let options = ScanOptions { excluded: Arc::new(|_, _| false), xattr_values: true };
    let (scanned, result) = scan_partly(&source, &options, usize::MAX);
    let records = scanned.records();
    let files = records.iter().filter(|(_, record)| record.info.mode.is_regular());
    // A map of holes may tell of more than fits in memory here.
    let small = files.filter(|(_, record)| (0..1 << 20).contains(&record.info.size));
    let wanted: Vec<_> = small.map(|(path, record)| (path.clone(), record.info.size as u64)).collect();
    if let Ok(contents) = read(&source, &wanted) {
        for (path, size) in wanted {
            let content = contents.get(&path).expect("every content is delivered or failed");
            assert!(content.as_ref().is_ok_and(|bytes| bytes.len() as u64 == size) || content.is_err());
        }
    }
    (scanned, result)
}

/// Paths that were told, as records or as failures.
fn told(scanned: &Scanned) -> BTreeSet<Vec<u8>> {
    let records = scanned.records().into_keys();
    records.chain(scanned.failed.iter().map(|(path, ..)| path.clone())).collect()
}

fn settings() -> ProptestConfig {
    ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn random_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..4000)) {
        let _ = looked_at(&Archive(bytes));
    }

    #[test]
    fn every_member_of_a_good_archive_is_told(pieces in vec(piece(), 0..12)) {
        let (archive, members) = archive(&pieces);
        let (scanned, result) = looked_at(&archive);
        prop_assert!(result.is_ok());
        prop_assert!(scanned.failed.is_empty());
        prop_assert_eq!(told(&scanned), members.into_iter().map(|(path, _)| path).collect());
    }

    #[test]
    fn a_changed_byte_never_loses_another_member_in_silence(
        pieces in vec(piece(), 1..8),
        place in any::<prop::sample::Index>(),
        flip in 1..=255u8,
    ) {
        let (mut archive, members) = archive(&pieces);
        // The mark at the end may lose a bit: what follows it is no member.
        let end = archive.0.len() - 1024;
        let at = place.index(end);
        archive.0[at] ^= flip;
        let (scanned, result) = looked_at(&archive);
        let told = told(&scanned);
        for (path, bytes) in &members {
            // What stands before the change is kept whatever comes; the rest must not be missing
            // from what claims to be all.
            let must_be_told = bytes.end <= at || (result.is_ok() && !bytes.contains(&at));
            prop_assert!(!must_be_told || told.contains(path), "{} is missing", path.escape_ascii());
        }
        // The changed one may have another name by now, but it is something.
        prop_assert!(result.is_err() || told.len() >= members.len(), "{} of {}", told.len(), members.len());
    }

    #[test]
    fn many_changes_do_not_panic(
        pieces in vec(piece(), 1..8),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in any::<prop::sample::Index>(),
        mend in any::<bool>(),
    ) {
        let (mut archive, members) = archive(&pieces);
        for (place, byte) in changes {
            let at = place.index(archive.0.len());
            archive.0[at] = byte;
        }
        if mend {
            // With good checksums, the changes reach what is behind them.
            for (_, bytes) in members {
                let block = &mut archive.0[bytes.start..bytes.start + 512];
                block[148..156].copy_from_slice(b"        ");
                let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
                block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        } else {
            archive.0.truncate(cut.index(archive.0.len()));
        }
        let _ = looked_at(&archive);
    }
}
