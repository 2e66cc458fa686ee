//! The keyed hash that names blobs and guards store files.
//!
//! BLAKE3 in keyed mode or HMAC-SHA256, as CONFIG says. The key is the derived key of an
//! encrypted store, and a hash of the repository id in a plaintext store.

use hmac::{Hmac, KeyInit, Mac as _};
use kloset_format::Mac;
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// A hash function that CONFIG can name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HashAlgorithm {
    /// BLAKE3, keyed mode.
    Blake3,
    /// HMAC-SHA256.
    Sha256,
}

impl HashAlgorithm {
    /// Finds the algorithm that CONFIG calls `name`, in either case.
    pub fn from_config(name: &str) -> Option<Self> {
        [Self::Blake3, Self::Sha256].into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// The name in CONFIG.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "BLAKE3",
            Self::Sha256 => "SHA256",
        }
    }
}

/// Key of the MACs of one store. Wiped from memory when dropped.
#[derive(Clone)]
pub struct MacKey(Keyed);

#[derive(Clone)]
enum Keyed {
    Blake3(Zeroizing<[u8; 32]>),
    Sha256(Box<Hmac<Sha256>>),
}

impl MacKey {
    /// Takes the key of an encrypted store.
    pub fn new(algorithm: HashAlgorithm, key: [u8; 32]) -> Self {
        let key = Zeroizing::new(key);
        Self(match algorithm {
            HashAlgorithm::Blake3 => Keyed::Blake3(key),
            HashAlgorithm::Sha256 => Keyed::Sha256(Box::new(hmac_sha256(&key))),
        })
    }

    /// Makes the key of a plaintext store from its id.
    pub fn for_plaintext_store(algorithm: HashAlgorithm, repository_id: &[u8; 16]) -> Self {
        let key = match algorithm {
            HashAlgorithm::Blake3 => *blake3::hash(repository_id).as_bytes(),
            HashAlgorithm::Sha256 => Sha256::digest(repository_id).into(),
        };
        Self::new(algorithm, key)
    }

    /// The MAC of `bytes`.
    pub fn mac(&self, bytes: &[u8]) -> Mac {
        match &self.0 {
            Keyed::Blake3(key) => Mac(*blake3::keyed_hash(key, bytes).as_bytes()),
            Keyed::Sha256(_) => self.mac_parts(&[bytes]),
        }
    }

    /// The MAC of all `parts`, one after the other.
    pub fn mac_parts(&self, parts: &[&[u8]]) -> Mac {
        let mut stream = self.stream();
        for part in parts {
            stream.update(part);
        }
        stream.finish()
    }

    /// Whether `trailer` is the MAC of all `parts`, compared in constant time.
    pub fn verify_parts(&self, parts: &[&[u8]], trailer: &Mac) -> bool {
        same_mac(&self.mac_parts(parts), trailer)
    }

    /// Starts a MAC of bytes that come in pieces.
    pub fn stream(&self) -> MacStream {
        MacStream(match &self.0 {
            Keyed::Blake3(key) => Running::Blake3(Box::new(blake3::Hasher::new_keyed(key))),
            Keyed::Sha256(hmac) => Running::Sha256(hmac.clone()),
        })
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Keyed::Blake3(_) => "MacKey(BLAKE3)",
            Keyed::Sha256(_) => "MacKey(SHA256)",
        })
    }
}

/// A MAC under way.
#[derive(Clone)]
pub struct MacStream(Running);

#[derive(Clone)]
enum Running {
    Blake3(Box<blake3::Hasher>),
    Sha256(Box<Hmac<Sha256>>),
}

impl MacStream {
    /// Adds `bytes` to what is hashed.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Running::Blake3(hasher) => {
                hasher.update(bytes);
            }
            Running::Sha256(hmac) => hmac.update(bytes),
        }
    }

    /// The MAC of everything added.
    pub fn finish(self) -> Mac {
        match self.0 {
            Running::Blake3(hasher) => Mac(*hasher.finalize().as_bytes()),
            Running::Sha256(hmac) => Mac(hmac.finalize().into_bytes().into()),
        }
    }
}

impl fmt::Debug for MacStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacStream")
    }
}

/// The trailer of a CONFIG file: always BLAKE3, keyed only in an encrypted store.
pub fn config_trailer(key: Option<&[u8; 32]>, signed: &[u8]) -> Mac {
    Mac(*match key {
        Some(key) => blake3::keyed_hash(key, signed),
        None => blake3::hash(signed),
    }
    .as_bytes())
}

/// Compares two MACs in constant time.
pub fn same_mac(a: &Mac, b: &Mac) -> bool {
    blake3::Hash::from_bytes(a.0) == blake3::Hash::from_bytes(b.0)
}

fn hmac_sha256(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length")
}
