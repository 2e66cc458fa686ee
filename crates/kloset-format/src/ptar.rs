//! Archives: a whole store in one file that is written once.
//!
//! ```text
//! "_PLATAR_" | version u32 | CONFIG envelope | packfile envelope | state envelope | 6 × i64
//! ```
//!
//! The trailer holds offset and length of the three parts, in this order, from the start of
//! the file. The names that listings show are invented; nothing depends on them.

use std::ops::Range;

use crate::fixed::FieldReader;
use crate::{DecodeError, PackfileId, StateId, Version};

const RESOURCE: &str = "archive";

/// First bytes of an archive.
pub const MAGIC: [u8; 8] = *b"_PLATAR_";
/// Version that is written, and the newest that is read.
pub const VERSION: Version = Version::V1_0_0;
/// Bytes before CONFIG: magic and version.
pub const HEADER_SIZE: usize = 12;
/// Bytes after the state: the trailer.
pub const TRAILER_SIZE: usize = 48;
/// Longest CONFIG of an archive.
pub const CONFIG_BYTES_MAX: u64 = 32_768;
/// Name that the only state of an archive goes by: 0f 0e ... 00, then zeros.
pub const STATE_ID: StateId = StateId(fixed_id(15, -1));
/// Name that the only packfile of an archive goes by: 00 01 ... 0f, then zeros.
pub const PACKFILE_ID: PackfileId = PackfileId(fixed_id(0, 1));

const fn fixed_id(first: i8, step: i8) -> [u8; 32] {
    let mut id = [0; 32];
    let (mut at, mut value) = (0, first);
    while at < 16 {
        id[at] = value as u8;
        value += step;
        at += 1;
    }
    id
}

/// Where the three parts of an archive lie, as ranges of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// The CONFIG envelope.
    pub config: Range<u64>,
    /// The packfile envelope.
    pub packfile: Range<u64>,
    /// The state envelope.
    pub state: Range<u64>,
}

/// The bytes before CONFIG.
pub fn header() -> [u8; HEADER_SIZE] {
    let mut out = [0; HEADER_SIZE];
    let (magic, version) = out.split_at_mut(MAGIC.len());
    magic.copy_from_slice(&MAGIC);
    version.copy_from_slice(&VERSION.0.to_le_bytes());
    out
}

/// Checks the first bytes of an archive and returns its version.
pub fn check_header(bytes: &[u8]) -> Result<Version, DecodeError> {
    let mut fields = FieldReader::new(RESOURCE, bytes);
    let magic: [u8; 8] = fields.array("magic")?;
    if magic != MAGIC {
        return Err(DecodeError::new(RESOURCE, "magic", 0, "_PLATAR_", magic.escape_ascii().to_string()));
    }
    let version = Version(fields.u32("version")?);
    if version > VERSION {
        let expected = format!("at most {VERSION}");
        return Err(DecodeError::new(RESOURCE, "version", 8, expected, version.to_string()));
    }
    Ok(version)
}

impl Trailer {
    /// The bytes of the trailer. Offsets beyond 63 bits cannot occur in a file.
    pub fn encode(&self) -> [u8; TRAILER_SIZE] {
        let mut out = [0; TRAILER_SIZE];
        let parts = [&self.config, &self.packfile, &self.state];
        let numbers = parts.into_iter().flat_map(|part| [part.start, part.end.saturating_sub(part.start)]);
        for (slot, number) in out.chunks_exact_mut(8).zip(numbers) {
            slot.copy_from_slice(&number.to_le_bytes());
        }
        out
    }

    /// Decodes the last 48 bytes of an archive of `file_bytes` bytes.
    ///
    /// All parts lie between header and trailer and none overlaps another.
    pub fn decode(bytes: &[u8], file_bytes: u64) -> Result<Self, DecodeError> {
        let area_end = file_bytes.checked_sub(TRAILER_SIZE as u64).filter(|&end| end >= HEADER_SIZE as u64);
        let Some(area_end) = area_end else {
            let expected = format!("at least {} bytes", HEADER_SIZE + TRAILER_SIZE);
            return Err(DecodeError::new(RESOURCE, "length", 0, expected, format!("{file_bytes} bytes")));
        };
        let mut fields = FieldReader::new(RESOURCE, bytes);
        let config = part(&mut fields, "config", area_end, CONFIG_BYTES_MAX)?;
        let packfile = part(&mut fields, "packfile", area_end, u64::MAX)?;
        let state = part(&mut fields, "state", area_end, u64::MAX)?;
        if !fields.rest().is_empty() {
            let found = format!("{} bytes", bytes.len());
            return Err(fields.error("trailer", format!("{TRAILER_SIZE} bytes"), found));
        }
        let trailer = Self { config, packfile, state };
        trailer.check_overlap()?;
        Ok(trailer)
    }

    fn check_overlap(&self) -> Result<(), DecodeError> {
        let mut parts = [&self.config, &self.packfile, &self.state];
        parts.sort_unstable_by_key(|part| part.start);
        let [first, second, third] = parts;
        for (one, next) in [(first, second), (second, third)] {
            if next.start < one.end {
                let expected = format!("a part at {} or later", one.end);
                return Err(DecodeError::new(RESOURCE, "trailer", 0, expected, next.start.to_string()));
            }
        }
        Ok(())
    }
}

fn part(
    fields: &mut FieldReader<'_>,
    field: &'static str,
    area_end: u64,
    bytes_max: u64,
) -> Result<Range<u64>, DecodeError> {
    let before = fields.clone();
    let (start, length) = (fields.i64(field)?, fields.i64(field)?);
    let range = u64::try_from(start).ok().zip(u64::try_from(length).ok()).and_then(|(start, length)| {
        let end = start.checked_add(length)?;
        let fits = start >= HEADER_SIZE as u64 && end <= area_end && (1..=bytes_max).contains(&length);
        fits.then_some(start..end)
    });
    range.ok_or_else(|| {
        let expected = format!("a range within {HEADER_SIZE}..{area_end}");
        before.error(field, expected, format!("{length} bytes at {start}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_names_are_those_of_the_format() {
        assert_eq!(&header(), b"_PLATAR_\0\0\x01\0");
        assert_eq!(check_header(&header()), Ok(VERSION));
        assert!(check_header(b"_PLATAR_\0\0\x02\0").is_err());
        assert!(check_header(b"_KLOSET_\0\0\x01\0").is_err());
        assert!(STATE_ID.to_string().starts_with("0f0e0d0c0b0a09080706050403020100000000"));
        assert!(PACKFILE_ID.to_string().starts_with("000102030405060708090a0b0c0d0e0f000000"));
    }

    #[test]
    fn trailer_round_trips_and_refuses_ranges_outside_the_file() {
        let trailer = Trailer { config: 12..100, packfile: 100..200, state: 200..250 };
        let bytes = trailer.encode();
        assert_eq!(Trailer::decode(&bytes, 298), Ok(trailer.clone()));
        assert!(Trailer::decode(&bytes, 297).is_err());
        assert!(Trailer::decode(&bytes[1..], 298).is_err());
        assert!(Trailer::decode(&bytes, 10).is_err());
        let bad = [
            Trailer { config: 11..100, ..trailer.clone() },
            Trailer { config: 12..12, ..trailer.clone() },
            Trailer { config: 12..101, ..trailer.clone() },
            Trailer { state: u64::MAX - 8..u64::MAX, ..trailer.clone() },
        ];
        for one in bad {
            assert!(Trailer::decode(&one.encode(), 298).is_err(), "{one:?}");
        }
    }
}
