//! From CONFIG's settings to the engine's codec, keys and chunker.

use std::sync::Arc;

use kloset_codec::chunk::{ChunkSizes, Chunker};
use kloset_codec::codec::{Codec, Scratch};
use kloset_codec::compress::Compression;
use kloset_codec::encrypt::{Cipher, SubkeyAlgorithm};
use kloset_codec::hash::{HashAlgorithm, MacKey};
use kloset_codec::kdf;
use kloset_format::config::{Config, Encryption, Kdf};
use zeroize::Zeroizing;

use crate::OpenError;

/// Derives the key of an encrypted store; the parameters have passed [`Config::validate`].
pub(super) fn derive(encryption: &Encryption, passphrase: &[u8]) -> Result<Zeroizing<[u8; 32]>, OpenError> {
    let parameters = match &encryption.kdf.kdf {
        Kdf::Argon2id { time, memory_kib, threads, .. } => {
            kdf::Kdf::Argon2id { time: *time, memory_kib: *memory_kib, threads: u32::from(*threads) }
        }
        Kdf::Scrypt { n, r, p, .. } => kdf::Kdf::Scrypt { n: bounded(*n)?, r: bounded(*r)?, p: bounded(*p)? },
        Kdf::Pbkdf2 { iterations, .. } => kdf::Kdf::Pbkdf2Sha256 { rounds: bounded(*iterations)? },
    };
    kdf::derive(&parameters, &encryption.kdf.salt, passphrase)
        .map_err(|error| OpenError::RefusedConfig { reason: error.to_string() })
}

/// A cost that fits the type the function takes; [`Config::validate`] has bounded it before.
fn bounded<T: TryFrom<i64>>(value: i64) -> Result<T, OpenError> {
    T::try_from(value).map_err(|_| OpenError::RefusedConfig {
        reason: format!("key derivation cost {value} is out of range"),
    })
}

/// The cipher of an encrypted store.
pub(super) fn cipher(encryption: &Encryption, key: &[u8; 32]) -> Result<Cipher, OpenError> {
    let subkey = SubkeyAlgorithm::from_config(&encryption.subkey_algorithm).ok_or_else(|| {
        OpenError::RefusedConfig {
            reason: format!("unknown subkey algorithm {:?}", encryption.subkey_algorithm),
        }
    })?;
    let piece_bytes =
        encryption.piece_bytes().map_err(|error| OpenError::RefusedConfig { reason: error.to_string() })?;
    Ok(Cipher::new(key, subkey, piece_bytes as usize))
}

/// Whether the canary opens under this cipher.
pub(super) fn canary_opens(encryption: &Encryption, cipher: &Cipher) -> bool {
    let mut out = Vec::new();
    cipher.open(&encryption.canary, &mut out, 4096).is_ok()
}

/// Everything that depends on CONFIG and the key.
pub(super) struct Machinery {
    pub(super) key: MacKey,
    pub(super) codec: Arc<Codec>,
    pub(super) chunker: Arc<Chunker>,
}

/// Builds hashing, coding and cutting as CONFIG asks; `key` is present exactly for encrypted stores.
pub(super) fn machinery(config: &Config, key: Option<(&[u8; 32], Cipher)>) -> Result<Machinery, OpenError> {
    let hashing =
        HashAlgorithm::from_config(&config.hashing.algorithm).ok_or_else(|| OpenError::RefusedConfig {
            reason: format!("unknown hashing algorithm {:?}", config.hashing.algorithm),
        })?;
    let compression = match &config.compression {
        None => None,
        Some(settings) => {
            Some(Compression::from_config(&settings.algorithm).ok_or_else(|| OpenError::RefusedConfig {
                reason: format!("unknown compression algorithm {:?}", settings.algorithm),
            })?)
        }
    };
    let sizes = ChunkSizes {
        min: config.chunking.min as usize,
        normal: config.chunking.normal as usize,
        max: config.chunking.max as usize,
    };
    let chunker = Chunker::new(&config.chunking.algorithm, sizes)
        .map_err(|error| OpenError::RefusedConfig { reason: error.to_string() })?;
    let (key, cipher) = match key {
        Some((key, cipher)) => (MacKey::new(hashing, *key), Some(cipher)),
        None => (MacKey::for_plaintext_store(hashing, &config.repository_id), None),
    };
    Ok(Machinery { key, codec: Arc::new(Codec { compression, cipher }), chunker: Arc::new(chunker) })
}

/// A canary for a new store: 32 random bytes, sealed.
pub(super) fn make_canary(cipher: &Cipher) -> Vec<u8> {
    let mut scratch = Scratch::new();
    let mut secret = Zeroizing::new([0u8; 32]);
    rand::RngCore::fill_bytes(scratch.rng(), secret.as_mut());
    let mut sealed = Vec::new();
    cipher.seal(secret.as_ref(), &mut sealed, scratch.rng());
    sealed
}
