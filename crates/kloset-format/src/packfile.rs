//! Packfiles: encoded blobs back to back, then an index and a footer.
//!
//! ```text
//! payload = encode(blob)* | encode(index) | encode(footer) | u32 length of encode(footer)
//! index   = record*   record = type u32 | version u32 | mac 32 | offset u64 | length u32 | flags u32
//! footer  = timestamp i64 ns | count u32 | index offset u64 | index mac 32 | flags u32
//! ```
//!
//! All numbers are little endian; offsets count from the start of the payload. Decoding the
//! index and the footer (compression, encryption) is left to the caller.

use std::ops::Range;

use crate::fixed::FieldReader;
use crate::{DecodeError, Mac, ResourceType, Version};

const RESOURCE: &str = "packfile";

/// Where one blob lies inside its packfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobRecord {
    /// Resource type; one unknown to this build stays a number, so that a newer writer's
    /// store remains readable.
    pub resource: u32,
    /// Version of the blob.
    pub version: Version,
    /// Name of the blob.
    pub mac: Mac,
    /// Start of the encoded blob inside the payload.
    pub offset: u64,
    /// Length of the encoded blob.
    pub length: u32,
    /// Always 0 nowadays.
    pub flags: u32,
}

impl BlobRecord {
    /// Size of an encoded record.
    pub const SIZE_BYTES: usize = 56;

    /// Appends the record to an index.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.resource.to_le_bytes());
        out.extend_from_slice(&self.version.0.to_le_bytes());
        out.extend_from_slice(&self.mac.0);
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
    }

    /// Decodes the record at the start of `bytes` and returns it with the rest.
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut fields = FieldReader::new("packfile index", bytes);
        let record = Self {
            resource: fields.u32("type")?,
            version: Version(fields.u32("version")?),
            mac: fields.id("mac")?,
            offset: fields.u64("offset")?,
            length: fields.u32("length")?,
            flags: fields.u32("flags")?,
        };
        Ok((record, fields.rest()))
    }

    /// The resource type, if it is one that states can express.
    pub fn resource_type(&self) -> Option<ResourceType> {
        u8::try_from(self.resource).ok().map(ResourceType)
    }

    /// The bytes of the blob inside the payload, if they end at or before `area_end`
    /// (the offset of the index).
    pub fn range(&self, area_end: u64) -> Result<Range<u64>, DecodeError> {
        match self.offset.checked_add(u64::from(self.length)) {
            Some(end) if end <= area_end => Ok(self.offset..end),
            _ => Err(DecodeError::new(
                "packfile index",
                "offset",
                0,
                format!("a blob that ends by byte {area_end}"),
                format!("{} bytes from {}", self.length, self.offset),
            )),
        }
    }
}

/// The records of a decoded index, in file order.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl Iterator for Records<'_> {
    type Item = BlobRecord;

    fn next(&mut self) -> Option<BlobRecord> {
        let (record, rest) = BlobRecord::decode(self.rest).ok()?;
        self.rest = rest;
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.rest.len() / BlobRecord::SIZE_BYTES;
        (count, Some(count))
    }
}

impl ExactSizeIterator for Records<'_> {}

/// Walks a decoded index, which must hold whole records only.
pub fn records(index: &[u8]) -> Result<Records<'_>, DecodeError> {
    if !index.len().is_multiple_of(BlobRecord::SIZE_BYTES) {
        return Err(DecodeError::new(
            "packfile index",
            "length",
            index.len(),
            format!("a multiple of {} bytes", BlobRecord::SIZE_BYTES),
            format!("{} bytes", index.len()),
        ));
    }
    Ok(Records { rest: index })
}

/// Checks that all blobs lie before `area_end` and that none overlaps another.
pub fn check_layout(records: &[BlobRecord], area_end: u64) -> Result<(), DecodeError> {
    let mut ranges = Vec::with_capacity(records.len());
    for record in records {
        ranges.push(record.range(area_end)?);
    }
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    let overlap = ranges.iter().zip(ranges.iter().skip(1)).find(|(a, b)| b.start < a.end);
    if let Some((a, b)) = overlap {
        return Err(DecodeError::new(
            "packfile index",
            "offset",
            0,
            format!("no blob before byte {}", a.end),
            format!("one at {}", b.start),
        ));
    }
    Ok(())
}

/// The last thing in a packfile: says where the index is and what it must hash to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// When the packfile was sealed, in nanoseconds since 1970.
    ///
    /// Early releases wrote seconds; archives hold 0.
    pub timestamp_ns: i64,
    /// Number of records in the index.
    pub count: u32,
    /// Where the encoded index starts, which is where the blobs end.
    pub index_offset: u64,
    /// MAC of the plain index.
    pub index_mac: Mac,
    /// Always 0 nowadays.
    pub flags: u32,
}

impl Footer {
    /// Size of a plain footer.
    pub const SIZE_BYTES: usize = 56;

    /// The plain bytes of the footer.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::SIZE_BYTES);
        out.extend_from_slice(&self.timestamp_ns.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.index_offset.to_le_bytes());
        out.extend_from_slice(&self.index_mac.0);
        out.extend_from_slice(&self.flags.to_le_bytes());
        out
    }

    /// Decodes a plain footer of exactly the right size.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = FieldReader::new("packfile footer", bytes);
        let footer = Self {
            timestamp_ns: fields.i64("timestamp")?,
            count: fields.u32("count")?,
            index_offset: fields.u64("index offset")?,
            index_mac: fields.id("index mac")?,
            flags: fields.u32("flags")?,
        };
        if !fields.rest().is_empty() {
            let found = format!("{} bytes", bytes.len());
            return Err(fields.error("length", format!("{} bytes", Self::SIZE_BYTES), found));
        }
        Ok(footer)
    }

    /// Where the encoded index lies in a payload whose footer starts at `footer_offset`.
    pub fn index_range(&self, footer_offset: usize) -> Result<Range<usize>, DecodeError> {
        match usize::try_from(self.index_offset) {
            Ok(start) if start <= footer_offset => Ok(start..footer_offset),
            _ => Err(DecodeError::new(
                "packfile footer",
                "index offset",
                12,
                format!("at most {footer_offset}"),
                self.index_offset.to_string(),
            )),
        }
    }

    /// Checks that a plain index holds as many records as the footer says.
    pub fn check_count(&self, index: &[u8]) -> Result<(), DecodeError> {
        let found = records(index)?.len();
        if u64::try_from(found) == Ok(u64::from(self.count)) {
            return Ok(());
        }
        let expected = format!("{found} records, as in the index");
        Err(DecodeError::new("packfile footer", "count", 8, expected, self.count.to_string()))
    }
}

/// Finds the encoded footer: returns its bytes and its offset in the payload.
pub fn split_payload(payload: &[u8]) -> Result<(&[u8], usize), DecodeError> {
    let Some((before, length)) = payload.split_last_chunk::<4>() else {
        let found = format!("{} bytes", payload.len());
        return Err(DecodeError::new(RESOURCE, "footer length", 0, "at least 4 bytes", found));
    };
    let length = u32::from_le_bytes(*length);
    let found = usize::try_from(length)
        .ok()
        .and_then(|length| before.len().checked_sub(length))
        .and_then(|offset| before.split_at_checked(offset));
    match found {
        Some((blobs_and_index, footer)) => Ok((footer, blobs_and_index.len())),
        None => Err(DecodeError::new(
            RESOURCE,
            "footer length",
            before.len(),
            format!("at most {}", before.len()),
            length.to_string(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: u64, length: u32) -> BlobRecord {
        BlobRecord { resource: 9, version: Version::V1_0_0, mac: Mac([3; 32]), offset, length, flags: 0 }
    }

    #[test]
    fn records_survive_a_round_trip() {
        let all = [record(0, 10), record(10, 0), record(10, u32::MAX)];
        let mut index = Vec::new();
        for one in &all {
            one.encode(&mut index);
        }
        assert_eq!(index.len(), 3 * BlobRecord::SIZE_BYTES);
        assert_eq!(records(&index).unwrap().collect::<Vec<_>>(), all);
        assert!(records(&index[1..]).is_err());
    }

    #[test]
    fn ranges_outside_the_blob_area_are_refused() {
        assert_eq!(record(5, 5).range(10).unwrap(), 5..10);
        assert!(record(6, 5).range(10).is_err());
        assert!(record(u64::MAX, 1).range(u64::MAX).is_err());
    }

    #[test]
    fn overlapping_blobs_are_damage() {
        assert!(check_layout(&[record(10, 5), record(0, 10), record(10, 0)], 15).is_ok());
        assert!(check_layout(&[record(0, 10), record(9, 1)], 15).is_err());
    }

    #[test]
    fn footer_length_beyond_the_payload_is_refused() {
        assert_eq!(split_payload(b"blobFOOT\x04\0\0\0").unwrap(), (&b"FOOT"[..], 4));
        assert!(split_payload(b"blob\x05\0\0\0").is_err());
        assert!(split_payload(b"\xff\xff\xff\xff").is_err());
        assert!(split_payload(b"\0\0\0").is_err());
    }

    #[test]
    fn footer_checks_count_and_index_offset() {
        let footer =
            Footer { timestamp_ns: -1, count: 2, index_offset: 20, index_mac: Mac([9; 32]), flags: 0 };
        assert_eq!(Footer::decode(&footer.encode()).unwrap(), footer);
        assert!(Footer::decode(&[0; 57]).is_err());
        assert_eq!(footer.index_range(30).unwrap(), 20..30);
        assert!(footer.index_range(19).is_err());
        assert!(footer.check_count(&[0; 112]).is_ok());
        assert!(footer.check_count(&[0; 56]).is_err());
    }
}
