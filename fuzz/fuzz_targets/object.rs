//! Object: the list of chunks of a content.
#![no_main]

use kloset_format::Object;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(object) = Object::decode(data) else { return };
    let _ = object.content_bytes();
    let (mut bytes, mut twice) = (Vec::new(), Vec::new());
    object.encode(&mut bytes);
    Object::decode(&bytes).expect("what was encoded decodes").encode(&mut twice);
    assert_eq!(bytes, twice);
});
