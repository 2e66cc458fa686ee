//! Makes a store.

use kloset_codec::compress::Compression;
use kloset_codec::hash::HashAlgorithm;
use kloset_connector::Storage;
use kloset_format::config::RepositoryId;
use zeroize::Zeroizing;

use crate::{OpenError, Runtime};

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
    let _ = (storage, options, runtime);
    todo!()
}
