//! What was merged, as a file of the local cache.
//!
//! The file is sealed by a MAC under the store's key. It counts only while the store lists every state
//! that it is made of, so it is never the reason that something is believed to exist.
//!
//! Layout, little endian:
//!
//! ```text
//! magic [u8; 8] | newest i64 ns | 9 counts u64 | states, parents and extents | packfiles | deleted packfiles
//! | deleted locations | marks | missing parents | entries of missing states
//! | packfiles left behind | replaced states and by which | records | seal [u8; 32]
//! ```

use std::sync::Arc;

use kloset_codec::hash::MacKey;
use kloset_format::{Mac, PackfileId, ResourceType, StateId};

use super::merge::{Extent, Mentioned, Merged};
use super::records::{Records, key_of};
use crate::BlobId;

/// First bytes of the file.
const MAGIC: &[u8; 8] = b"KLINDX4\n";
/// Kinds of rows before the records.
const SECTIONS: usize = 9;
/// Bytes of a row of the history.
const HISTORY_BYTES: usize = 32 + 32 + 8 + 8;
const HEADER_BYTES: usize = 8 + 8 + 8 * SECTIONS;
const SEAL_BYTES: usize = 32;

/// Writes what was merged; all places must be in one array.
pub(super) fn encode(merged: &Merged, key: &MacKey) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + merged.old.as_bytes().len() + SEAL_BYTES + (1 << 20));
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&merged.newest_ns.to_le_bytes());
    let counts = [
        merged.states.len(),
        merged.packfiles.len(),
        merged.deleted_packfiles.len(),
        merged.deleted_locations.len(),
        merged.coloured.len(),
        merged.missing_parents.len(),
        merged.strange.len(),
        merged.left_behind.len(),
        merged.replaced.len(),
    ];
    counts.iter().for_each(|&count| out.extend_from_slice(&(count as u64).to_le_bytes()));
    for ((id, parent), extent) in merged.states.iter().zip(&merged.parents).zip(&merged.extents) {
        out.extend_from_slice(&id.0);
        out.extend_from_slice(&parent.0);
        out.extend_from_slice(&extent.plain_bytes.to_le_bytes());
        out.extend_from_slice(&extent.written_ns.to_le_bytes());
    }
    for packfile in &merged.packfiles {
        out.extend_from_slice(&packfile.id.0);
        out.push(u8::from(packfile.complete));
    }
    merged.deleted_packfiles.iter().for_each(|id| out.extend_from_slice(&id.0));
    for (blob, packfile) in &merged.deleted_locations {
        out.extend_from_slice(&key_of(*blob));
        out.extend_from_slice(&packfile.0);
    }
    for (blob, when_ns) in &merged.coloured {
        out.extend_from_slice(&key_of(*blob));
        out.extend_from_slice(&when_ns.to_le_bytes());
    }
    merged.missing_parents.iter().for_each(|id| out.extend_from_slice(&id.0));
    for (packfile, state) in &merged.strange {
        out.extend_from_slice(&packfile.0);
        out.extend_from_slice(&state.0);
    }
    merged.left_behind.iter().for_each(|id| out.extend_from_slice(&id.0));
    for (state, by) in &merged.replaced {
        out.extend_from_slice(&state.0);
        out.extend_from_slice(&by.0);
    }
    out.extend_from_slice(merged.old.as_bytes());
    let seal = key.mac(&out);
    out.extend_from_slice(seal.as_bytes());
    out
}

/// The states that a file is made of, before it is known whether its seal holds.
pub(crate) fn states_of(bytes: &[u8]) -> Option<Vec<StateId>> {
    let (mut fields, counts, _) = header(bytes)?;
    fields.rows(*counts.first()?, HISTORY_BYTES)?.map(|row| StateId::from_slice(row.get(..32)?)).collect()
}

/// Reads a file whose seal holds.
pub(super) fn decode(mut bytes: Vec<u8>, key: &MacKey) -> Option<Merged> {
    let end = bytes.len().checked_sub(SEAL_BYTES)?;
    let (signed, seal) = bytes.split_at_checked(end)?;
    if !key.verify_parts(&[signed], &Mac::from_slice(seal)?) {
        return None;
    }
    let (mut merged, start) = decode_sections(signed)?;
    bytes.truncate(end);
    bytes.drain(..start);
    merged.old = Arc::new(Records::new(bytes)?);
    let packfiles = merged.packfiles.len();
    let sound = merged.old.iter().all(|(_, place)| (place.packfile as usize) < packfiles);
    sound.then_some(merged)
}

/// Everything before the records, and where they start.
fn decode_sections(signed: &[u8]) -> Option<(Merged, usize)> {
    let (mut fields, counts, newest_ns) = header(signed)?;
    let [
        states,
        packfiles,
        deleted_packfiles,
        deleted_locations,
        coloured,
        parents,
        strange,
        left_behind,
        replaced,
    ] = counts;
    let history = fields.rows(states, HISTORY_BYTES)?;
    let merged = Merged {
        newest_ns,
        states: history.clone().map(|row| StateId::from_slice(row.get(..32)?)).collect::<Option<_>>()?,
        parents: history.clone().map(|row| StateId::from_slice(row.get(32..64)?)).collect::<Option<_>>()?,
        extents: history.map(|row| extent_of(row.get(64..)?)).collect::<Option<_>>()?,
        packfiles: fields
            .rows(packfiles, 33)?
            .map(|row| {
                let (&complete, id) = row.split_last()?;
                Some(Mentioned { id: PackfileId::from_slice(id)?, complete: complete == 1 })
            })
            .collect::<Option<_>>()?,
        deleted_packfiles: fields
            .rows(deleted_packfiles, 32)?
            .map(PackfileId::from_slice)
            .collect::<Option<_>>()?,
        deleted_locations: fields
            .rows(deleted_locations, 65)?
            .map(|row| {
                let (blob, packfile) = row.split_at_checked(33)?;
                Some((blob_of(blob)?, PackfileId::from_slice(packfile)?))
            })
            .collect::<Option<_>>()?,
        coloured: fields
            .rows(coloured, 41)?
            .map(|row| {
                let (blob, when_ns) = row.split_at_checked(33)?;
                Some((blob_of(blob)?, i64::from_le_bytes(*when_ns.first_chunk()?)))
            })
            .collect::<Option<_>>()?,
        missing_parents: fields.rows(parents, 32)?.map(StateId::from_slice).collect::<Option<_>>()?,
        strange: fields
            .rows(strange, 64)?
            .map(|row| {
                let (packfile, state) = row.split_at_checked(32)?;
                Some((PackfileId::from_slice(packfile)?, StateId::from_slice(state)?))
            })
            .collect::<Option<_>>()?,
        left_behind: fields.rows(left_behind, 32)?.map(PackfileId::from_slice).collect::<Option<_>>()?,
        replaced: fields
            .rows(replaced, 64)?
            .map(|row| {
                let (state, by) = row.split_at_checked(32)?;
                Some((StateId::from_slice(state)?, StateId::from_slice(by)?))
            })
            .collect::<Option<_>>()?,
        ..Merged::default()
    };
    Some((merged, signed.len() - fields.0.len()))
}

fn extent_of(row: &[u8]) -> Option<Extent> {
    let (plain_bytes, written_ns) = row.split_first_chunk()?;
    let written_ns = i64::from_le_bytes(*written_ns.first_chunk()?);
    Some(Extent { plain_bytes: u64::from_le_bytes(*plain_bytes), written_ns })
}

fn blob_of(key: &[u8]) -> Option<BlobId> {
    let (&resource, mac) = key.split_last()?;
    Some(BlobId::new(ResourceType(resource), Mac::from_slice(mac)?))
}

/// What is left to read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn rows(&mut self, count: u64, length: usize) -> Option<std::slice::ChunksExact<'a, u8>> {
        let bytes = usize::try_from(count).ok()?.checked_mul(length)?;
        Some(self.take(bytes)?.chunks_exact(length))
    }
}

/// What follows the header, the counts, and the newest time.
fn header(bytes: &[u8]) -> Option<(Fields<'_>, [u64; SECTIONS], i64)> {
    let mut fields = Fields(bytes.strip_prefix(MAGIC.as_slice())?);
    let newest_ns = i64::from_le_bytes(*fields.take(8)?.first_chunk()?);
    let mut counts = [0u64; SECTIONS];
    for count in &mut counts {
        *count = u64::from_le_bytes(*fields.take(8)?.first_chunk()?);
    }
    Some((fields, counts, newest_ns))
}
