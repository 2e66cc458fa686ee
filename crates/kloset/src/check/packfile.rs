//! Reads one packfile whole and verifies every byte of it: trailer, name, footer, index, blobs.

use std::sync::OnceLock;

use bytes::Bytes;
use kloset_codec::codec::Scratch;
use kloset_connector::{ConnectorError, ErrorKind, RangeRequest, StoreFile};
use kloset_format::packfile::{self, BlobRecord, Footer};
use kloset_format::{Mac, PackfileId, ResourceType, Version, envelope};

use crate::repository::VerifiedBlobs;
use crate::{BlobId, BlobLocation, Error, Repository};

/// Bytes of a window at least: buffers of this size are used again instead of mapped anew.
const WINDOW_BYTES_MIN: u64 = 4 << 20;
/// Length of a window, in gaps that a storage would rather fetch along than skip: what one round
/// trip costs is then a small part of it.
const GAPS_PER_WINDOW: u64 = 64;
/// A packfile overshoots its configured size by one blob and its padding at most.
const OVERSHOOT_BYTES_MAX: u64 = 128 << 20;
/// Encoded length of a blob at most: 64 MiB and what encoding adds.
const ENCODED_BYTES_MAX: u64 = 80 << 20;
/// Plain index at most: ten million blobs and more.
const INDEX_BYTES_MAX: usize = 1 << 30;
/// Reads of a packfile whose bytes contradict each other.
const READS_MAX: usize = 3;

/// One blob of a packfile that was read.
pub(crate) struct CheckedBlob {
    pub blob: BlobId,
    pub place: BlobLocation,
    /// Plain length, or what is wrong.
    pub result: Result<u32, String>,
}

/// What the whole reading of a packfile found.
#[derive(Default)]
pub(crate) struct CheckedPackfile {
    /// What is wrong with the packfile as such.
    pub problems: Vec<String>,
    pub blobs: Vec<CheckedBlob>,
    /// Places of padding.
    pub padding: Vec<(Mac, BlobLocation)>,
}

impl CheckedPackfile {
    fn is_clean(&self) -> bool {
        self.problems.is_empty() && self.blobs.iter().all(|blob| blob.result.is_ok())
    }
}

/// Buffers of one thread that checks packfiles.
#[derive(Default)]
pub(crate) struct CheckBuffers {
    scratch: Scratch,
    plain: Vec<u8>,
}

/// Reads and verifies a packfile of `size` bytes, holding about `memory_bytes` of it at a time. Blobs
/// in `verified` were decoded from where the index says they are: their bytes are covered by the
/// checksums of the packfile and are not decoded again. One whose bytes contradict each other is read again before it counts as damaged. An `Err` is
/// a store that cannot be reached.
pub(crate) fn check_packfile(
    repository: &Repository,
    packfile: PackfileId,
    size: u64,
    memory_bytes: u64,
    verified: &VerifiedBlobs,
    buffers: &mut CheckBuffers,
) -> Result<CheckedPackfile, Error> {
    let window = repository.storage().info().gap_bytes.saturating_mul(GAPS_PER_WINDOW);
    let window = window.min(memory_bytes).max(WINDOW_BYTES_MIN);
    let mut checked = CheckedPackfile::default();
    for _ in 0..READS_MAX {
        let reader = Reader { repository, packfile, size, window, verified };
        checked = CheckedPackfile::default();
        match reader.check(buffers, &mut checked) {
            Ok(()) => {}
            Err(Fault::Damage(reason)) => checked.problems.push(reason),
            Err(Fault::Store(error)) => return Err(error),
        }
        if checked.is_clean() {
            break;
        }
    }
    Ok(checked)
}

enum Fault {
    Damage(String),
    Store(Error),
}

fn damage(reason: impl ToString) -> Fault {
    Fault::Damage(reason.to_string())
}

struct Reader<'a> {
    repository: &'a Repository,
    packfile: PackfileId,
    size: u64,
    window: u64,
    verified: &'a VerifiedBlobs,
}

/// Offsets are those of the payload from here on.
struct Layout {
    records: Vec<BlobRecord>,
    payload_end: u64,
}

impl Reader<'_> {
    fn check(&self, buffers: &mut CheckBuffers, checked: &mut CheckedPackfile) -> Result<(), Fault> {
        let is_archive = self.repository.storage().info().kind == "ptar";
        let configured = self.repository.config().packfile.max;
        if !is_archive && configured > 0 && self.size > configured.saturating_add(OVERSHOOT_BYTES_MAX) {
            return Err(damage(format!(
                "{} bytes are more than a packfile of this store can have",
                self.size
            )));
        }
        // Small ones come as one piece, of which everything below takes slices.
        let whole = if self.size <= self.window { Some(self.fetch(0, self.size)?) } else { None };
        let head = self.bytes(&whole, 0, envelope::HEADER_SIZE as u64)?;
        self.check_head(&head, &self.bytes(&whole, self.size.saturating_sub(32), 32)?)?;
        let layout = self.layout(&whole, &mut buffers.scratch)?;

        let mut signed = self.repository.key().stream();
        let mut payload = self.repository.key().stream();
        signed.update(&head);
        let mut at = 0;
        let mut next = 0;
        while at < layout.payload_end {
            let (end, blobs) = self.next_window(&layout, at, next);
            let bytes = self.payload(&whole, at, end - at)?;
            signed.update(&bytes);
            payload.update(&bytes);
            for record in layout.records.get(next..blobs).unwrap_or_default() {
                if record.resource_type() == Some(ResourceType::RANDOM) {
                    checked.padding.push((record.mac, self.place(record)));
                    continue;
                }
                let start = record.offset.checked_sub(at).and_then(|start| usize::try_from(start).ok());
                let encoded = start.and_then(|start| bytes.get(start..start + record.length as usize));
                checked.blobs.extend(self.check_blob(record, encoded.unwrap_or_default(), buffers));
            }
            (at, next) = (end, blobs);
        }
        let trailer = self.bytes(&whole, self.size.saturating_sub(32), 32)?;
        if Mac::from_slice(&trailer) != Some(signed.finish()) {
            checked.problems.push("its checksum does not match its bytes".to_owned());
        }
        // The packfile of an archive has a name by chance.
        if !is_archive && payload.finish().0 != self.packfile.0 {
            checked.problems.push("its bytes do not match its name".to_owned());
        }
        Ok(())
    }

    fn check_head(&self, head: &[u8], trailer: &[u8]) -> Result<(), Fault> {
        let joined = [head, trailer].concat();
        envelope::open(&joined, ResourceType::PACKFILE, Version::V1_0_0).map(|_| ()).map_err(damage)
    }

    /// Reads footer and index.
    fn layout(&self, whole: &Option<Bytes>, scratch: &mut Scratch) -> Result<Layout, Fault> {
        const FIXED: u64 = (envelope::HEADER_SIZE + envelope::TRAILER_SIZE) as u64;
        let repository = self.repository;
        let payload_end = self.size.checked_sub(FIXED).ok_or_else(|| damage("it is too short"))?;
        let tail_bytes = payload_end.min(64 << 10);
        let tail = self.payload(whole, payload_end - tail_bytes, tail_bytes)?;
        let (footer, footer_at) = packfile::split_payload(&tail).map_err(damage)?;
        let footer_offset = payload_end - tail_bytes + footer_at as u64;
        let plain = repository.codec.decode(scratch, footer, Footer::SIZE_BYTES * 2).map_err(damage)?;
        let footer = Footer::decode(&plain).map_err(damage)?;
        let index_bytes = footer_offset
            .checked_sub(footer.index_offset)
            .ok_or_else(|| damage("its index lies behind its footer"))?;
        let encoded = self.payload(whole, footer.index_offset, index_bytes)?;
        let index = repository.codec.decode(scratch, &encoded, INDEX_BYTES_MAX).map_err(damage)?;
        if repository.key().mac(&index) != footer.index_mac {
            return Err(damage("its index does not match its footer"));
        }
        footer.check_count(&index).map_err(damage)?;
        let mut records: Vec<BlobRecord> = packfile::records(&index).map_err(damage)?.collect();
        packfile::check_layout(&records, footer.index_offset).map_err(damage)?;
        if records.iter().any(|record| u64::from(record.length) > ENCODED_BYTES_MAX) {
            return Err(damage("it holds a blob that is too long"));
        }
        records.sort_by_key(|record| record.offset);
        Ok(Layout { records, payload_end })
    }

    /// Where the window that starts at `at` ends, and the number of records that end by then.
    fn next_window(&self, layout: &Layout, at: u64, next: usize) -> (u64, usize) {
        let limit = at.saturating_add(self.window);
        let mut end = at;
        let mut blobs = next;
        for record in layout.records.get(next..).unwrap_or_default() {
            let blob_end = record.offset + u64::from(record.length);
            if record.offset > limit {
                // A gap before the next blob.
                return (limit.min(layout.payload_end), blobs);
            }
            if blobs > next && blob_end > limit {
                return (end, blobs);
            }
            end = end.max(blob_end);
            blobs += 1;
        }
        // Index and footer follow the last blob.
        (end.max(limit).min(layout.payload_end), blobs)
    }

    fn place(&self, record: &BlobRecord) -> BlobLocation {
        BlobLocation { packfile: self.packfile, offset: record.offset, length: record.length }
    }

    /// Decodes one blob; `None` for types that this build does not know.
    fn check_blob(
        &self,
        record: &BlobRecord,
        encoded: &[u8],
        buffers: &mut CheckBuffers,
    ) -> Option<CheckedBlob> {
        let resource = record.resource_type().filter(|resource| resource.name().is_some())?;
        let blob = BlobId::new(resource, record.mac);
        let place = self.place(record);
        if let Some(length) = self.verified.length(blob)
            && self.repository.locate(blob) == Some(place)
        {
            return Some(CheckedBlob { blob, place, result: Ok(length) });
        }
        let CheckBuffers { scratch, plain } = buffers;
        let result = match self.repository.decode_verified_into(blob, place, encoded, scratch, plain) {
            Ok(()) => Ok(u32::try_from(plain.len()).unwrap_or(u32::MAX)),
            Err(Error::BlobDamaged { reason, .. }) => Err(reason),
            Err(error) => Err(error.to_string()),
        };
        Some(CheckedBlob { blob, place, result })
    }

    fn payload(&self, whole: &Option<Bytes>, offset: u64, length: u64) -> Result<Bytes, Fault> {
        self.bytes(whole, offset.saturating_add(envelope::HEADER_SIZE as u64), length)
    }

    fn bytes(&self, whole: &Option<Bytes>, offset: u64, length: u64) -> Result<Bytes, Fault> {
        let Some(whole) = whole else { return self.fetch(offset, length) };
        let end = offset.checked_add(length).filter(|&end| end <= whole.len() as u64);
        let end = end.ok_or_else(|| damage("it is too short"))?;
        Ok(whole.slice(offset as usize..end as usize))
    }

    fn fetch(&self, offset: u64, length: u64) -> Result<Bytes, Fault> {
        let request = RangeRequest { file: StoreFile::Packfile, name: self.packfile.0, offset, length };
        let slot: OnceLock<Result<Bytes, ConnectorError>> = OnceLock::new();
        self.repository.storage().get_ranges(&[request], &|_, result| {
            let _ = slot.set(result);
        });
        match slot.into_inner() {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(error)) => match error.kind {
                ErrorKind::NotFound => Err(damage("it does not exist")),
                ErrorKind::Corrupt | ErrorKind::Permission => Err(damage(error.message)),
                _ => Err(Fault::Store(Error::Storage(error))),
            },
            None => Err(Fault::Store(Error::Internal("a range was not delivered".to_owned()))),
        }
    }
}
