//! Opens a store: CONFIG, key, states. Key derivation runs beside the fetching of states.

use std::path::PathBuf;
use std::sync::Arc;

use kloset_connector::Storage;
use kloset_format::config::Config;

use crate::{Monitor, OpenError, Repository, Runtime};

/// How to open a store.
#[derive(Clone)]
pub struct OpenOptions {
    /// Folder for the local cache of all stores; `None` works without.
    pub cache: Option<PathBuf>,
    /// Threads and clock.
    pub runtime: Runtime,
    /// Hears warnings.
    pub monitor: Arc<dyn Monitor>,
}

/// A store whose CONFIG has been read and whose key is not known yet.
pub struct LockedStore {
    storage: Arc<dyn Storage>,
    options: OpenOptions,
    config: Config,
}

impl LockedStore {
    /// Reads CONFIG, checks its bounds, and starts fetching states in the background.
    pub fn probe(storage: Arc<dyn Storage>, options: OpenOptions) -> Result<Self, OpenError> {
        let _ = (storage, options);
        todo!()
    }

    /// Settings of the store, not yet authenticated.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether a passphrase is needed.
    pub fn is_encrypted(&self) -> bool {
        self.config.encryption.is_some()
    }

    /// Derives the key and opens the store. On a wrong passphrase, the locked store comes back for
    /// another try together with [`OpenError::WrongPassphrase`].
    #[allow(clippy::result_large_err)]
    pub fn unlock(self, passphrase: Option<&[u8]>) -> Result<Repository, (Self, OpenError)> {
        let _ = (&self.storage, &self.options, passphrase);
        todo!()
    }
}
