//! Repacking: what is alive in packfiles that are mostly dead moves into new ones.
//!
//! All cores decode, but one packer fills the new packfiles: several would leave several of them partly
//! filled, and the next run would have to join those.
//!
//! The old packfiles are marked for deletion in the very state that tells of the new places, and are
//! deleted like any other.

use std::sync::{Arc, Mutex};

use kloset_format::{Mac, ResourceType, StateId};

use crate::batches::batches;
use crate::guard::{guard, unwrap_mutex};
use crate::repository::DecodeOn;
use crate::write::{BorrowedPacker, StoreLock, Stream, Transaction};
use crate::{BlobId, Error, Event, Monitor, Repository};

use super::plan::Repack;

/// Encoded bytes read at once.
const BATCH_BYTES: u64 = 16 << 20;
/// Blobs read at once.
const BATCH_BLOBS: usize = 4096;

/// Moves what is alive and publishes it, under the caller's lock and after the caller's newest state;
/// returns the states published.
pub(super) fn repack(
    repository: &Arc<Repository>,
    lock: &Arc<StoreLock>,
    after: StateId,
    chosen: &[Repack],
    now_ns: i64,
    monitor: &dyn Monitor,
) -> Result<Vec<StateId>, Error> {
    let mut transaction = Transaction::begin_under(repository, Arc::clone(lock), Some(after))?;
    let packer = Mutex::new(transaction.packer());
    let moved = chosen.iter().try_for_each(|one| {
        move_blobs(repository, &packer, one)?;
        monitor.event(Event::Progress { entries: 0, bytes: one.live_bytes });
        Ok(())
    });
    drop(packer);
    let published = moved.and_then(|()| {
        transaction.publish_all(&|writer| {
            for one in chosen {
                writer.coloured(ResourceType::PACKFILE, &Mac(one.packfile.0), now_ns);
            }
        })
    });
    match published {
        Ok(()) => {
            let states = transaction.states();
            transaction.finish().map(|_| states)
        }
        Err(error) => {
            transaction.abandon(&error);
            Err(error)
        }
    }
}

fn move_blobs(repository: &Repository, packer: &Mutex<BorrowedPacker>, one: &Repack) -> Result<(), Error> {
    let only_content = one.blobs.iter().all(|(blob, _)| blob.resource == ResourceType::CHUNK);
    let stream = if only_content { Stream::Content } else { Stream::Metadata };
    for batch in batches(&one.blobs, BATCH_BLOBS, BATCH_BYTES, |(_, length)| u64::from(*length)) {
        repository.runtime().proceed()?;
        let wanted: Vec<BlobId> = batch.iter().map(|(blob, _)| *blob).collect();
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        repository.read_blobs(&wanted, DecodeOn::AllCores, &|at, plain| {
            let stored = plain.and_then(|plain| match wanted.get(at) {
                Some(blob) => guard(packer).store_again(stream, blob.resource, blob.mac, &plain),
                None => Ok(()),
            });
            if let Err(error) = stored {
                guard(&failure).get_or_insert(error);
            }
        });
        if let Some(error) = unwrap_mutex(failure) {
            return Err(error);
        }
    }
    Ok(())
}
