//! Envelope: taking a store file of any kind apart.
#![no_main]

use kloset_format::{ResourceType, Version, envelope};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for kind in [ResourceType::CONFIG, ResourceType::LOCK, ResourceType::STATE, ResourceType::PACKFILE] {
        if let Ok(found) = envelope::open(data, kind, Version::V1_1_0) {
            assert_eq!(found.signed.len() + envelope::TRAILER_SIZE, data.len());
            assert_eq!(found.signed.len(), envelope::HEADER_SIZE + found.payload.len());
        }
    }
});
