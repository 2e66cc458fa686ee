//! Dup: a new snapshot with the contents of another one.

use std::time::{Duration, Instant};

use kloset_format::SnapshotId;
use kloset_format::header::Identity;

use crate::write::Transaction;
use crate::{Error, Snapshot};

/// A snapshot that was made from another one.
#[derive(Clone, Copy, Debug)]
pub struct Duplicate {
    /// The new snapshot.
    pub snapshot: SnapshotId,
    /// Bytes of packfiles uploaded.
    pub written_bytes: u64,
    /// Wall time.
    pub elapsed: Duration,
}

/// Stores the header of `snapshot` again, under a new identifier and with the present time. The trees
/// are shared.
pub fn duplicate(snapshot: &Snapshot) -> Result<Duplicate, Error> {
    let started = Instant::now();
    let id = SnapshotId(snapshot.repository().runtime.random_name());
    let transaction = Transaction::begin(snapshot.repository(), id)?;
    match store_copy(snapshot, id, &transaction, started) {
        Ok(()) => {
            let written_bytes = transaction.commit(id)?;
            Ok(Duplicate { snapshot: id, written_bytes, elapsed: started.elapsed() })
        }
        Err(error) => {
            transaction.abandon(&error);
            Err(error)
        }
    }
}

fn store_copy(
    snapshot: &Snapshot,
    id: SnapshotId,
    transaction: &Transaction,
    started: Instant,
) -> Result<(), Error> {
    let repository = transaction.repository();
    // Removed since it was opened: what it needs may be gone, and will be.
    if !repository.index.has_snapshot(snapshot.id()) {
        return Err(Error::SnapshotUnknown(snapshot.id().to_string()));
    }
    let mut header = snapshot.header().clone();
    header.identifier = id;
    header.timestamp = repository.runtime.clock.now();
    // A signature is about the bytes of one header.
    header.identity = Identity::default();
    header.duration_ns = repository.runtime.duration_ns(started);
    transaction.packer().store_header(id, &header.encode())?;
    repository.runtime.proceed()
}
