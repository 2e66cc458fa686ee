//! Fetches the states of a store and merges them.
//!
//! What was merged before, in this process or in the local cache, is gone on from while the store still
//! lists every state of it; then only the others are read.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use bytes::Bytes;
use kloset_codec::codec::{Codec, Scratch};
use kloset_codec::hash::MacKey;
use kloset_connector::{ConnectorError, ErrorKind, Listed, RangeRequest, Storage, StoreFile};
use kloset_format::envelope::{self, EnvelopeError};
use kloset_format::{ResourceType, StateId, Version};

use super::keys::Machinery;
use crate::batches::{batch_length, batches};
use crate::guard::guard;
use crate::state::local::StateCache;
use crate::state::saved::states_of;
use crate::state::{LoadedState, Merged, Merger};
use crate::{Event, Monitor, OpenError, Repository};

/// Decoded size of one state at most, whatever its encoded size: 10 million entries and more.
const STATE_BYTES_MAX: usize = 4 << 30;
/// States are mostly MACs, which do not compress: no honest one decodes to more than this many times
/// its encoded size (and 1 MiB).
const STATE_EXPANSION_MAX: usize = 64;
/// Listings of states until all that are listed are still there.
const LISTINGS_MAX: usize = 3;
/// Fetches of a state whose bytes do not match their checksum.
const STATE_FETCHES_MAX: usize = 3;
/// States decoded at once, and their encoded bytes.
const BATCH_STATES: usize = 128;
const BATCH_BYTES: u64 = 8 << 20;
/// Below this many encoded bytes, more threads cost more than they save.
const PARALLEL_BYTES_MIN: usize = 64 << 10;

/// State files as the store holds them, and what is known already.
pub(super) struct RawStates {
    files: Vec<(StateId, Bytes, FromCache)>,
    base: Base,
}

/// Where the bytes of a state came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FromCache {
    Yes,
    No,
}

/// What was merged before; the store lists all of its states.
enum Base {
    Nothing,
    /// From the cache, not verified.
    Saved(Vec<u8>),
    Merged(Box<Merged>),
}

/// Where to start from.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    /// From states alone.
    Nothing,
    /// From what the cache has, if it can be used.
    Cache,
    /// From what this process has merged, if it can be used.
    Merged(&'a Merged),
}

/// Lists the states and reads each that is not known from the cache or the store. Of states that were merged
/// meanwhile, what replaces them is read.
pub(super) fn fetch_states(
    storage: &dyn Storage,
    cache: Option<&StateCache>,
    start: Start<'_>,
) -> Result<RawStates, ConnectorError> {
    while_states_vanish(|| fetch_listed(storage, cache, start))
}

/// Does what begins with a listing of the states, again if any of them is gone before it was read.
fn while_states_vanish<T>(
    mut list_and_read: impl FnMut() -> Result<T, ConnectorError>,
) -> Result<T, ConnectorError> {
    for _ in 1..LISTINGS_MAX {
        match list_and_read() {
            Err(error) if error.kind == ErrorKind::NotFound => {}
            outcome => return outcome,
        }
    }
    list_and_read()
}

fn fetch_listed(
    storage: &dyn Storage,
    cache: Option<&StateCache>,
    start: Start<'_>,
) -> Result<RawStates, ConnectorError> {
    let listed = storage.list(StoreFile::State)?;
    let names: HashSet<StateId> = listed.iter().map(|item| StateId(item.name)).collect();
    let (base, known) = choose_base(&names, cache, start);
    let mut files = Vec::with_capacity(listed.len().saturating_sub(known.len()));
    let mut wanted = Vec::new();
    for item in listed.iter().filter(|item| !known.contains(&StateId(item.name))) {
        let id = StateId(item.name);
        match cache.and_then(|cache| cache.get(id)) {
            Some(bytes) => files.push((id, Bytes::from(bytes), FromCache::Yes)),
            None => wanted.push(*item),
        }
    }
    if let Some(cache) = cache {
        cache.keep_only(&names);
    }
    fetch_from_store(storage, &wanted, &mut files)?;
    Ok(RawStates { files, base })
}

/// What to go on from, with the states that it is made of.
fn choose_base(
    listed: &HashSet<StateId>,
    cache: Option<&StateCache>,
    start: Start<'_>,
) -> (Base, HashSet<StateId>) {
    let all_listed = |states: &[StateId]| states.iter().all(|id| listed.contains(id));
    match start {
        Start::Merged(merged) if all_listed(merged.states()) => {
            return (Base::Merged(Box::new(merged.clone())), merged.states().iter().copied().collect());
        }
        Start::Cache | Start::Merged(_) => {
            if let Some(bytes) = cache.and_then(StateCache::merged)
                && let Some(states) = states_of(&bytes)
                && all_listed(&states)
            {
                return (Base::Saved(bytes), states.into_iter().collect());
            }
        }
        Start::Nothing => {}
    }
    (Base::Nothing, HashSet::new())
}

fn fetch_from_store(
    storage: &dyn Storage,
    wanted: &[Listed],
    files: &mut Vec<(StateId, Bytes, FromCache)>,
) -> Result<(), ConnectorError> {
    let requests: Vec<RangeRequest> = wanted
        .iter()
        .filter_map(|item| {
            Some(RangeRequest { file: StoreFile::State, name: item.name, offset: 0, length: item.size? })
        })
        .collect();
    let fetched = Mutex::new(Vec::with_capacity(requests.len()));
    storage.get_ranges(&requests, &|at, result| {
        if let Some(request) = requests.get(at) {
            guard(&fetched).push((StateId(request.name), result));
        }
    });
    for (id, result) in std::mem::take(&mut *guard(&fetched)) {
        files.push((id, result?, FromCache::No));
    }
    for item in wanted.iter().filter(|item| item.size.is_none()) {
        let bytes = storage.get(StoreFile::State, &item.name)?;
        files.push((StateId(item.name), Bytes::from(bytes), FromCache::No));
    }
    Ok(())
}

/// What merging needs besides the states.
pub(super) struct Merging<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) cache: Option<&'a StateCache>,
    pub(super) monitor: &'a dyn Monitor,
    pub(super) machinery: &'a Machinery,
    pub(super) threads: usize,
    pub(super) unfinished: Unfinished,
}

/// What becomes of states whose upload was cut short; no state builds on them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// They are told of, and not there.
    LeftOut,
    /// They are an error.
    Refused,
}

impl Merging<'_> {
    /// Verifies and decodes what [`fetch_states`] brought, and merges it.
    pub(super) fn merge(&self, raw: RawStates) -> Result<Merged, OpenError> {
        let key = &self.machinery.key;
        let base = match raw.base {
            Base::Nothing => Some(Merged::default()),
            Base::Merged(merged) => Some(*merged),
            Base::Saved(bytes) => StateCache::verified(bytes, key),
        };
        let merger = match base {
            Some(base) => self.read(Merger::new(base), raw.files)?,
            None => self.read_everything()?,
        };
        // A state that belongs between those that were merged before changes what they say together.
        let merger = if merger.continues() { merger } else { self.read_everything()? };
        let mut merged = merger.finish()?;
        if let Some(cache) = self.cache {
            cache.save(&mut merged, key);
        }
        Ok(merged)
    }

    fn read_everything(&self) -> Result<Merger, OpenError> {
        let raw = fetch_states(self.storage, self.cache, Start::Nothing).map_err(OpenError::Storage)?;
        self.read(Merger::new(Merged::default()), raw.files)
    }

    fn read(
        &self,
        mut merger: Merger,
        mut files: Vec<(StateId, Bytes, FromCache)>,
    ) -> Result<Merger, OpenError> {
        while !files.is_empty() {
            let length = batch_length(&files, BATCH_STATES, BATCH_BYTES, |(_, file, _)| file.len() as u64);
            let batch: Vec<_> = files.drain(..length).collect();
            for state in self.decode_all(&batch) {
                match state {
                    Err(error @ OpenError::UnfinishedState { .. })
                        if self.unfinished == Unfinished::LeftOut =>
                    {
                        self.monitor.event(Event::Warning(&format!("left out: {error}")));
                    }
                    state => merger.add(&state?)?,
                }
            }
        }
        Ok(merger)
    }

    /// Decodes a batch, on all cores if it is worth it; the result has the order of `batch`.
    fn decode_all(&self, batch: &[(StateId, Bytes, FromCache)]) -> Vec<Result<LoadedState, OpenError>> {
        let bytes: usize = batch.iter().map(|(_, file, _)| file.len()).sum();
        let slots: Vec<OnceLock<Result<LoadedState, OpenError>>> =
            batch.iter().map(|_| OnceLock::new()).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut scratch = Scratch::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let (Some((id, file, source)), Some(slot)) = (batch.get(at), slots.get(at)) else { return };
                let _ = slot.set(self.decode(*id, file, *source, &mut scratch));
            }
        };
        if bytes < PARALLEL_BYTES_MIN || self.threads < 2 {
            work();
        } else {
            std::thread::scope(|scope| (0..self.threads).for_each(|_| drop(scope.spawn(work))));
        }
        let undecoded =
            |id| Err(OpenError::DamagedState { state: id, reason: "it was not decoded".to_owned() });
        let decoded = slots.into_iter().zip(batch);
        decoded.map(|(slot, (id, _, _))| slot.into_inner().unwrap_or_else(|| undecoded(*id))).collect()
    }

    fn decode(
        &self,
        id: StateId,
        bytes: &[u8],
        source: FromCache,
        scratch: &mut Scratch,
    ) -> Result<LoadedState, OpenError> {
        match (self.decode_state(id, bytes, scratch), source) {
            (Ok(state), FromCache::Yes) => Ok(state),
            (Ok(state), FromCache::No) => {
                if let Some(cache) = self.cache {
                    cache.put(id, bytes);
                }
                Ok(state)
            }
            (Err(_), FromCache::Yes) => {
                if let Some(cache) = self.cache {
                    cache.forget(id);
                }
                self.monitor.event(Event::Info("a damaged state in the local cache was fetched again"));
                let bytes = self.storage.get(StoreFile::State, &id.0).map_err(OpenError::Storage)?;
                self.decode_state(id, &bytes, scratch)
            }
            (Err(error), FromCache::No) => self.fetch_again(id, scratch, error),
        }
    }

    fn decode_state(
        &self,
        id: StateId,
        bytes: &[u8],
        scratch: &mut Scratch,
    ) -> Result<LoadedState, OpenError> {
        decode_state(id, bytes, &self.machinery.key, &self.machinery.codec, scratch)
    }

    /// Bytes that do not match their checksum may have been damaged on the way: they are fetched anew
    /// before the state itself counts as damaged.
    fn fetch_again(
        &self,
        id: StateId,
        scratch: &mut Scratch,
        mut error: OpenError,
    ) -> Result<LoadedState, OpenError> {
        let mut is_unfinished = false;
        for _ in 1..STATE_FETCHES_MAX {
            let bytes = self.storage.get(StoreFile::State, &id.0).map_err(OpenError::Storage)?;
            match self.decode_state(id, &bytes, scratch) {
                Ok(state) => return Ok(state),
                Err(again) => error = again,
            }
            is_unfinished = envelope::is_unfinished(&bytes);
        }
        Err(if is_unfinished { OpenError::UnfinishedState { state: id } } else { error })
    }
}

/// States of a store whose files do not verify, with what is wrong: read from the store, whatever a
/// cache or this process knows of them. Uploads in progress do not count.
pub(crate) fn damaged_states(repository: &Repository) -> Result<Vec<(StateId, String)>, ConnectorError> {
    while_states_vanish(|| damaged_among_listed(repository))
}

fn damaged_among_listed(repository: &Repository) -> Result<Vec<(StateId, String)>, ConnectorError> {
    let storage = repository.storage().as_ref();
    let known: HashSet<StateId> = repository.states().iter().copied().collect();
    let listed = storage.list(StoreFile::State)?;
    let mut scratch = Scratch::new();
    let mut damaged = Vec::new();
    for batch in batches(&listed, BATCH_STATES, BATCH_BYTES, |item| item.size.unwrap_or(0)) {
        let mut files = Vec::with_capacity(batch.len());
        fetch_from_store(storage, batch, &mut files)?;
        for (id, bytes, _) in files {
            if envelope::is_unfinished(&bytes) && !known.contains(&id) {
                continue;
            }
            let mut verify = |bytes: &[u8]| {
                decode_state(id, bytes, &repository.key, &repository.codec, &mut scratch).map(|_| ())
            };
            let mut verified = verify(&bytes);
            for _ in 1..STATE_FETCHES_MAX {
                if verified.is_err() {
                    verified = verify(&storage.get(StoreFile::State, &id.0)?);
                }
            }
            damaged.extend(verified.err().map(|error| (id, error.to_string())));
        }
    }
    Ok(damaged)
}

/// Reads states again, from the cache or the store, one at a time.
pub(crate) fn read_states<E: From<OpenError>>(
    repository: &Repository,
    ids: &[StateId],
    deliver: &mut dyn FnMut(LoadedState) -> Result<(), E>,
) -> Result<(), E> {
    let (machinery, cache) = (repository.machinery(), repository.state_cache());
    let merging = Merging {
        storage: repository.storage().as_ref(),
        cache: cache.as_ref(),
        monitor: repository.monitor.as_ref(),
        machinery: &machinery,
        threads: 1,
        unfinished: Unfinished::Refused,
    };
    let mut scratch = Scratch::new();
    for &id in ids {
        let (bytes, source) = match cache.as_ref().and_then(|cache| cache.get(id)) {
            Some(bytes) => (bytes, FromCache::Yes),
            None => {
                let bytes = merging.storage.get(StoreFile::State, &id.0).map_err(OpenError::Storage)?;
                (bytes, FromCache::No)
            }
        };
        deliver(merging.decode(id, &bytes, source, &mut scratch)?)?;
    }
    Ok(())
}

fn state_bytes_max(encoded: usize) -> usize {
    encoded.saturating_mul(STATE_EXPANSION_MAX).saturating_add(1 << 20).min(STATE_BYTES_MAX)
}

/// Verifies and decodes a state file.
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
