//! Dup: a new snapshot with the contents of another one.

use std::time::{Duration, Instant};

use kloset_format::SnapshotId;
use kloset_format::header::Identity;

use crate::backup::random_snapshot;
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
    let repository = snapshot.repository();
    let mut header = snapshot.header().clone();
    header.identifier = random_snapshot();
    header.timestamp = repository.runtime.clock.now();
    // A signature is about the bytes of one header.
    header.identity = Identity::default();
    let transaction = Transaction::begin(repository, header.identifier)?;
    header.duration_ns = i64::try_from(started.elapsed().as_nanos()).unwrap_or(i64::MAX);
    let stored = transaction.packer().store_header(header.identifier, &header.encode());
    match stored.and_then(|()| repository.runtime.proceed()) {
        Ok(()) => {
            let written_bytes = transaction.commit(header.identifier)?;
            Ok(Duplicate { snapshot: header.identifier, written_bytes, elapsed: started.elapsed() })
        }
        Err(error) => {
            transaction.abandon(&error);
            Err(error)
        }
    }
}
