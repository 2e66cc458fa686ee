//! Notes which blobs were read and verified, for a check that need not decode them a second time.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Mutex;

use crate::BlobId;
use crate::guard::guard;
use crate::state::MacHasher;

/// Plain lengths of verified blobs, by the first half of their names: 20 bytes a blob.
#[derive(Default)]
pub(crate) struct VerifiedBlobs(HashMap<[u8; 16], u32, BuildHasherDefault<MacHasher>>);

impl VerifiedBlobs {
    /// Notes a blob and its plain length in bytes.
    pub(crate) fn insert(&mut self, blob: BlobId, length: u32) {
        self.0.insert(key(blob), length);
    }

    /// Plain length of a blob that was noted.
    pub(crate) fn length(&self, blob: BlobId) -> Option<u32> {
        self.0.get(&key(blob)).copied()
    }
}

/// What [`crate::Repository::read_blobs`] verified since the log was last taken.
#[derive(Default)]
pub(crate) struct ReadLog(Mutex<VerifiedBlobs>);

impl ReadLog {
    /// Notes blobs, many at once: the log is locked once for all of them.
    pub(crate) fn extend(&self, blobs: &[(BlobId, u32)]) {
        let mut noted = guard(&self.0);
        for &(blob, length) in blobs {
            noted.insert(blob, length);
        }
    }

    /// Hands out what was noted and starts anew.
    pub(crate) fn take(&self) -> VerifiedBlobs {
        std::mem::take(&mut *guard(&self.0))
    }
}

fn key(blob: BlobId) -> [u8; 16] {
    let mut key = [0; 16];
    for (to, from) in key.iter_mut().zip(blob.mac.0) {
        *to = from;
    }
    // The same MAC may stand under several types.
    key[0] ^= blob.resource.0;
    key
}
