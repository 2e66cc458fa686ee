//! Reads blobs: finds them, fetches neighbours as one range, decodes, verifies.
//!
//! Every byte handed out has matched the MAC that names it. Bytes that do not match are fetched
//! again twice before they are reported as damage.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use bytes::Bytes;
use kloset_codec::codec::Scratch;
use kloset_codec::compress::ContentChecksum;
use kloset_codec::hash::same_mac;
use kloset_connector::{ConnectorError, ErrorKind, RangeRequest, StoreFile};
use kloset_format::{ResourceType, envelope};

use crate::guard::{guard, unwrap_mutex};
use crate::{BlobId, BlobLocation, Error, Repository};

/// Longest range fetched as one, unless a single blob is longer.
const RANGE_BYTES_MAX: u64 = 8 << 20;
/// Below this many encoded bytes, more threads cost more than they save.
const PARALLEL_BYTES_MIN: u64 = 256 << 10;
/// Plain size of any blob but a chunk at most.
const BLOB_BYTES_MAX: usize = 64 << 20;
/// Fetches of a blob whose bytes do not match its name.
const FETCHES_MAX: u32 = 3;

/// Which threads decode what [`Repository::read_blobs`] fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeOn {
    /// The calling thread: for callers that run many batches at once.
    Caller,
    /// All cores of the runtime: for a single caller.
    AllCores,
}

/// Neighbouring blobs fetched as one.
struct Group {
    request: RangeRequest,
    /// Range of positions in the sorted list.
    members: std::ops::Range<usize>,
}

impl Repository {
    /// The plain bytes of one blob, verified against its name.
    pub fn read_blob(&self, blob: BlobId) -> Result<Vec<u8>, Error> {
        let slot = OnceLock::new();
        self.read_blobs(&[blob], DecodeOn::Caller, &|_, result| {
            let _ = slot.set(result);
        });
        slot.into_inner().unwrap_or_else(|| Err(Error::Internal("a blob was not delivered".to_owned())))
    }

    /// The plain bytes of a blob that no state tells of, verified like any other.
    pub(crate) fn read_blob_at(&self, blob: BlobId, place: BlobLocation) -> Result<Vec<u8>, Error> {
        let unread = self.damaged(blob, place, "it cannot be read");
        self.fetch_again(blob, place, &mut Scratch::new(), unread)
    }

    /// Many blobs at once: sorted by place, neighbours fetched as one range, all in flight at once.
    ///
    /// `deliver` is called exactly once per wanted blob, with its index, in any order; duplicates in
    /// `wanted` are allowed. The caller bounds memory by the size of the batch.
    pub fn read_blobs(
        &self,
        wanted: &[BlobId],
        decode_on: DecodeOn,
        deliver: &(dyn Fn(usize, Result<Vec<u8>, Error>) + Sync),
    ) {
        let mut places: Vec<(BlobLocation, usize)> = Vec::with_capacity(wanted.len());
        for (at, blob) in wanted.iter().enumerate() {
            match self.index.find(*blob) {
                Some(place) => places.push((place, at)),
                None => deliver(at, Err(Error::BlobMissing { resource: blob.resource, mac: blob.mac })),
            }
        }
        places.sort_unstable();
        let groups = group(&places, self.storage.info().gap_bytes);
        let requests: Vec<RangeRequest> = groups.iter().map(|group| group.request).collect();
        let fetched: Vec<OnceLock<Result<Bytes, ConnectorError>>> =
            groups.iter().map(|_| OnceLock::new()).collect();
        self.storage.get_ranges(&requests, &|at, result| {
            if let Some(slot) = fetched.get(at) {
                let _ = slot.set(result);
            }
        });

        let decode_group = |at: usize, scratch: &mut Scratch| {
            let group = &groups[at];
            let members = &places[group.members.clone()];
            match fetched[at].get() {
                Some(Ok(bytes)) => self.decode_members(wanted, members, group, bytes, scratch, deliver),
                Some(Err(error)) => {
                    for &(_, index) in members {
                        deliver(index, Err(self.storage_error(wanted[index], group, error)));
                    }
                }
                None => {
                    for &(_, index) in members {
                        deliver(index, Err(Error::Internal("a range was not delivered".to_owned())));
                    }
                }
            }
        };
        let total: u64 = requests.iter().map(|request| request.length).sum();
        if decode_on == DecodeOn::Caller || total < PARALLEL_BYTES_MIN || self.runtime.threads < 2 {
            let mut scratch = Scratch::new();
            (0..groups.len()).for_each(|at| decode_group(at, &mut scratch));
            return;
        }
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..self.runtime.threads {
                scope.spawn(|| {
                    let mut scratch = Scratch::new();
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if at >= groups.len() {
                            return;
                        }
                        decode_group(at, &mut scratch);
                    }
                });
            }
        });
    }

    /// Decodes every blob of one fetched range and hands it out; the same blob is decoded once.
    fn decode_members(
        &self,
        wanted: &[BlobId],
        members: &[(BlobLocation, usize)],
        group: &Group,
        bytes: &Bytes,
        scratch: &mut Scratch,
        deliver: &(dyn Fn(usize, Result<Vec<u8>, Error>) + Sync),
    ) {
        let log = self.read_log.get();
        let mut verified: Vec<(BlobId, u32)> = Vec::new();
        let mut last: Option<(BlobId, Vec<u8>)> = None;
        for (position, &(place, index)) in members.iter().enumerate() {
            let blob = wanted[index];
            if let Some((id, plain)) = &last
                && *id == blob
            {
                deliver(index, Ok(plain.clone()));
                continue;
            }
            let start = (place.offset + envelope::HEADER_SIZE as u64 - group.request.offset) as usize;
            let encoded = bytes.get(start..start + place.length as usize);
            let result = match encoded {
                Some(encoded) => self.decode_verified(blob, place, encoded, scratch),
                None => Err(self.damaged(blob, place, "the packfile is shorter than the state says")),
            };
            let result = result.or_else(|error| self.fetch_again(blob, place, scratch, error));
            let wanted_again = members.get(position + 1).is_some_and(|&(_, next)| wanted[next] == blob);
            if let (true, Ok(plain)) = (wanted_again, &result) {
                last = Some((blob, plain.clone()));
            }
            if let (Some(_), Ok(plain)) = (log, &result) {
                verified.push((blob, plain.len() as u32));
            }
            deliver(index, result);
        }
        if let Some(log) = log {
            log.extend(&verified);
        }
    }

    /// Decodes one blob and compares its MAC.
    pub(crate) fn decode_verified(
        &self,
        blob: BlobId,
        place: BlobLocation,
        encoded: &[u8],
        scratch: &mut Scratch,
    ) -> Result<Vec<u8>, Error> {
        let mut plain = Vec::new();
        self.decode_verified_into(blob, place, encoded, scratch, &mut plain)?;
        Ok(plain)
    }

    /// As [`Repository::decode_verified`], into a buffer that is used again.
    pub(crate) fn decode_verified_into(
        &self,
        blob: BlobId,
        place: BlobLocation,
        encoded: &[u8],
        scratch: &mut Scratch,
        plain: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let bound = match blob.resource {
            ResourceType::CHUNK => (self.config.chunking.max as usize).min(BLOB_BYTES_MAX),
            _ => BLOB_BYTES_MAX,
        };
        let has_mac = blob.resource.is_content_addressed();
        let checksum = if has_mac { ContentChecksum::MacFollows } else { ContentChecksum::Compare };
        self.codec
            .decode_into(scratch, encoded, bound, checksum, plain)
            .map_err(|error| self.damaged(blob, place, &error.to_string()))?;
        if has_mac && !same_mac(&self.key.mac(plain), &blob.mac) {
            return Err(self.damaged(blob, place, "its bytes do not match its name"));
        }
        Ok(())
    }

    fn fetch_again(
        &self,
        blob: BlobId,
        place: BlobLocation,
        scratch: &mut Scratch,
        mut error: Error,
    ) -> Result<Vec<u8>, Error> {
        for _ in 1..FETCHES_MAX {
            let request = range_of(place);
            let slot: Mutex<Option<Result<Bytes, ConnectorError>>> = Mutex::new(None);
            self.storage.get_ranges(&[request], &|_, result| {
                *guard(&slot) = Some(result);
            });
            let Some(Ok(bytes)) = unwrap_mutex(slot) else {
                return Err(error);
            };
            match self.decode_verified(blob, place, &bytes, scratch) {
                Ok(plain) => return Ok(plain),
                Err(again) => error = again,
            }
        }
        Err(error)
    }

    fn damaged(&self, blob: BlobId, place: BlobLocation, reason: &str) -> Error {
        Error::BlobDamaged {
            resource: blob.resource,
            mac: blob.mac,
            packfile: place.packfile,
            reason: reason.to_owned(),
        }
    }

    /// A missing packfile and a range past its end are damage; anything else is the storage's failure.
    fn storage_error(&self, blob: BlobId, group: &Group, error: &ConnectorError) -> Error {
        match error.kind {
            ErrorKind::NotFound | ErrorKind::Corrupt => Error::BlobDamaged {
                resource: blob.resource,
                mac: blob.mac,
                packfile: kloset_format::PackfileId(group.request.name),
                reason: error.message.clone(),
            },
            kind => Error::Storage(ConnectorError {
                kind,
                operation: error.operation,
                location: error.location.clone(),
                message: error.message.clone(),
                hint: error.hint.clone(),
                source: None,
            }),
        }
    }
}

fn range_of(place: BlobLocation) -> RangeRequest {
    RangeRequest {
        file: StoreFile::Packfile,
        name: place.packfile.0,
        offset: place.offset.saturating_add(envelope::HEADER_SIZE as u64),
        length: u64::from(place.length),
    }
}

/// Joins neighbours whose gap is cheaper to fetch along than to skip.
fn group(places: &[(BlobLocation, usize)], gap_bytes: u64) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (position, (place, _)) in places.iter().enumerate() {
        let request = range_of(*place);
        let end = request.offset.saturating_add(request.length);
        if let Some(group) = groups.last_mut()
            && group.request.name == request.name
        {
            let group_end = group.request.offset + group.request.length;
            let new_length = end.max(group_end) - group.request.offset;
            if request.offset <= group_end.saturating_add(gap_bytes) && new_length <= RANGE_BYTES_MAX {
                group.request.length = new_length;
                group.members.end = position + 1;
                continue;
            }
        }
        groups.push(Group { request, members: position..position + 1 });
    }
    groups
}
