//! Writes a state file and makes sure that it can be read back.

use bytes::Bytes;
use kloset_codec::codec::Scratch;
use kloset_connector::{ConnectorError, ErrorKind, PutMode, StoreFile};
use kloset_format::{ResourceType, StateId, Version, envelope};

use crate::state::local::StateCache;
use crate::{Error, Repository};

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
    repository.codec.encode(&mut Scratch::new(), plain, &mut body);
    let trailer = repository.key.mac(&body);
    body.extend_from_slice(trailer.as_bytes());
    let body = Bytes::from(body);
    let storage = &repository.storage;
    storage.put(StoreFile::State, &id.0, body.clone(), PutMode::Immutable).map_err(Error::Storage)?;
    let back = storage.get(StoreFile::State, &id.0).map_err(Error::Storage)?;
    if back != body {
        return Err(Error::Storage(ConnectorError::new(
            ErrorKind::Corrupt,
            "read back",
            format!("state {id}"),
            "the store returned other bytes than were written",
        )));
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
