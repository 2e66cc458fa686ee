//! Writes a state file and makes sure that it can be read back.

use bytes::Bytes;
use kloset_connector::{ConnectorError, ErrorKind, PutMode, StoreFile};
use kloset_format::{ResourceType, StateId, Version, envelope};

use crate::state::local::StateCache;
use crate::{Error, Repository};

/// Reads of a published state before it counts as damaged.
const READS_MAX: usize = 3;

/// Said when it cannot be known whether a state has arrived.
const IN_DOUBT: &str = "the work may have been done all the same: list the snapshots to see";

/// How the state file is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StateName {
    /// This name.
    Given(StateId),
    /// The MAC of the decoded stream, as removals of snapshots are.
    FromContent,
}

/// Encodes, uploads and reads back a state; returns its name. It enters the local cache only then.
pub(crate) fn publish_state(
    repository: &Repository,
    name: StateName,
    plain: &[u8],
) -> Result<StateId, Error> {
    let id = match name {
        StateName::Given(id) => id,
        StateName::FromContent => StateId(repository.key.mac(plain).0),
    };
    let mut body = envelope::header(ResourceType::STATE, Version::V1_1_0).to_vec();
    repository.codec.encode(&mut repository.runtime.scratch(), plain, &mut body);
    let trailer = repository.key.mac(&body);
    body.extend_from_slice(trailer.as_bytes());
    let body = Bytes::from(body);
    match repository.storage.put(StoreFile::State, &id.0, body.clone(), PutMode::Immutable) {
        Ok(()) => confirm(repository, id, &body)?,
        Err(error) if took_effect(repository, id, &body, &error) => {}
        Err(error) if error.is_out_of_reach() => return Err(Error::Storage(error.with_hint(IN_DOUBT))),
        Err(error) => return Err(Error::Storage(error)),
    }
    if let Some(cache) = repository.cache.as_ref().and_then(|folder| StateCache::open(folder.join("states")))
    {
        cache.put(id, &body);
    }
    if let Some(memory) = &repository.memory {
        memory.remember_own(repository.id(), &repository.key, id);
    }
    Ok(id)
}

/// Whether a write that was reported as failed has put the state in place all the same. A store that
/// is out of reach is not asked: it has been waited for already.
fn took_effect(repository: &Repository, id: StateId, body: &Bytes, error: &ConnectorError) -> bool {
    !error.is_out_of_reach()
        && repository.storage.get(StoreFile::State, &id.0).is_ok_and(|back| back == *body)
}

/// Reads a state back, several times if need be.
///
/// A store with a damaged state opens for nobody. So a state that comes back with the same wrong
/// bytes each time is taken away again; nobody can have built on it.
fn confirm(repository: &Repository, id: StateId, body: &Bytes) -> Result<(), Error> {
    let storage = &repository.storage;
    let mut wrong: Vec<Vec<u8>> = Vec::new();
    let mut failure = None;
    for _ in 0..READS_MAX {
        match storage.get(StoreFile::State, &id.0) {
            Ok(back) if back == *body => return Ok(()),
            Ok(back) => wrong.push(back),
            Err(error) if error.is_out_of_reach() => {
                failure = Some(error);
                break;
            }
            Err(error) => failure = Some(error),
        }
    }
    if let Some(error) = failure {
        return Err(Error::Storage(error.with_hint(IN_DOUBT)));
    }
    let damaged =
        |message: &str| ConnectorError::new(ErrorKind::Corrupt, "read back", format!("state {id}"), message);
    if wrong.windows(2).any(|pair| pair[0] != pair[1]) {
        let message = "the store returned other bytes than were written, and others each time";
        return Err(Error::Storage(damaged(message).with_hint(IN_DOUBT)));
    }
    Err(Error::Storage(match storage.delete(StoreFile::State, &id.0) {
        Ok(()) => damaged("the store kept other bytes than were written; the state was removed again"),
        Err(_) => damaged("the store kept other bytes than were written")
            .with_hint("remove this file from the store: no client opens the store with it"),
    }))
}
