//! The store as it is now, after what others may have done since the repository was opened.

use std::collections::HashSet;
use std::sync::Arc;

use kloset_connector::StoreFile;
use kloset_format::{PackfileId, StateId};

use crate::{Error, Repository};

/// The repository as its states are now: the same one if they have not changed.
pub(super) fn present(repository: &Arc<Repository>) -> Result<Arc<Repository>, Error> {
    Ok(changed(repository)?.map_or_else(|| Arc::clone(repository), Arc::new))
}

/// The repository with the states that have come since it was opened, if there are any.
///
/// A new state names the newest one as its parent: the reference implementation knows no other order, and
/// what is deleted before it was made stays.
pub(crate) fn changed(repository: &Repository) -> Result<Option<Repository>, Error> {
    let listed = repository.storage.list(StoreFile::State).map_err(Error::Storage)?;
    let known: HashSet<StateId> = repository.states().iter().copied().collect();
    if listed.len() == known.len() && listed.iter().all(|file| known.contains(&StateId(file.name))) {
        return Ok(None);
    }
    let refreshed = repository.refresh()?;
    refreshed.ensure_writable()?;
    Ok(Some(refreshed))
}

/// The packfiles that the store lists.
pub(super) fn list_packfiles(repository: &Repository) -> Result<HashSet<PackfileId>, Error> {
    let listed = repository.storage.list(StoreFile::Packfile).map_err(Error::Storage)?;
    Ok(listed.into_iter().map(|item| PackfileId(item.name)).collect())
}
