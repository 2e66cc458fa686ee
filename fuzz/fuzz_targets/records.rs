//! The small records: directory summaries, errors, extended attributes.
#![no_main]

use kloset_format::{ErrorEntry, Summary, XattrEntry};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut bytes = Vec::new();
    if let Ok(summary) = Summary::decode(data) {
        summary.encode(&mut bytes);
        Summary::decode(&bytes).expect("what was encoded decodes");
    }
    bytes.clear();
    if let Ok(error) = ErrorEntry::decode(data) {
        error.encode(&mut bytes);
        ErrorEntry::decode(&bytes).expect("what was encoded decodes");
    }
    bytes.clear();
    if let Ok(xattr) = XattrEntry::decode(data) {
        let _ = xattr.tree_key();
        xattr.encode(&mut bytes);
        XattrEntry::decode(&bytes).expect("what was encoded decodes");
    }
});
