//! Builds one packfile in memory.

use bytes::Bytes;
use kloset_codec::codec::{Codec, Scratch};
use kloset_codec::hash::MacKey;
use kloset_format::packfile::{BlobRecord, Footer};
use kloset_format::{Mac, PackfileId, ResourceType, Version, envelope};
use rand::{Rng, RngCore};

/// Bytes of padding behind the last blob, at least. The reference implementation widens ranged
/// reads by up to 64 KiB and fails on short ones, so this much must follow every blob.
const TAIL_PADDING_BYTES: usize = 64 << 10;
/// Spread of the padding in front and behind: sizes and offsets should not tell contents.
const PADDING_SPREAD_BYTES: usize = 8 << 10;

/// Padding before the first blob, at most; it counts when a packfile is sealed.
pub(crate) const FRONT_PADDING_BYTES_MAX: u64 = PADDING_SPREAD_BYTES as u64;
/// Padding of a packfile, on average.
pub(crate) const PADDING_BYTES: u64 = (TAIL_PADDING_BYTES + PADDING_SPREAD_BYTES) as u64;

/// A packfile being filled. Offsets count from the start of the payload.
pub(crate) struct PackfileBuilder {
    /// Envelope header, then the encoded blobs.
    buffer: Vec<u8>,
    records: Vec<BlobRecord>,
}

/// A finished packfile: its name, its whole bytes, and where its blobs lie.
pub(crate) struct SealedPackfile {
    pub(crate) id: PackfileId,
    pub(crate) body: Bytes,
    /// Padding included: readers that compare index and state expect it in both.
    pub(crate) records: Vec<BlobRecord>,
}

impl PackfileBuilder {
    pub(crate) fn new() -> Self {
        Self { buffer: Vec::new(), records: Vec::new() }
    }

    /// Starts in memory that another packfile has used.
    pub(crate) fn reusing(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self { buffer, records: Vec::new() }
    }

    /// Whether nothing was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of the blob area so far.
    pub(crate) fn payload_bytes(&self) -> usize {
        self.buffer.len().saturating_sub(envelope::HEADER_SIZE)
    }

    /// Encodes a blob to the end of the packfile.
    pub(crate) fn add(
        &mut self,
        codec: &Codec,
        scratch: &mut Scratch,
        resource: ResourceType,
        mac: Mac,
        plain: &[u8],
    ) {
        if self.buffer.is_empty() {
            self.begin(scratch);
        }
        let start = self.buffer.len();
        codec.encode(scratch, plain, &mut self.buffer);
        self.records.push(self.record(resource, mac, start));
    }

    /// Moves the blobs of `other` behind those of `self`.
    pub(crate) fn absorb(&mut self, other: Self) {
        if other.is_empty() {
            return;
        }
        if self.buffer.is_empty() {
            *self = other;
            return;
        }
        let shift = self.payload_bytes() as u64;
        self.buffer.extend_from_slice(&other.buffer[envelope::HEADER_SIZE..]);
        self.records.extend(other.records.into_iter().map(|mut record| {
            record.offset += shift;
            record
        }));
    }

    /// Pads, adds index and footer, and names the packfile.
    pub(crate) fn seal(
        mut self,
        key: &MacKey,
        codec: &Codec,
        scratch: &mut Scratch,
        now_ns: i64,
    ) -> SealedPackfile {
        let tail = TAIL_PADDING_BYTES + scratch.rng().random_range(0..PADDING_SPREAD_BYTES);
        self.pad(scratch, tail);
        let index_offset = self.payload_bytes() as u64;
        let mut index = Vec::with_capacity(self.records.len() * BlobRecord::SIZE_BYTES);
        for record in &self.records {
            record.encode(&mut index);
        }
        let index_mac = key.mac(&index);
        codec.encode(scratch, &index, &mut self.buffer);
        let footer_start = self.buffer.len();
        let footer = Footer {
            timestamp_ns: now_ns,
            count: self.records.len() as u32,
            index_offset,
            index_mac,
            flags: 0,
        };
        codec.encode(scratch, &footer.encode(), &mut self.buffer);
        let footer_bytes = (self.buffer.len() - footer_start) as u32;
        self.buffer.extend_from_slice(&footer_bytes.to_le_bytes());

        let (header, payload) = self.buffer.split_at(envelope::HEADER_SIZE);
        let id = PackfileId(key.mac(payload).0);
        let trailer = key.mac_parts(&[header, payload]);
        self.buffer.extend_from_slice(trailer.as_bytes());
        SealedPackfile { id, body: Bytes::from(self.buffer), records: self.records }
    }

    fn begin(&mut self, scratch: &mut Scratch) {
        self.buffer.extend_from_slice(&envelope::header(ResourceType::PACKFILE, Version::V1_0_0));
        let front = scratch.rng().random_range(1..PADDING_SPREAD_BYTES);
        self.pad(scratch, front);
    }

    /// Appends random bytes as a blob of their own, not encoded.
    fn pad(&mut self, scratch: &mut Scratch, length: usize) {
        let start = self.buffer.len();
        self.buffer.resize(start + length, 0);
        scratch.rng().fill_bytes(&mut self.buffer[start..]);
        let mut name = [0u8; 32];
        scratch.rng().fill_bytes(&mut name);
        self.records.push(self.record(ResourceType::RANDOM, Mac(name), start));
    }

    fn record(&self, resource: ResourceType, mac: Mac, start: usize) -> BlobRecord {
        BlobRecord {
            resource: u32::from(resource.0),
            version: Version::V1_0_0,
            mac,
            offset: (start - envelope::HEADER_SIZE) as u64,
            length: (self.buffer.len() - start) as u32,
            flags: 0,
        }
    }
}
