//! Opens a store: CONFIG, key, states. Key derivation runs beside the fetching of states.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use kloset_codec::hash::{config_trailer, same_mac};
use kloset_connector::{ConnectorError, ErrorKind, Listed, Storage, StoreFile};
use kloset_format::config::{Config, RepositoryId};
use kloset_format::envelope::{self, EnvelopeError};
use kloset_format::{PackfileId, ResourceType, StateId, Version};

use super::keys::{self, Machinery};
use super::memory::{Acceptance, SeenBefore, StoreMemory};
use super::states::{Merging, RawStates, Start, Unfinished, fetch_states};
use crate::state::local::StateCache;
use crate::state::{Index, View};
use crate::{Event, Monitor, OpenError, Repository, Runtime};

/// How to open a store.
#[derive(Clone)]
pub struct OpenOptions {
    /// Folder for the local cache of all stores; `None` works without.
    pub cache: Option<PathBuf>,
    /// Folder for what this client remembers of stores; `None` makes every open a first contact.
    pub memory: Option<PathBuf>,
    /// Whether changes that speak against the store are accepted.
    pub acceptance: Acceptance,
    /// Threads and clock.
    pub runtime: Runtime,
    /// Hears warnings.
    pub monitor: Arc<dyn Monitor>,
}

impl OpenOptions {
    /// Opens without cache and memory.
    pub fn new(runtime: Runtime, monitor: Arc<dyn Monitor>) -> Self {
        Self { cache: None, memory: None, acceptance: Acceptance::Compare, runtime, monitor }
    }
}

/// The states, and what was remembered before they were listed: what another process of this client
/// publishes meanwhile is not held against the store.
struct Fetched {
    seen: SeenBefore,
    raw: RawStates,
}

/// A store whose CONFIG has been read and whose key is not known yet.
pub struct LockedStore {
    storage: Arc<dyn Storage>,
    options: OpenOptions,
    config: Config,
    config_bytes: Vec<u8>,
    states: JoinHandle<Result<Fetched, ConnectorError>>,
}

impl LockedStore {
    /// Reads CONFIG, checks its bounds, and starts fetching states in the background.
    pub fn probe(storage: Arc<dyn Storage>, options: OpenOptions) -> Result<Self, OpenError> {
        let config_bytes = storage.read_config().map_err(|error| match error.kind {
            ErrorKind::NotFound => OpenError::NotAStore,
            _ => OpenError::Storage(error),
        })?;
        let config = decode_config(&config_bytes)?;
        let cache = state_cache(&options, &config);
        let states = {
            let storage = Arc::clone(&storage);
            let memory = options.memory.clone().map(StoreMemory::new);
            let id = RepositoryId(config.repository_id);
            std::thread::Builder::new()
                .name("states".to_owned())
                .spawn(move || {
                    let seen = SeenBefore::of(memory.as_ref(), id);
                    let raw = fetch_states(storage.as_ref(), cache.as_ref(), Start::Cache)?;
                    Ok(Fetched { seen, raw })
                })
                .map_err(|error| {
                    OpenError::Storage(ConnectorError::from_io("start thread for", "states", error))
                })?
        };
        Ok(Self { storage, options, config, config_bytes, states })
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
        let machinery = match self.authenticate(passphrase) {
            Ok(machinery) => machinery,
            Err(error) => return Err((self, error)),
        };
        let Self { storage, options, config, config_bytes, states } = self;
        let opened = collect_states(states, storage.as_ref(), &options, &config, &machinery);
        match opened {
            Ok((index, seen)) => Ok(judged(
                Repository {
                    memory: options.memory.clone().map(StoreMemory::new),
                    suspicions: Vec::new(),
                    read_log: OnceLock::new(),
                    cache: options
                        .cache
                        .as_ref()
                        .map(|folder| folder.join(RepositoryId(config.repository_id).to_string())),
                    storage,
                    config,
                    key: machinery.key,
                    codec: machinery.codec,
                    chunker: machinery.chunker,
                    monitor: options.monitor,
                    runtime: options.runtime,
                    index,
                },
                &seen,
                options.acceptance,
            )),
            Err(error) => {
                // The background result is spent.
                let storage_again = Arc::clone(&storage);
                let states = std::thread::spawn(move || fetch_anew(storage_again.as_ref()));
                Err((Self { storage, options, config, config_bytes, states }, error))
            }
        }
    }

    /// Checks canary and trailer before anything else of CONFIG is believed.
    fn authenticate(&self, passphrase: Option<&[u8]>) -> Result<Machinery, OpenError> {
        let signed_end = self.config_bytes.len().saturating_sub(envelope::TRAILER_SIZE);
        let (signed, trailer) = self.config_bytes.split_at(signed_end);
        let damaged = || OpenError::DamagedConfig { reason: "its checksum does not match".to_owned() };
        let trailer = kloset_format::Mac::from_slice(trailer).ok_or_else(damaged)?;
        let machinery = match &self.config.encryption {
            None => {
                if !same_mac(&config_trailer(None, signed), &trailer) {
                    return Err(damaged());
                }
                return keys::machinery(&self.config, None);
            }
            Some(encryption) => {
                let passphrase = passphrase.ok_or(OpenError::PassphraseMissing)?;
                let key = keys::derive(encryption, passphrase)?;
                let cipher = keys::cipher(encryption, &key)?;
                if !keys::canary_opens(encryption, &cipher) {
                    return Err(OpenError::WrongPassphrase);
                }
                if !same_mac(&config_trailer(Some(&key), signed), &trailer) {
                    return Err(damaged());
                }
                keys::machinery(&self.config, Some((&key, cipher)))?
            }
        };
        Ok(machinery)
    }
}

impl Repository {
    /// Opens the same store again with the same key: sees what was added meanwhile.
    pub fn refresh(&self) -> Result<Self, OpenError> {
        let fetched = self.fetch()?;
        self.merged(fetched, View::Live)
    }

    /// As [`Repository::refresh`], with everything that is marked for deletion; also the packfiles in
    /// the store, listed after the states.
    pub(crate) fn refresh_whole(&self) -> Result<(Self, Vec<Listed>), OpenError> {
        let fetched = self.fetch()?;
        let listed = self.storage.list(StoreFile::Packfile).map_err(OpenError::Storage)?;
        let names = listed.iter().map(|file| PackfileId(file.name)).collect();
        Ok((self.merged(fetched, View::Everything { listed: &names })?, listed))
    }

    fn fetch(&self) -> Result<Fetched, OpenError> {
        let seen = SeenBefore::of(self.memory.as_ref(), self.id());
        let start = Start::Merged(self.index.merged());
        let raw = fetch_states(self.storage.as_ref(), self.state_cache().as_ref(), start)
            .map_err(OpenError::Storage)?;
        Ok(Fetched { seen, raw })
    }

    pub(super) fn machinery(&self) -> Machinery {
        Machinery {
            key: self.key.clone(),
            codec: Arc::clone(&self.codec),
            chunker: Arc::clone(&self.chunker),
        }
    }

    pub(super) fn state_cache(&self) -> Option<StateCache> {
        self.cache.as_ref().and_then(|folder| StateCache::open(folder.join("states")))
    }

    fn merged(&self, fetched: Fetched, view: View<'_>) -> Result<Self, OpenError> {
        let (machinery, cache) = (self.machinery(), self.state_cache());
        let merging = Merging {
            storage: self.storage.as_ref(),
            cache: cache.as_ref(),
            monitor: self.monitor.as_ref(),
            machinery: &machinery,
            threads: self.runtime.threads,
            // Whoever decides what nobody needs must know every state.
            unfinished: if matches!(view, View::Live) { Unfinished::LeftOut } else { Unfinished::Refused },
        };
        let index = Index::new(merging.merge(fetched.raw)?, view);
        Ok(Self {
            storage: Arc::clone(&self.storage),
            config: self.config.clone(),
            key: machinery.key,
            codec: machinery.codec,
            chunker: machinery.chunker,
            monitor: Arc::clone(&self.monitor),
            runtime: self.runtime.clone(),
            index,
            cache: self.cache.clone(),
            memory: self.memory.clone(),
            suspicions: Vec::new(),
            read_log: OnceLock::new(),
        }
        .judged_again(self, &fetched.seen))
    }
}

impl Repository {
    /// A refreshed repository keeps the suspicions of the one it came from.
    fn judged_again(self, before: &Self, seen: &SeenBefore) -> Self {
        if before.suspicions.is_empty() {
            judged(self, seen, Acceptance::Compare)
        } else {
            Self { suspicions: before.suspicions.clone(), ..self }
        }
    }
}

/// Compares the store with what was seen before. A store that passes, or is accepted, is remembered.
fn judged(mut repository: Repository, seen: &SeenBefore, acceptance: Acceptance) -> Repository {
    let info = repository.storage.info();
    // A single file has neither a history of states nor a place that anybody else writes to.
    let Some(memory) = repository.memory.clone().filter(|_| info.writable) else { return repository };
    let listed: HashSet<StateId> = repository.index.states().iter().copied().collect();
    let missing = repository.index.missing_parents();
    if acceptance == Acceptance::Compare {
        let mut problems = memory.compare_location(&info.location, &repository.config);
        let replaced = repository.index.merged().replacements().map(|(state, _)| state);
        let told = listed.iter().copied().chain(replaced).collect();
        problems.extend(seen.compare(&repository.key, &told, missing));
        for problem in &problems {
            repository.monitor.event(Event::Warning(&format!("{}: {problem}", info.location)));
        }
        repository.suspicions = problems;
    }
    if repository.suspicions.is_empty() {
        memory.remember(&info.location, &repository.config, &repository.key, seen, &listed, missing);
    }
    repository
}

pub(super) fn decode_config(bytes: &[u8]) -> Result<Config, OpenError> {
    if bytes.len() > Config::MAX_BYTES {
        return Err(OpenError::RefusedConfig {
            reason: format!("{} bytes, at most {} are read", bytes.len(), Config::MAX_BYTES),
        });
    }
    let opened =
        envelope::open(bytes, ResourceType::CONFIG, Version::V1_0_0).map_err(|error| match error {
            EnvelopeError::TooNew { version, .. } => OpenError::UnsupportedVersion(version),
            other => OpenError::DamagedConfig { reason: other.to_string() },
        })?;
    let config = Config::decode(opened.payload)
        .map_err(|error| OpenError::DamagedConfig { reason: error.to_string() })?;
    config.validate().map_err(|error| OpenError::RefusedConfig { reason: error.to_string() })?;
    Ok(config)
}

fn state_cache(options: &OpenOptions, config: &Config) -> Option<StateCache> {
    let folder = options.cache.as_ref()?.join(RepositoryId(config.repository_id).to_string()).join("states");
    StateCache::open(folder)
}

fn fetch_anew(storage: &dyn Storage) -> Result<Fetched, ConnectorError> {
    Ok(Fetched { seen: SeenBefore::default(), raw: fetch_states(storage, None, Start::Nothing)? })
}

/// Waits for the states and merges them.
fn collect_states(
    fetching: JoinHandle<Result<Fetched, ConnectorError>>,
    storage: &dyn Storage,
    options: &OpenOptions,
    config: &Config,
    machinery: &Machinery,
) -> Result<(Index, SeenBefore), OpenError> {
    let Fetched { seen, raw } =
        fetching.join().unwrap_or_else(|_| fetch_anew(storage)).map_err(OpenError::Storage)?;
    let cache = state_cache(options, config);
    let merging = Merging {
        storage,
        cache: cache.as_ref(),
        monitor: options.monitor.as_ref(),
        machinery,
        threads: options.runtime.threads,
        unfinished: Unfinished::LeftOut,
    };
    Ok((Index::new(merging.merge(raw)?, View::Live), seen))
}
