//! Archives that lie.

use std::io::Write;

use kloset_connector::{ErrorKind, Source};
use tempfile::tempdir;
use testkit::suites::drive::read;

use crate::support::{Archive, everything, scanned, source, with_options};

#[test]
fn names_that_leave_the_archive_are_errors_of_their_own() {
    let folder = tempdir().expect("folder");
    let mut archive = Archive::default();
    archive.file("../up", b"1").file("a/../../b", b"2").file("/etc/absolute", b"3").file("./plain", b"4");
    archive.header(b"link", b'2', 0, b"/etc").file("link/below", b"5").file("plain/below", b"6");
    archive.header(b"gone", b'1', 0, b"nothing").header(b"to-folder", b'1', 0, b"etc");
    archive.header(b"?", b'Q', 3, b"").data(b"odd").header(b"volume", b'M', 0, b"");
    archive.header(b"etc", b'0', 0, b"").header(b"", b'0', 0, b"").end();
    let (records, contents, failed) = everything(&source(&archive.write(folder.path())));
    assert_eq!(records.keys().collect::<Vec<_>>(), ["/etc", "/etc/absolute", "/link", "/plain"]);
    assert!(records["/etc"].info.mode.is_directory());
    assert_eq!(contents[b"/etc/absolute".as_slice()], Ok(b"3".to_vec()));
    let bad = ["/../up", "/a/../../b", "/link/below", "/plain/below", "/gone", "/to-folder", "/?", "/volume"];
    assert_eq!(failed, [bad.as_slice(), &["/etc", "/"]].concat());
}

#[test]
fn later_members_replace_earlier_ones() {
    let folder = tempdir().expect("folder");
    let mut archive = Archive::default();
    archive.file("a", b"old").header(b"hard", b'1', 0, b"./a").file("a", b"new").file("d/x", b"");
    archive.header(b"d/", b'5', 0, b"").end();
    let (records, contents, failed) = everything(&source(&archive.write(folder.path())));
    assert_eq!(failed, [""; 0]);
    assert_eq!(contents[b"/a".as_slice()], Ok(b"new".to_vec()));
    assert_eq!(contents[b"/hard".as_slice()], Ok(b"old".to_vec()));
    assert_eq!((records["/a"].info.nlink, records["/hard"].info.nlink), (1, 1));
    assert_eq!((records["/d"].info.uid, records["/d"].info.mode.to_text().as_str()), (7, "drw-r-----"));
}

#[test]
fn every_truncation_is_told_and_loses_the_archive() {
    let folder = tempdir().expect("folder");
    let mut archive = Archive::default();
    archive.pax(&[("SCHILY.xattr.user.x", b"v")]).file("a", &[7; 700]).file("b", b"bb").file("c", b"").end();
    let whole = archive.0.clone();
    let end = whole.len() - 1024;
    for length in (0..end + 512).step_by(128) {
        archive.0 = whole[..length].to_vec();
        let path = archive.write(folder.path());
        let error =
            scanned(&source(&path)).err().unwrap_or_else(|| panic!("{length} bytes were taken for all"));
        assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
        assert!(error.message.contains("truncated"), "{error}");
        // What is kept on demand never claims to be all.
        let partial = with_options(&path, &[("allow_partial", "true")]);
        assert!(scanned(&partial).is_err());
    }
    archive.0 = whole[..end + 512].to_vec();
    assert!(scanned(&source(&archive.write(folder.path()))).is_ok(), "one block of zeros ends an archive");
}

#[test]
fn a_truncated_file_is_an_error_of_its_content() {
    let folder = tempdir().expect("folder");
    let mut archive = Archive::default();
    archive.file("a", b"whole").file("b", &[7; 5000]);
    archive.0.truncate(512 + 512 + 512 + 1000);
    let path = archive.write(folder.path());
    let partial = with_options(&path, &[("allow_partial", "true")]);
    assert!(scanned(&partial).is_err());
    let contents = read(&partial, &[(b"/a".to_vec(), 5), (b"/b".to_vec(), 5000)]).expect("read");
    assert_eq!(contents[b"/a".as_slice()], Ok(b"whole".to_vec()));
    assert!(contents[b"/b".as_slice()].is_err());
}

#[test]
fn impossible_sizes_are_refused_before_anything_is_allocated() {
    let folder = tempdir().expect("folder");
    for (kind, size) in
        [(b'0', u64::MAX / 2), (b'0', 1 << 40), (b'x', 1 << 40), (b'L', 1 << 40), (b'g', u64::MAX)]
    {
        let mut archive = Archive::default();
        archive.header(b"huge", kind, 0, b"");
        // Base 256, as sizes beyond eleven octal digits are written.
        archive.0[124..136].copy_from_slice(&[[0x80, 0, 0, 0].as_slice(), &size.to_be_bytes()].concat());
        archive.0[148..156].copy_from_slice(b"        ");
        let sum: u32 = archive.0[..512].iter().map(|&byte| u32::from(byte)).sum();
        archive.0[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.end();
        let error = scanned(&source(&archive.write(folder.path()))).err().expect("refused");
        assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
    }
    let mut archive = Archive::default();
    archive.pax(&[("size", b"18446744073709551615")]).file("a", b"").end();
    assert!(scanned(&source(&archive.write(folder.path()))).is_err());
}

#[test]
fn long_names_and_records_are_bounded() {
    let folder = tempdir().expect("folder");
    let mut archive = Archive::default();
    let long = vec![b'n'; 20 << 10];
    archive.header(b"long", b'L', long.len() as u64, b"").data(&long).file("a", b"1");
    archive.header(b"pax", b'x', 9 << 20, b"").data(&vec![b'1'; 9 << 20]).file("b", b"2");
    archive.header(b"pax", b'x', 10, b"").data(b"no records").file("c", b"3");
    archive.pax(&[("path", &long)]).file("d", b"4").pax(&[("path", b"nul\0name")]).file("e", b"5");
    archive.pax(&[("mtime", b"soon")]).file("f", b"6").file("good", b"7").end();
    let (records, _, failed) = everything(&source(&archive.write(folder.path())));
    assert_eq!(records.keys().collect::<Vec<_>>(), ["/good"]);
    assert_eq!(failed.len(), 6, "{failed:?}");
}

#[test]
fn maps_of_holes_that_contradict_themselves_are_errors_of_their_file() {
    let folder = tempdir().expect("folder");
    let maps: [&[(&str, &[u8])]; 5] = [
        &[("GNU.sparse.size", b"100"), ("GNU.sparse.map", b"0,4,2,4")],
        &[("GNU.sparse.size", b"3"), ("GNU.sparse.map", b"0,8")],
        &[("GNU.sparse.size", b"100"), ("GNU.sparse.map", b"0,9")],
        &[("GNU.sparse.size", b"100"), ("GNU.sparse.offset", b"0")],
        &[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"100")],
    ];
    for map in maps {
        let mut archive = Archive::default();
        archive.pax(map).file("a", b"12345678").file("b", b"1").end();
        let (records, _, failed) = everything(&source(&archive.write(folder.path())));
        assert_eq!((records.len(), failed), (1, vec!["/a".to_owned()]), "{map:?}");
    }
}

#[test]
fn flipped_bytes_never_panic_and_never_hang() {
    let folder = tempdir().expect("folder");
    let mut archive = Archive::default();
    archive.pax(&[("GNU.sparse.size", b"100"), ("GNU.sparse.map", b"0,4,50,4")]).file("s", b"12345678");
    archive
        .header(b"long", b'L', 5, b"")
        .data(b"long\0")
        .file("l", b"content")
        .header(b"h", b'1', 0, b"s")
        .end();
    let good = archive.0.clone();
    for at in 0..good.len() {
        archive.0.clone_from(&good);
        archive.0[at] ^= 0x41;
        // A good checksum lets the lie through.
        if at % 2 == 0 {
            for block in (0..good.len() - 1024).step_by(512) {
                let header = &mut archive.0[block..block + 512];
                if &header[257..262] == b"ustar" {
                    header[148..156].copy_from_slice(b"        ");
                    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
                    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
                }
            }
        }
        let source = with_options(&archive.write(folder.path()), &[("allow_partial", "true")]);
        let _ = scanned(&source);
        let paths = ["/s", "/long", "/h", "/l"].map(|path| (path.as_bytes().to_vec(), 8));
        let _ = read(&source, &paths);
    }
}

#[test]
fn what_is_no_archive_is_refused_with_its_name() {
    let folder = tempdir().expect("folder");
    let path = folder.path().join("x");
    for (bytes, word) in [
        (b"\xfd7zXZ\0rest".as_slice(), "xz"),
        (b"PK\x03\x04", "zip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (&[b'x'; 2048], "no tar header"),
        (b"", "truncated"),
    ] {
        std::fs::write(&path, bytes).expect("write");
        let error = scanned(&source(&path)).err().expect("refused");
        assert!(error.message.contains(word), "{error}");
    }
    assert_eq!(scanned(&source(folder.path())).err().expect("a folder").kind, ErrorKind::Invalid);
    assert_eq!(source(&folder.path().join("no")).info().expect_err("missing").kind, ErrorKind::NotFound);
}

#[test]
fn damaged_compression_loses_the_archive() {
    let folder = tempdir().expect("folder");
    let mut archive = Archive::default();
    let noise: Vec<u8> = (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    archive.file("a", &noise).file("b", b"1").end();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&archive.0).expect("write");
    let good = gzip.finish().expect("gzip");
    let path = folder.path().join("a.tgz");
    std::fs::write(&path, &good).expect("write");
    let (records, contents, _) = everything(&source(&path));
    assert_eq!(records.len(), 2);
    assert_eq!(contents[b"/a".as_slice()].as_deref(), Ok(noise.as_slice()));
    for (name, bytes) in [
        ("cut", good[..good.len() / 2].to_vec()),
        ("without its checksum", good[..good.len() - 8].to_vec()),
        (
            "flipped",
            good.iter().enumerate().map(|(i, b)| if i == good.len() - 6 { b ^ 1 } else { *b }).collect(),
        ),
    ] {
        std::fs::write(&path, bytes).expect("write");
        let error = scanned(&source(&path)).err().unwrap_or_else(|| panic!("{name} was taken for good"));
        assert_eq!(error.kind, ErrorKind::Corrupt, "{name}: {error}");
    }
}

#[test]
fn an_archive_that_changes_is_told_apart_from_itself() {
    let folder = tempdir().expect("folder");
    let mut archive = Archive::default();
    archive.file("version", b"1.2.3").end();
    let path = archive.write(folder.path());
    let device = |source: &dyn Source| everything(source).0["/version"].info.dev;
    let before = device(&source(&path));
    assert_eq!(before, device(&source(&path)), "the same file is the same archive");
    archive.0.clear();
    archive.file("version", b"1.2.4").end();
    std::thread::sleep(std::time::Duration::from_millis(20));
    archive.write(folder.path());
    assert_ne!(before, device(&source(&path)), "equal sizes and times inside must not count as unchanged");
    // Changed between scan and read.
    let open = source(&path);
    scanned(&open).expect("scan");
    std::thread::sleep(std::time::Duration::from_millis(20));
    archive.file("more", b"x").write(folder.path());
    let error = read(&open, &[(b"/version".to_vec(), 5)]).expect_err("changed");
    assert!(error.message.contains("changed"), "{error}");
}
