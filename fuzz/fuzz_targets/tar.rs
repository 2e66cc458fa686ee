//! Archives of the `tar:` source: members, pax records, maps of holes, contents.
#![no_main]

use std::io::Write;
use std::sync::Arc;

use connector_tar::TarSource;
use kloset_connector::{ConnectorContext, Location, Options, ScanOptions};
use libfuzzer_sys::fuzz_target;
use testkit::suites::drive::{read, scan_partly};

/// Checksums are set right, or nothing behind them would ever be reached.
fn with_checksums(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    for block in bytes.chunks_exact_mut(512) {
        // Where a header begins is not known: a block that says so is one.
        if block[257..262] == *b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    bytes
}

fuzz_target!(|data: &[u8]| {
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    if file.write_all(&with_checksums(data)).is_err() {
        return;
    }
    let location = Location::parse(&format!("tar:{}", file.path().display()));
    let options = Options::from([("allow_partial".to_owned(), "true".to_owned())]);
    let context = ConnectorContext::silent("/".into());
    let Ok(source) = TarSource::new(&location, &options, &context) else { return };
    let options = ScanOptions { excluded: Arc::new(|_, _| false), xattr_values: true };
    let (scanned, _) = scan_partly(&source, &options, usize::MAX);
    let records = scanned.records();
    let small =
        records.iter().filter(|(_, record)| record.info.mode.is_regular() && record.info.size < 1 << 20);
    let wanted: Vec<_> =
        small.map(|(path, record)| (path.clone(), record.info.size.unsigned_abs())).collect();
    if let Ok(contents) = read(&source, &wanted) {
        assert_eq!(contents.len(), wanted.len(), "every content is delivered or failed");
    }
});
