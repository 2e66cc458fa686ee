//! Makes a store: CONFIG with the reference implementation's defaults, then the empty layout.

use std::path::PathBuf;

use kloset_codec::compress::Compression;
use kloset_codec::encrypt::SubkeyAlgorithm;
use kloset_codec::hash::{HashAlgorithm, config_trailer};
use kloset_connector::Storage;
use kloset_format::config::{
    self, Chunking, Config, Encryption, Hashing, Kdf, KdfParams, PackfileSizes, RepositoryId,
};
use kloset_format::{ResourceType, Version, envelope};
use zeroize::Zeroizing;

use super::keys;
use super::memory::StoreMemory;
use super::open::decode_config;
use crate::{OpenError, Runtime};

/// Lanes of a new store's Argon2id, computed in parallel; the reference implementation obeys what
/// CONFIG says and reads any number.
const ARGON2_LANES: u8 = 4;

/// Largest packfile of a store that has many.
const PACKFILE_BYTES_MAX: u64 = 64 << 20;

/// Settings of a new store.
pub struct CreateOptions {
    /// Hash that names blobs.
    pub hashing: HashAlgorithm,
    /// Compression; `None` stores raw bytes.
    pub compression: Option<Compression>,
    /// Passphrase; `None` makes a plaintext store.
    pub passphrase: Option<Zeroizing<Vec<u8>>>,
}

/// Makes a store in `storage`.
pub fn create(
    storage: &dyn Storage,
    options: &CreateOptions,
    runtime: &Runtime,
) -> Result<RepositoryId, OpenError> {
    let (bytes, id) = new_config(options, runtime, PACKFILE_BYTES_MAX)?;
    storage.create(&bytes).map_err(OpenError::Storage)?;
    Ok(id)
}

/// Makes a store and remembers in the folder `memory` which store is at this place.
pub fn create_and_remember(
    storage: &dyn Storage,
    options: &CreateOptions,
    runtime: &Runtime,
    memory: PathBuf,
) -> Result<RepositoryId, OpenError> {
    let (bytes, id) = new_config(options, runtime, PACKFILE_BYTES_MAX)?;
    storage.create(&bytes).map_err(OpenError::Storage)?;
    StoreMemory::new(memory).remember_location(&storage.info().location, &decode_config(&bytes)?);
    Ok(id)
}

/// The bytes of CONFIG for a store that is one file: its packfile may have any size.
pub(crate) fn new_archive_config(options: &CreateOptions, runtime: &Runtime) -> Result<Vec<u8>, OpenError> {
    new_config(options, runtime, u64::MAX).map(|(bytes, _)| bytes)
}

/// The bytes of CONFIG for a new store, and its fresh identity.
fn new_config(
    options: &CreateOptions,
    runtime: &Runtime,
    packfile_bytes_max: u64,
) -> Result<(Vec<u8>, RepositoryId), OpenError> {
    let mut random = rand::rngs::OsRng;
    let mut id = [0u8; 16];
    fill(&mut random, &mut id)?;
    // UUID version 4, variant 1.
    id[6] = (id[6] & 0x0f) | 0x40;
    id[8] = (id[8] & 0x3f) | 0x80;

    let mut key = None;
    let mut encryption = None;
    if let Some(passphrase) = &options.passphrase {
        let mut settings = encryption_settings(&mut random)?;
        let derived = keys::derive(&settings, passphrase)?;
        settings.canary = keys::make_canary(&keys::cipher(&settings, &derived)?);
        encryption = Some(settings);
        key = Some(derived);
    }
    let config = Config {
        timestamp: runtime.clock.now(),
        repository_id: id,
        packfile: PackfileSizes { min: 0, avg: 0, max: packfile_bytes_max },
        chunking: Chunking {
            algorithm: "fastcdc-v1.0.0".to_owned(),
            min: 512 << 10,
            normal: 1 << 20,
            max: 8 << 20,
        },
        hashing: Hashing { algorithm: options.hashing.name().to_owned(), bits: 256 },
        compression: options.compression.map(|algorithm| config::Compression {
            algorithm: algorithm.name().to_owned(),
            level: 128 << 10,
            window_size: -1,
            chunk_size: -1,
            block_size: -1,
            enable_crc: false,
        }),
        encryption,
    };
    let mut bytes = envelope::header(ResourceType::CONFIG, Version::V1_0_0).to_vec();
    bytes.extend_from_slice(&config.encode());
    let trailer = config_trailer(key.as_deref(), &bytes);
    bytes.extend_from_slice(trailer.as_bytes());
    Ok((bytes, RepositoryId(id)))
}

/// The reference implementation's settings, but with more lanes; no canary yet.
fn encryption_settings(random: &mut rand::rngs::OsRng) -> Result<Encryption, OpenError> {
    let mut salt = vec![0u8; 16];
    fill(random, &mut salt)?;
    Ok(Encryption {
        subkey_algorithm: SubkeyAlgorithm::Aes256Kw.name().to_owned(),
        data_algorithm: "AES256-GCM-SIV".to_owned(),
        chunk_size: 64 << 10,
        kdf: KdfParams {
            kdf: Kdf::Argon2id { time: 4, memory_kib: 256 << 10, threads: ARGON2_LANES, key_len: 32 },
            salt_size: salt.len() as u32,
            salt,
        },
        canary: Vec::new(),
    })
}

fn fill(random: &mut rand::rngs::OsRng, out: &mut [u8]) -> Result<(), OpenError> {
    rand::TryRngCore::try_fill_bytes(random, out).map_err(|error| OpenError::RefusedConfig {
        reason: format!("the system gives no random bytes: {error}"),
    })
}
