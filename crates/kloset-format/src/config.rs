//! The CONFIG file: how a store hashes, cuts, packs, compresses and encrypts.
//!
//! CONFIG is read before its trailer can be checked, because it says how to derive the key
//! that checks it. So decoding is bounded by [`Config::MAX_BYTES`], and nothing in it may be
//! used before [`Config::validate`] has bounded what it asks for.

mod codec;
mod validate;

pub use validate::ConfigError;

use std::fmt;

use crate::Timestamp;

/// Everything a store says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// When the store was created.
    pub timestamp: Timestamp,
    /// Random UUID of the store, raw; [`RepositoryId`] gives its text form.
    pub repository_id: [u8; 16],
    /// When packfiles are sealed.
    pub packfile: PackfileSizes,
    /// How content is cut.
    pub chunking: Chunking,
    /// How blobs are named.
    pub hashing: Hashing,
    /// How blobs are compressed, if at all.
    pub compression: Option<Compression>,
    /// How blobs are encrypted, if at all.
    pub encryption: Option<Encryption>,
}

/// Sizes of packfiles in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackfileSizes {
    /// Not used.
    pub min: u64,
    /// Not used.
    pub avg: u64,
    /// A packfile is sealed when its blobs exceed this; 0 seals after every blob.
    pub max: u64,
}

/// Parameters of the chunker, sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunking {
    /// `fastcdc-v1.0.0`, or `fastcdc` in older stores; case does not matter.
    pub algorithm: String,
    /// No cut before this many bytes.
    pub min: u32,
    /// Where the cut condition becomes looser.
    pub normal: u32,
    /// A cut at this many bytes at the latest.
    pub max: u32,
}

/// The hash of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hashing {
    /// `BLAKE3` or `SHA256`.
    pub algorithm: String,
    /// Always 256.
    pub bits: u32,
}

/// The compression of a store. Only the algorithm has an effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compression {
    /// `LZ4` or `GZIP`.
    pub algorithm: String,
    /// Recorded, never used.
    pub level: i64,
    /// Recorded, never used.
    pub window_size: i64,
    /// Recorded, never used.
    pub chunk_size: i64,
    /// Recorded, never used.
    pub block_size: i64,
    /// Recorded, never used.
    pub enable_crc: bool,
}

/// The encryption of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// How the random key of each blob is wrapped: `AES256-KW` or `AES256-GCM`.
    pub subkey_algorithm: String,
    /// `AES256-GCM-SIV`.
    pub data_algorithm: String,
    /// Plain bytes per encrypted piece; see [`Encryption::piece_bytes`].
    pub chunk_size: i64,
    /// How the key comes from the passphrase.
    pub kdf: KdfParams,
    /// An encrypted value that only the right key opens.
    pub canary: Vec<u8>,
}

/// Salt and cost of the key derivation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KdfParams {
    /// Salt as used.
    pub salt: Vec<u8>,
    /// Length of the salt as recorded beside the cost; not used.
    pub salt_size: u32,
    /// Algorithm and its cost.
    pub kdf: Kdf,
}

/// A key derivation and its cost, as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kdf {
    /// Argon2id, version 0x13.
    Argon2id {
        /// Passes.
        time: u32,
        /// Memory in KiB.
        memory_kib: u32,
        /// Lanes.
        threads: u8,
        /// Length of the key in bytes.
        key_len: u32,
    },
    /// scrypt.
    Scrypt {
        /// Cost, a power of two.
        n: i64,
        /// Block size.
        r: i64,
        /// Parallelism.
        p: i64,
        /// Length of the key in bytes.
        key_len: i64,
    },
    /// PBKDF2 with HMAC.
    Pbkdf2 {
        /// Rounds.
        iterations: i64,
        /// Length of the key in bytes.
        key_len: i64,
        /// Hash of the HMAC, `SHA256`.
        hashing: String,
    },
}

impl Config {
    /// Longest CONFIG file that is read.
    pub const MAX_BYTES: usize = 65_536;
}

/// Identifier of a store; its text form is that of a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryId(pub [u8; 16]);

impl RepositoryId {
    /// Parses 32 hexadecimal digits in groups of 8-4-4-4-12, either case.
    pub fn parse(text: &str) -> Option<Self> {
        let mut digits = text.bytes().enumerate();
        let mut out = [0u8; 16];
        let mut filled = 0;
        while let Some((at, byte)) = digits.next() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return None;
                }
                continue;
            }
            let high = char::from(byte).to_digit(16)?;
            let low = char::from(digits.next()?.1).to_digit(16)?;
            *out.get_mut(filled)? = (high * 16 + low) as u8;
            filled += 1;
        }
        (filled == out.len()).then_some(Self(out))
    }
}

impl std::str::FromStr for RepositoryId {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse(text).ok_or_else(|| ConfigError {
            field: "RepositoryID",
            value: text.to_owned(),
            bound: "a UUID".to_owned(),
        })
    }
}

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepositoryId({self})")
    }
}

#[cfg(test)]
mod tests;
