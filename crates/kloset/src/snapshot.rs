//! A snapshot opened for reading, and how snapshots are found by prefix.

use std::sync::Arc;

use kloset_format::SnapshotId;
use kloset_format::header::Header;

use crate::{Error, Repository};

/// A snapshot opened for reading.
pub struct Snapshot {
    repository: Arc<Repository>,
    header: Header,
}

impl Snapshot {
    /// Reads and checks the header of a snapshot.
    pub fn open(repository: &Arc<Repository>, id: SnapshotId) -> Result<Self, Error> {
        let _ = (repository, id);
        todo!()
    }

    /// Reads many headers at once; the result has the order of `ids`.
    pub fn open_many(repository: &Arc<Repository>, ids: &[SnapshotId]) -> Vec<Result<Self, Error>> {
        let _ = (repository, ids);
        todo!()
    }

    /// The one snapshot whose id starts with `prefix` (lower-case hexadecimal digits, may be empty).
    pub fn find(repository: &Arc<Repository>, prefix: &str) -> Result<Self, Error> {
        let _ = (repository, prefix);
        todo!()
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Identifier.
    pub fn id(&self) -> SnapshotId {
        self.header.identifier
    }

    /// The repository it lies in.
    pub fn repository(&self) -> &Arc<Repository> {
        &self.repository
    }
}
