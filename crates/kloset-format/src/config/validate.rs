//! What a CONFIG may ask for: known algorithms and bounded costs.
//!
//! CONFIG comes from the store, hence possibly from an attacker, and is used before it can be
//! authenticated. The bounds keep a hostile one from costing more than a second thought.

use super::{Chunking, Config, Encryption, Kdf};

const CHUNK_BYTES_MIN: u32 = 64;
/// Refused even if configured: a chunk must fit in memory many times over.
const CHUNK_BYTES_MAX: u32 = 64 << 20;
const KEY_BYTES: i64 = 32;

/// A field of CONFIG that holds what no store should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("CONFIG {field} is {value}, allowed: {bound}")]
pub struct ConfigError {
    /// Name of the field as in the file.
    pub field: &'static str,
    /// What the file holds.
    pub value: String,
    /// What is allowed.
    pub bound: String,
}

impl Config {
    /// Checks all algorithms and bounds; must succeed before anything in CONFIG is used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        one_of("Hashing.Algorithm", &self.hashing.algorithm, &["BLAKE3", "SHA256"])?;
        // Nothing reads the bits; stores without the field exist only by hand.
        if self.hashing.bits != 0 {
            within("Hashing.Bits", i64::from(self.hashing.bits), 256, 256)?;
        }
        self.chunking.validate()?;
        if let Some(compression) = &self.compression {
            one_of("Compression.Algorithm", &compression.algorithm, &["LZ4", "GZIP"])?;
        }
        match &self.encryption {
            Some(encryption) => encryption.validate(),
            None => Ok(()),
        }
    }
}

impl Chunking {
    fn validate(&self) -> Result<(), ConfigError> {
        let algorithm = self.algorithm.to_ascii_lowercase();
        one_of("Chunking.Algorithm", &algorithm, &["fastcdc-v1.0.0", "fastcdc"])?;
        let (min, normal, max) = (i64::from(self.min), i64::from(self.normal), i64::from(self.max));
        within("Chunking.MaxSize", max, i64::from(CHUNK_BYTES_MIN), i64::from(CHUNK_BYTES_MAX))?;
        within("Chunking.NormalSize", normal, i64::from(CHUNK_BYTES_MIN), max)?;
        within("Chunking.MinSize", min, i64::from(CHUNK_BYTES_MIN), normal)
    }
}

impl Encryption {
    /// Smallest piece that is encrypted on its own.
    pub const PIECE_BYTES_MIN: u32 = 4 << 10;
    /// Largest piece that is encrypted on its own.
    pub const PIECE_BYTES_MAX: u32 = 1 << 20;

    /// Plain bytes per encrypted piece, within bounds.
    pub fn piece_bytes(&self) -> Result<u32, ConfigError> {
        let (min, max) = (i64::from(Self::PIECE_BYTES_MIN), i64::from(Self::PIECE_BYTES_MAX));
        within("Encryption.ChunkSize", self.chunk_size, min, max)?;
        Ok(u32::try_from(self.chunk_size).expect("the bounds lie inside u32"))
    }

    fn validate(&self) -> Result<(), ConfigError> {
        one_of("Encryption.SubKeyAlgorithm", &self.subkey_algorithm, &["AES256-KW", "AES256-GCM"])?;
        one_of("Encryption.DataAlgorithm", &self.data_algorithm, &["AES256-GCM-SIV"])?;
        self.piece_bytes()?;
        if self.canary.is_empty() {
            return Err(error("Encryption.Canary", "empty", "an encrypted value"));
        }
        let salt = i64::try_from(self.kdf.salt.len()).unwrap_or(i64::MAX);
        within("KDFParams.Salt length", salt, 16, 64)?;
        self.kdf.kdf.validate()
    }
}

impl Kdf {
    fn validate(&self) -> Result<(), ConfigError> {
        match self {
            Self::Argon2id { time, memory_kib, threads, key_len } => {
                within("argon2id.Memory", i64::from(*memory_kib), 8 << 10, 1 << 20)?;
                within("argon2id.Time", i64::from(*time), 1, 16)?;
                within("argon2id.Threads", i64::from(*threads), 1, 16)?;
                within("argon2id.KeyLen", i64::from(*key_len), KEY_BYTES, KEY_BYTES)
            }
            Self::Scrypt { n, r, p, key_len } => {
                within("scrypt.N", *n, 2, 1 << 20)?;
                if !n.unsigned_abs().is_power_of_two() {
                    return Err(error("scrypt.N", n.to_string(), "a power of two"));
                }
                within("scrypt.R", *r, 1, 16)?;
                within("scrypt.P", *p, 1, 4)?;
                within("scrypt.KeyLen", *key_len, KEY_BYTES, KEY_BYTES)
            }
            Self::Pbkdf2 { iterations, key_len, hashing } => {
                within("pbkdf2.Iterations", *iterations, 100_000, 10_000_000)?;
                within("pbkdf2.KeyLen", *key_len, KEY_BYTES, KEY_BYTES)?;
                one_of("pbkdf2.Hashing", hashing, &["SHA256"])
            }
        }
    }
}

fn error(field: &'static str, value: impl Into<String>, bound: impl Into<String>) -> ConfigError {
    ConfigError { field, value: value.into(), bound: bound.into() }
}

fn within(field: &'static str, value: i64, min: i64, max: i64) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let bound = if min == max { min.to_string() } else { format!("{min} to {max}") };
    Err(error(field, value.to_string(), bound))
}

fn one_of(field: &'static str, value: &str, known: &[&str]) -> Result<(), ConfigError> {
    if known.contains(&value) {
        return Ok(());
    }
    Err(error(field, format!("\"{}\"", value.escape_debug()), known.join(" or ")))
}
