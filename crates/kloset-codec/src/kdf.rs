//! From passphrase to key.

use argon2::{Algorithm, Argon2, Params, Version};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

/// A key derivation function with its cost. The caller bounds the cost before deriving.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kdf {
    /// Argon2id, version 0x13.
    Argon2id {
        /// Passes over the memory.
        time: u32,
        /// Memory in KiB.
        memory_kib: u32,
        /// Lanes; they are computed in parallel.
        threads: u32,
    },
    /// scrypt.
    Scrypt {
        /// Cost, a power of two.
        n: u64,
        /// Block size.
        r: u32,
        /// Parallelism.
        p: u32,
    },
    /// PBKDF2 with HMAC-SHA256.
    Pbkdf2Sha256 {
        /// Rounds.
        rounds: u32,
    },
}

/// Why no key could be derived.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KdfError {
    /// The function does not take these parameters or this salt.
    #[error("impossible key derivation parameters: {reason}")]
    BadParameters {
        /// What the function says about them.
        reason: String,
    },
    /// The memory that the parameters ask for is not there.
    #[error("not enough memory to derive the key")]
    OutOfMemory,
}

/// Derives the key of a store from the passphrase as typed.
pub fn derive(kdf: &Kdf, salt: &[u8], passphrase: &[u8]) -> Result<Zeroizing<[u8; 32]>, KdfError> {
    let mut key = Zeroizing::new([0u8; 32]);
    match *kdf {
        Kdf::Argon2id { time, memory_kib, threads } => {
            let params = Params::new(memory_kib, time, threads, Some(key.len())).map_err(argon2_error)?;
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into(passphrase, salt, key.as_mut_slice())
                .map_err(argon2_error)?;
        }
        Kdf::Scrypt { n, r, p } => {
            if n < 2 || !n.is_power_of_two() {
                return Err(bad_parameters("the cost of scrypt is not a power of two above 1"));
            }
            let log_n = u8::try_from(n.trailing_zeros()).expect("a u64 has at most 63 trailing zeros");
            // The crate multiplies these two without a check.
            if r.checked_mul(p).is_none() {
                return Err(bad_parameters("r times p is too large"));
            }
            let params = scrypt::Params::new(log_n, r, p).map_err(|e| bad_parameters(&e.to_string()))?;
            scrypt::scrypt(passphrase, salt, &params, key.as_mut_slice())
                .map_err(|e| bad_parameters(&e.to_string()))?;
        }
        Kdf::Pbkdf2Sha256 { rounds } => {
            if rounds == 0 {
                return Err(bad_parameters("PBKDF2 needs at least one round"));
            }
            pbkdf2::pbkdf2_hmac::<Sha256>(passphrase, salt, rounds, key.as_mut_slice());
        }
    }
    Ok(key)
}

fn argon2_error(error: argon2::Error) -> KdfError {
    match error {
        argon2::Error::OutOfMemory => KdfError::OutOfMemory,
        other => bad_parameters(&other.to_string()),
    }
}

fn bad_parameters(reason: &str) -> KdfError {
    KdfError::BadParameters { reason: reason.to_owned() }
}
