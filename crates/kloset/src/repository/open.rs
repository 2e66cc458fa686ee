//! Opens a store: CONFIG, key, states. Key derivation runs beside the fetching of states.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use bytes::Bytes;
use kloset_codec::codec::{Codec, Scratch};
use kloset_codec::hash::{MacKey, config_trailer, same_mac};
use kloset_connector::{ConnectorError, ErrorKind, Listed, RangeRequest, Storage, StoreFile};
use kloset_format::config::{Config, RepositoryId};
use kloset_format::envelope::{self, EnvelopeError};
use kloset_format::{PackfileId, ResourceType, StateId, Version};

use super::keys::{self, Machinery};
use super::memory::{Acceptance, StoreMemory};
use crate::state::local::StateCache;
use crate::state::{self, LoadedState, View};
use crate::{Event, Monitor, OpenError, Repository, Runtime};

/// Decoded size of one state at most, whatever its encoded size: 10 million entries and more.
const STATE_BYTES_MAX: usize = 4 << 30;
/// States are mostly MACs, which do not compress: no honest one decodes to more than this many times
/// its encoded size (and 1 MiB).
const STATE_EXPANSION_MAX: usize = 64;

/// Fetches of a state whose bytes do not match their checksum.
const STATE_FETCHES_MAX: usize = 3;

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

/// State files as the store holds them.
struct RawStates {
    files: Vec<(StateId, Bytes, FromCache)>,
}

/// Where the bytes of a state came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FromCache {
    Yes,
    No,
}

/// A store whose CONFIG has been read and whose key is not known yet.
pub struct LockedStore {
    storage: Arc<dyn Storage>,
    options: OpenOptions,
    config: Config,
    config_bytes: Vec<u8>,
    states: JoinHandle<Result<RawStates, ConnectorError>>,
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
            std::thread::Builder::new()
                .name("states".to_owned())
                .spawn(move || fetch_states(storage.as_ref(), cache.as_ref()))
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
            Ok(index) => Ok(judged(
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
                options.acceptance,
            )),
            Err(error) => {
                // The background result is spent; an empty one keeps the type honest.
                let states = std::thread::spawn(|| Ok(RawStates { files: Vec::new() }));
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
        let machinery = self.machinery();
        let cache = self.state_cache();
        let raw = fetch_states(self.storage.as_ref(), cache.as_ref()).map_err(OpenError::Storage)?;
        self.merged(raw, cache.as_ref(), machinery, View::Live)
    }

    /// As [`Repository::refresh`], with everything that is marked for deletion; also the packfiles in
    /// the store, listed after the states.
    pub(crate) fn refresh_whole(&self) -> Result<(Self, Vec<Listed>), OpenError> {
        let machinery = self.machinery();
        let cache = self.state_cache();
        let raw = fetch_states(self.storage.as_ref(), cache.as_ref()).map_err(OpenError::Storage)?;
        let listed = self.storage.list(StoreFile::Packfile).map_err(OpenError::Storage)?;
        let names = listed.iter().map(|file| PackfileId(file.name)).collect();
        let view = View::Everything { listed: &names };
        Ok((self.merged(raw, cache.as_ref(), machinery, view)?, listed))
    }

    fn machinery(&self) -> Machinery {
        Machinery {
            key: self.key.clone(),
            codec: Arc::clone(&self.codec),
            chunker: Arc::clone(&self.chunker),
        }
    }

    fn state_cache(&self) -> Option<StateCache> {
        self.cache.as_ref().and_then(|folder| StateCache::open(folder.join("states")))
    }

    fn merged(
        &self,
        raw: RawStates,
        cache: Option<&StateCache>,
        machinery: Machinery,
        view: View<'_>,
    ) -> Result<Self, OpenError> {
        let index = merge_states(raw, self.storage.as_ref(), cache, self.monitor.as_ref(), &machinery, view)?;
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
        .judged_again(self))
    }
}

impl Repository {
    /// A refreshed repository keeps the suspicions of the one it came from.
    fn judged_again(self, before: &Self) -> Self {
        if before.suspicions.is_empty() {
            judged(self, Acceptance::Compare)
        } else {
            Self { suspicions: before.suspicions.clone(), ..self }
        }
    }
}

/// Compares the store with what was seen before. A store that passes, or is accepted, is remembered.
fn judged(mut repository: Repository, acceptance: Acceptance) -> Repository {
    let info = repository.storage.info();
    // A single file has neither a history of states nor a place that anybody else writes to.
    let Some(memory) = repository.memory.clone().filter(|_| info.writable) else { return repository };
    let listed: HashSet<StateId> = repository.index.states().iter().copied().collect();
    let missing = repository.index.missing_parents();
    if acceptance == Acceptance::Compare {
        let mut problems = memory.compare_location(&info.location, &repository.config);
        problems.extend(memory.compare_states(repository.id(), &repository.key, &listed, missing));
        for problem in &problems {
            repository.monitor.event(Event::Warning(&format!("{}: {problem}", info.location)));
        }
        repository.suspicions = problems;
    }
    if repository.suspicions.is_empty() {
        memory.remember(&info.location, &repository.config, &repository.key, &listed, missing);
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

/// Lists the states and reads each from the cache or the store.
fn fetch_states(storage: &dyn Storage, cache: Option<&StateCache>) -> Result<RawStates, ConnectorError> {
    let listed = storage.list(StoreFile::State)?;
    let mut files = Vec::with_capacity(listed.len());
    let mut wanted = Vec::new();
    for item in &listed {
        let id = StateId(item.name);
        match cache.and_then(|cache| cache.get(id)) {
            Some(bytes) => files.push((id, Bytes::from(bytes), FromCache::Yes)),
            None => wanted.push(*item),
        }
    }
    if let Some(cache) = cache {
        cache.keep_only(&listed.iter().map(|item| StateId(item.name)).collect::<HashSet<_>>());
    }
    let (sized, unsized_): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|item| item.size.is_some());
    let requests: Vec<RangeRequest> = sized
        .iter()
        .map(|item| RangeRequest {
            file: StoreFile::State,
            name: item.name,
            offset: 0,
            length: item.size.unwrap_or(0),
        })
        .collect();
    let fetched = Mutex::new(Vec::with_capacity(requests.len()));
    storage.get_ranges(&requests, &|at, result| {
        fetched.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((at, result));
    });
    for (at, result) in fetched.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        files.push((StateId(requests[at].name), result?, FromCache::No));
    }
    for item in unsized_ {
        files.push((
            StateId(item.name),
            Bytes::from(storage.get(StoreFile::State, &item.name)?),
            FromCache::No,
        ));
    }
    Ok(RawStates { files })
}

/// Verifies and decodes what [`fetch_states`] brought, and merges it.
fn collect_states(
    fetching: JoinHandle<Result<RawStates, ConnectorError>>,
    storage: &dyn Storage,
    options: &OpenOptions,
    config: &Config,
    machinery: &Machinery,
) -> Result<crate::state::Index, OpenError> {
    let raw = match fetching.join() {
        Ok(result) => result.map_err(OpenError::Storage)?,
        Err(_) => fetch_states(storage, None).map_err(OpenError::Storage)?,
    };
    let cache = state_cache(options, config);
    merge_states(raw, storage, cache.as_ref(), options.monitor.as_ref(), machinery, View::Live)
}

fn merge_states(
    raw: RawStates,
    storage: &dyn Storage,
    cache: Option<&StateCache>,
    monitor: &dyn Monitor,
    machinery: &Machinery,
    view: View<'_>,
) -> Result<crate::state::Index, OpenError> {
    let mut loaded = Vec::with_capacity(raw.files.len());
    let mut scratch = Scratch::new();
    for (id, bytes, from_cache) in raw.files {
        let decoded = decode_state(id, &bytes, &machinery.key, &machinery.codec, &mut scratch);
        let state = match (decoded, from_cache) {
            (Ok(state), FromCache::Yes) => state,
            (Ok(state), FromCache::No) => {
                if let Some(cache) = cache {
                    cache.put(id, &bytes);
                }
                state
            }
            (Err(_), FromCache::Yes) => {
                if let Some(cache) = cache {
                    cache.forget(id);
                }
                monitor.event(Event::Info("a damaged state in the local cache was fetched again"));
                let bytes = storage.get(StoreFile::State, &id.0).map_err(OpenError::Storage)?;
                decode_state(id, &bytes, &machinery.key, &machinery.codec, &mut scratch)?
            }
            (Err(error), FromCache::No) => fetch_again(id, storage, machinery, &mut scratch, error)?,
        };
        loaded.push(state);
    }
    state::build(loaded, view)
}

/// Bytes that do not match their checksum may have been damaged on the way: they are fetched anew
/// before the state itself counts as damaged.
fn fetch_again(
    id: StateId,
    storage: &dyn Storage,
    machinery: &Machinery,
    scratch: &mut Scratch,
    mut error: OpenError,
) -> Result<LoadedState, OpenError> {
    for _ in 1..STATE_FETCHES_MAX {
        let bytes = storage.get(StoreFile::State, &id.0).map_err(OpenError::Storage)?;
        match decode_state(id, &bytes, &machinery.key, &machinery.codec, scratch) {
            Ok(state) => return Ok(state),
            Err(again) => error = again,
        }
    }
    Err(error)
}

fn state_bytes_max(encoded: usize) -> usize {
    encoded.saturating_mul(STATE_EXPANSION_MAX).saturating_add(1 << 20).min(STATE_BYTES_MAX)
}

pub(crate) fn decode_state(
    id: StateId,
    bytes: &[u8],
    key: &MacKey,
    codec: &Codec,
    scratch: &mut Scratch,
) -> Result<LoadedState, OpenError> {
    let damaged = |reason: String| OpenError::DamagedState { state: id, reason };
    let opened =
        envelope::open(bytes, ResourceType::STATE, Version::V1_1_0).map_err(|error| match error {
            EnvelopeError::TooNew { version, .. } => OpenError::UnsupportedVersion(version),
            other => damaged(other.to_string()),
        })?;
    // A ptar's state is checked like any other: its trailer is a MAC of header and payload.
    if !key.verify_parts(&[opened.signed], &opened.trailer) {
        return Err(damaged("its checksum does not match".to_owned()));
    }
    let plain = codec
        .decode(scratch, opened.payload, state_bytes_max(opened.payload.len()))
        .map_err(|error| damaged(error.to_string()))?;
    Ok(LoadedState { id, version: opened.version, plain })
}
