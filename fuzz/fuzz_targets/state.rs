//! States of both versions: every entry, then the metadata.
#![no_main]

use kloset_format::{StateReader, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for version in [Version::V1_0_0, Version::V1_1_0] {
        let _ = StateReader::metadata_of(data);
        let Ok(mut reader) = StateReader::new(data, version) else { continue };
        let sound = reader.by_ref().all(|entry| entry.is_ok());
        assert_eq!(reader.metadata().is_some(), sound);
    }
});
