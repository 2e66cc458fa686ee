//! Entry of a path.
#![no_main]

use kloset_format::Entry;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(entry) = Entry::decode(data) else { return };
    let _ = (entry.path(), entry.has_plain_name(), entry.content_type_key());
    let (mut bytes, mut twice) = (Vec::new(), Vec::new());
    entry.encode(&mut bytes);
    Entry::decode(&bytes).expect("what was encoded decodes").encode(&mut twice);
    assert_eq!(bytes, twice);
});
