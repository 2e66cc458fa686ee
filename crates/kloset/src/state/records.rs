//! Places of blobs as one sorted array: 49 bytes a copy, in memory as in the local cache; in memory a
//! table of starts adds 1 or 2.
//!
//! Layout of a record, little endian:
//!
//! ```text
//! mac [u8; 32] | type u8 | packfile u32 | offset u64 | length u32
//! ```
//!
//! Records are sorted by MAC and type; of several copies of a blob the newest comes first.

use std::ops::Range;
use std::slice::ChunksExact;

use kloset_format::{Mac, ResourceType};

use super::Place;
use crate::BlobId;

/// Size of a record.
pub(super) const RECORD_BYTES: usize = 49;
/// Bytes that records are sorted by.
const KEY_BYTES: usize = 33;
/// Records between two entries of the table of starts, on average, or up to twice as many: each is another
/// line of memory that a search waits for.
const RECORDS_PER_START: usize = 2;

/// Sorted records; the packfile of a place is a number that only their owner understands.
#[derive(Default)]
pub(super) struct Records {
    bytes: Vec<u8>,
    /// Where the records begin whose MACs start with each value of some first bits.
    starts: Vec<u32>,
    bits: u32,
}

impl Records {
    /// Takes records that are sorted already; `None` if they are not, or if they are too many.
    pub(super) fn new(bytes: Vec<u8>) -> Option<Self> {
        let count = bytes.len() / RECORD_BYTES;
        if !bytes.len().is_multiple_of(RECORD_BYTES) || u32::try_from(count).is_err() {
            return None;
        }
        let bits = (count / RECORDS_PER_START).max(1).ilog2().min(26);
        let mut starts = vec![0u32; (1 << bits) + 1];
        let mut last: &[u8] = &[];
        for record in bytes.chunks_exact(RECORD_BYTES) {
            let key = record.get(..KEY_BYTES)?;
            if key < last {
                return None;
            }
            last = key;
            *starts.get_mut(bucket(key, bits) + 1)? += 1;
        }
        let mut sum = 0;
        starts.iter_mut().for_each(|start| {
            sum += *start;
            *start = sum;
        });
        Some(Self { bytes, starts, bits })
    }

    /// Both as one, without what is not kept; copies in `newer` come before those in `older`.
    pub(super) fn merged(newer: &Self, older: &Self, keep: &dyn Fn(BlobId, Place) -> bool) -> Option<Self> {
        let mut bytes = Vec::with_capacity(newer.bytes.len() + older.bytes.len());
        let mut newer = newer.bytes.chunks_exact(RECORD_BYTES).peekable();
        let mut older = older.bytes.chunks_exact(RECORD_BYTES).peekable();
        loop {
            let next = match (newer.peek(), older.peek()) {
                (Some(new), Some(old)) if old.get(..KEY_BYTES) < new.get(..KEY_BYTES) => older.next(),
                (Some(_), _) => newer.next(),
                (None, _) => older.next(),
            };
            let Some(record) = next else { break };
            if decode(record).is_some_and(|(blob, place)| keep(blob, place)) {
                bytes.extend_from_slice(record);
            }
        }
        Self::new(bytes)
    }

    /// The array.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of records.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() / RECORD_BYTES
    }

    /// Every record, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (BlobId, Place)> + '_ {
        self.bytes.chunks_exact(RECORD_BYTES).filter_map(decode)
    }

    /// Every copy of a blob, the newest first.
    pub(super) fn copies(&self, blob: BlobId) -> impl Iterator<Item = Place> + '_ {
        let key = key_of(blob);
        self.candidates(&key)
            .skip_while(move |record| record.get(..KEY_BYTES).is_some_and(|found| *found < key[..]))
            .take_while(move |record| record.get(..KEY_BYTES) == Some(&key[..]))
            .filter_map(|record| decode(record).map(|(_, place)| place))
    }

    /// The few records among which a key is, if it is anywhere.
    fn candidates(&self, key: &[u8]) -> ChunksExact<'_, u8> {
        let bucket = bucket(key, self.bits);
        let bound = |at: usize| self.starts.get(at).map_or(0, |&start| start as usize * RECORD_BYTES);
        let range: Range<usize> = bound(bucket)..bound(bucket + 1);
        self.bytes.get(range).unwrap_or_default().chunks_exact(RECORD_BYTES)
    }
}

/// Value of the first bits of a key.
fn bucket(key: &[u8], bits: u32) -> usize {
    let first = key.first_chunk::<4>().map_or(0, |first| u32::from_be_bytes(*first));
    (u64::from(first) >> (32 - bits)) as usize
}

/// What records of a blob are sorted by.
pub(super) fn key_of(blob: BlobId) -> [u8; KEY_BYTES] {
    std::array::from_fn(|at| blob.mac.0.get(at).copied().unwrap_or(blob.resource.0))
}

/// Appends a record.
pub(super) fn encode(blob: BlobId, place: Place, out: &mut Vec<u8>) {
    out.extend_from_slice(&key_of(blob));
    out.extend_from_slice(&place.packfile.to_le_bytes());
    out.extend_from_slice(&place.offset.to_le_bytes());
    out.extend_from_slice(&place.length.to_le_bytes());
}

fn decode(record: &[u8]) -> Option<(BlobId, Place)> {
    let (mac, rest) = record.split_first_chunk::<32>()?;
    let (&resource, rest) = rest.split_first()?;
    let (packfile, rest) = rest.split_first_chunk()?;
    let (offset, rest) = rest.split_first_chunk()?;
    let length = rest.first_chunk()?;
    let place = Place {
        packfile: u32::from_le_bytes(*packfile),
        offset: u64::from_le_bytes(*offset),
        length: u32::from_le_bytes(*length),
    };
    Some((BlobId::new(ResourceType(resource), Mac(*mac)), place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(number: u32) -> BlobId {
        let mut mac = [0u8; 32];
        mac[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
        BlobId::new(ResourceType(number as u8 % 3), Mac(mac))
    }

    fn place(packfile: u32) -> Place {
        Place { packfile, offset: u64::from(packfile) << 20, length: 7 }
    }

    #[test]
    fn every_copy_of_every_blob_is_found_and_nothing_else() {
        for count in [0u32, 1, 2, 7, 8, 100, 5000] {
            let mut blobs: Vec<BlobId> = (0..count).map(blob).collect();
            blobs.sort_by_key(|blob| key_of(*blob));
            let mut bytes = Vec::new();
            for blob in &blobs {
                encode(*blob, place(2), &mut bytes);
                encode(*blob, place(1), &mut bytes);
            }
            let records = Records::new(bytes).unwrap();
            assert_eq!(records.len(), 2 * count as usize);
            for number in 0..count {
                let found: Vec<u32> = records.copies(blob(number)).map(|place| place.packfile).collect();
                assert_eq!(found, [2, 1]);
            }
            assert_eq!(records.copies(blob(count + 1)).count(), 0);
            assert_eq!(records.iter().count(), records.len());
        }
    }

    #[test]
    fn what_is_not_sorted_or_cut_short_is_refused() {
        let mut bytes = Vec::new();
        encode(BlobId::new(ResourceType::CHUNK, Mac([9; 32])), place(0), &mut bytes);
        encode(BlobId::new(ResourceType::CHUNK, Mac([8; 32])), place(0), &mut bytes);
        assert!(Records::new(bytes.clone()).is_none());
        bytes.truncate(RECORD_BYTES + 1);
        assert!(Records::new(bytes).is_none());
    }
}
