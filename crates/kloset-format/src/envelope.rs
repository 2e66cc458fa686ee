//! The frame around CONFIG, states, packfiles and locks.
//!
//! ```text
//! magic "_KLOSET_" | type u32 | version u32 | payload | keyed hash of all before it, 32 bytes
//! ```
//!
//! There is no length field: the trailer is the last 32 bytes. Checking the trailer needs the
//! key of the store, so it is left to the caller, who must do it before using the payload.

use crate::{Mac, ResourceType, Version};

/// Bytes before the payload.
pub const HEADER_SIZE: usize = 16;
/// Bytes after the payload.
pub const TRAILER_SIZE: usize = 32;
/// First bytes of every store file.
pub const MAGIC: [u8; 8] = *b"_KLOSET_";
/// First bytes of store files of early releases, accepted when reading.
pub const MAGIC_OLD: [u8; 8] = *b"_PLAKAR_";

/// A store file taken apart; its trailer is not yet checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Version of the resource, never newer than what the caller said it knows.
    pub version: Version,
    /// Header and payload: what the trailer is computed over.
    pub signed: &'a [u8],
    /// The bytes between header and trailer.
    pub payload: &'a [u8],
    /// The trailer as it stands in the file.
    pub trailer: Mac,
}

/// Why a file is not the store file that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not written by any release: the first eight bytes are something else.
    #[error("not a store file: it starts with \"{}\"", magic.escape_ascii())]
    NotAStoreFile {
        /// The first eight bytes.
        magic: [u8; 8],
    },
    /// A store file, but of another kind.
    #[error("holds resource type {found} where {expected} was expected")]
    WrongType {
        /// What was asked for.
        expected: ResourceType,
        /// Type number in the header.
        found: u32,
    },
    /// Written by a newer release in a version this one does not know.
    #[error("{resource} version {version} is newer than {newest}, the newest known here")]
    TooNew {
        /// What was asked for.
        resource: ResourceType,
        /// Version in the header.
        version: Version,
        /// Newest version known.
        newest: Version,
    },
    /// Shorter than header and trailer together.
    #[error("file of {length} bytes is too short to be a store file")]
    TooShort {
        /// Length of the file.
        length: usize,
    },
}

/// The 16 bytes that stand before a payload.
pub fn header(resource: ResourceType, version: Version) -> [u8; HEADER_SIZE] {
    let mut out = [0; HEADER_SIZE];
    let (magic, rest) = out.split_at_mut(8);
    magic.copy_from_slice(&MAGIC);
    let (kind, number) = rest.split_at_mut(4);
    kind.copy_from_slice(&u32::from(resource.0).to_le_bytes());
    number.copy_from_slice(&version.0.to_le_bytes());
    out
}

/// Whether a file under a final name was never finished: it is empty, or has nothing where the header
/// belongs. Where a server gives no file another name, the header is what is written last.
pub fn is_unfinished(bytes: &[u8]) -> bool {
    bytes.iter().take(HEADER_SIZE).all(|&byte| byte == 0)
}

/// Takes a whole store file apart and checks magic, type and version, but not the trailer.
pub fn open<'a>(
    bytes: &'a [u8],
    expected: ResourceType,
    newest: Version,
) -> Result<Envelope<'a>, EnvelopeError> {
    let too_short = || EnvelopeError::TooShort { length: bytes.len() };
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or_else(too_short)?;
    if *magic != MAGIC && *magic != MAGIC_OLD {
        return Err(EnvelopeError::NotAStoreFile { magic: *magic });
    }
    let (kind, rest) = rest.split_first_chunk::<4>().ok_or_else(too_short)?;
    let (number, rest) = rest.split_first_chunk::<4>().ok_or_else(too_short)?;
    let (payload, trailer) = rest.split_last_chunk::<TRAILER_SIZE>().ok_or_else(too_short)?;
    let found = u32::from_le_bytes(*kind);
    if found != u32::from(expected.0) {
        return Err(EnvelopeError::WrongType { expected, found });
    }
    let version = Version(u32::from_le_bytes(*number));
    if version > newest {
        return Err(EnvelopeError::TooNew { resource: expected, version, newest });
    }
    let signed = bytes.split_last_chunk::<TRAILER_SIZE>().ok_or_else(too_short)?.0;
    Ok(Envelope { version, signed, payload, trailer: Mac(*trailer) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(payload: &[u8]) -> Vec<u8> {
        let mut out = header(ResourceType::STATE, Version::V1_1_0).to_vec();
        out.extend_from_slice(payload);
        out.extend_from_slice(&[7; TRAILER_SIZE]);
        out
    }

    #[test]
    fn header_has_the_bytes_of_the_format() {
        let bytes = header(ResourceType::STATE, Version::V1_1_0);
        assert_eq!(&bytes, b"_KLOSET_\x03\0\0\0\x00\x01\x01\x00");
    }

    #[test]
    fn open_splits_what_header_and_trailer_enclose() {
        for payload in [&b""[..], b"payload"] {
            let bytes = file(payload);
            let envelope = open(&bytes, ResourceType::STATE, Version::V1_1_0).unwrap();
            assert_eq!(envelope.payload, payload);
            assert_eq!(envelope.signed, &bytes[..16 + payload.len()]);
            assert_eq!(envelope.trailer, Mac([7; 32]));
        }
        let mut old = file(b"x");
        old[..8].copy_from_slice(b"_PLAKAR_");
        assert!(open(&old, ResourceType::STATE, Version::V1_1_0).is_ok());
    }

    #[test]
    fn file_without_its_header_is_unfinished_and_any_other_is_not() {
        let whole = file(b"payload");
        let mut headless = whole.clone();
        headless[..HEADER_SIZE].fill(0);
        for length in 0..whole.len() {
            assert!(is_unfinished(&headless[..length]), "{length}");
            assert_eq!(is_unfinished(&whole[..length]), length == 0, "{length}");
        }
    }

    #[test]
    fn open_tells_the_kinds_of_refusal_apart() {
        let bytes = file(b"payload");
        assert!(matches!(
            open(&bytes, ResourceType::LOCK, Version::V1_1_0),
            Err(EnvelopeError::WrongType { found: 3, .. })
        ));
        assert!(matches!(
            open(&bytes, ResourceType::STATE, Version::V1_0_0),
            Err(EnvelopeError::TooNew { version: Version::V1_1_0, .. })
        ));
        assert!(matches!(
            open(b"something else", ResourceType::STATE, Version::V1_1_0),
            Err(EnvelopeError::NotAStoreFile { .. })
        ));
        let short = file(b"");
        for length in 0..short.len() {
            assert_eq!(
                open(&short[..length], ResourceType::STATE, Version::V1_1_0),
                Err(EnvelopeError::TooShort { length })
            );
        }
    }
}
