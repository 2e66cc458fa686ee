//! Packfiles in the store that no state tells of, and how old they are.

use std::sync::OnceLock;

use bytes::Bytes;
use kloset_codec::codec::Scratch;
use kloset_connector::{ConnectorError, Listed, RangeRequest, StoreFile};
use kloset_format::packfile::{self, Footer};
use kloset_format::{PackfileId, envelope};

use super::plan::is_ahead;
use crate::{Error, Event, Monitor, Repository};

/// Bytes at the end of a packfile that surely hold its footer.
const TAIL_BYTES: u64 = 4 << 10;
/// Early releases wrote seconds: a number of nanoseconds this small would be a day in 1970.
const SECONDS_BELOW: i64 = 100_000_000_000_000;
/// Tails fetched at once.
const TAILS_PER_BATCH: usize = 1024;

/// The orphans that were complete before `cutoff_ns`, by their own footers and by the server's clock.
/// A footer of a clock that was far ahead tells nothing; one whose age nobody can tell is left alone.
pub(super) fn old_orphans(
    repository: &Repository,
    orphans: &[Listed],
    now_ns: i64,
    cutoff_ns: i64,
    monitor: &dyn Monitor,
) -> Result<Vec<PackfileId>, Error> {
    let is_young = |file: &Listed| file.modified.is_some_and(|time| time.to_nanoseconds() > cutoff_ns);
    let candidates: Vec<&Listed> = orphans.iter().filter(|file| !is_young(file)).collect();
    let mut old = Vec::new();
    for batch in candidates.chunks(TAILS_PER_BATCH) {
        repository.runtime().proceed()?;
        for (file, footer) in batch.iter().zip(footers(repository, batch)) {
            let id = PackfileId(file.name);
            match footer {
                Ok(footer) => {
                    let sealed = sealed_ns(&footer).filter(|&sealed| !is_ahead(sealed, now_ns));
                    match sealed.or(file.modified.map(|time| time.to_nanoseconds())) {
                        Some(sealed) if sealed <= cutoff_ns => old.push(id),
                        Some(_) => {}
                        None => {
                            let text = format!("packfile {id}: nobody knows how old it is");
                            monitor.event(Event::Warning(&text));
                        }
                    }
                }
                Err(Unreadable::Store(error)) => return Err(error),
                // A write that was cut short; the server's clock has shown that it is old.
                Err(Unreadable::Damaged) if file.modified.is_some() => old.push(id),
                Err(Unreadable::Damaged) => {
                    let text = format!("packfile {id} is in no state and cannot be read; it is left alone");
                    monitor.event(Event::Warning(&text));
                }
            }
        }
    }
    Ok(old)
}

enum Unreadable {
    Damaged,
    Store(Error),
}

/// When a packfile was sealed, if its footer tells.
fn sealed_ns(footer: &Footer) -> Option<i64> {
    match footer.timestamp_ns {
        ..=0 => None,
        seconds @ ..SECONDS_BELOW => Some(seconds.saturating_mul(1_000_000_000)),
        nanoseconds => Some(nanoseconds),
    }
}

fn footers(repository: &Repository, files: &[&Listed]) -> Vec<Result<Footer, Unreadable>> {
    let requests: Vec<RangeRequest> = files
        .iter()
        .map(|file| {
            let size = file.size.unwrap_or(0);
            let length = size.min(TAIL_BYTES);
            RangeRequest { file: StoreFile::Packfile, name: file.name, offset: size - length, length }
        })
        .collect();
    let slots: Vec<OnceLock<Result<Bytes, ConnectorError>>> = files.iter().map(|_| OnceLock::new()).collect();
    repository.storage().get_ranges(&requests, &|at, result| {
        if let Some(slot) = slots.get(at) {
            let _ = slot.set(result);
        }
    });
    let mut scratch = Scratch::new();
    slots
        .into_iter()
        .map(|slot| match slot.into_inner() {
            Some(Ok(tail)) => decode(repository, &tail, &mut scratch).ok_or(Unreadable::Damaged),
            Some(Err(error)) => match Error::Storage(error) {
                error if error.is_out_of_reach() => Err(Unreadable::Store(error)),
                _ => Err(Unreadable::Damaged),
            },
            None => Err(Unreadable::Store(Error::Internal("a range was not delivered".to_owned()))),
        })
        .collect()
}

fn decode(repository: &Repository, tail: &[u8], scratch: &mut Scratch) -> Option<Footer> {
    let payload = tail.get(..tail.len().checked_sub(envelope::TRAILER_SIZE)?)?;
    let (encoded, _) = packfile::split_payload(payload).ok()?;
    let plain = repository.codec.decode(scratch, encoded, Footer::SIZE_BYTES * 2).ok()?;
    Footer::decode(&plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kloset_format::Mac;

    #[test]
    fn times_of_early_releases_are_seconds_and_archives_tell_none() {
        let footer =
            |timestamp_ns| Footer { timestamp_ns, count: 0, index_offset: 0, index_mac: Mac::ZERO, flags: 0 };
        assert_eq!(sealed_ns(&footer(0)), None);
        assert_eq!(sealed_ns(&footer(1_700_000_000)), Some(1_700_000_000_000_000_000));
        assert_eq!(sealed_ns(&footer(1_700_000_000_000_000_001)), Some(1_700_000_000_000_000_001));
    }
}
