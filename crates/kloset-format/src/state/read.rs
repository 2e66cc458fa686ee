//! Decoding of states, of both versions.

use super::{StateEntry, StateMetadata, entry_type};
use crate::fixed::FieldReader;
use crate::{DecodeError, ResourceType, StateId, Version};

/// Longest entry of an unknown type that is skipped rather than refused.
const UNKNOWN_ENTRY_BYTES_MAX: usize = 1 << 20;

/// Walks the entries of one decoded state.
///
/// The iterator ends after the metadata or after the first error. Only when
/// [`StateReader::metadata`] returns a value was the whole state read and sound.
#[derive(Clone, Debug)]
pub struct StateReader<'a> {
    fields: FieldReader<'a>,
    version: Version,
    parent: StateId,
    metadata: Option<StateMetadata>,
    done: bool,
    skipped: usize,
}

impl<'a> StateReader<'a> {
    /// Starts reading `plain`, the decoded payload; `version` is the one of the envelope.
    pub fn new(plain: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut fields = FieldReader::new("state", plain);
        let has_parent = version >= Version::V1_1_0;
        let parent = if has_parent { fields.id("parent")? } else { StateId::ZERO };
        Ok(Self { fields, version, parent, metadata: None, done: false, skipped: 0 })
    }

    /// Name of the state that was newest for the writer, zero if none.
    pub fn parent(&self) -> StateId {
        self.parent
    }

    /// The metadata, once the iterator has come to a sound end.
    pub fn metadata(&self) -> Option<StateMetadata> {
        self.metadata
    }

    /// Entries of unknown types that were skipped so far.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// Reads the metadata from the end of a state without walking its entries.
    ///
    /// A first look only: whether the entries lead to this end is known after walking them.
    pub fn metadata_of(plain: &[u8]) -> Result<StateMetadata, DecodeError> {
        let tail = plain.len().checked_sub(1 + StateMetadata::SIZE_BYTES).and_then(|at| plain.get(at..));
        let mut fields = FieldReader::new("state", tail.unwrap_or_default());
        let mark = fields.u8("metadata mark")?;
        if mark != entry_type::METADATA {
            return Err(DecodeError::new(
                "state",
                "metadata mark",
                plain.len() - 1 - StateMetadata::SIZE_BYTES,
                entry_type::METADATA.to_string(),
                mark.to_string(),
            ));
        }
        metadata(&mut fields)
    }

    /// Reads up to and including the next known entry; `None` at the metadata.
    fn step(&mut self) -> Result<Option<StateEntry>, DecodeError> {
        loop {
            let kind = self.fields.u8("entry type or metadata mark")?;
            if kind == entry_type::METADATA {
                self.metadata = Some(metadata(&mut self.fields)?);
                return Ok(None);
            }
            let length = self.fields.u32("entry length")? as usize;
            let known = body_length(kind, self.version);
            if let Some(expected) = known.filter(|&expected| expected != length) {
                let found = format!("{length} bytes");
                return Err(self.fields.error("entry length", format!("{expected} bytes"), found));
            }
            if known.is_none() && length > UNKNOWN_ENTRY_BYTES_MAX {
                let expected = format!("at most {UNKNOWN_ENTRY_BYTES_MAX} bytes");
                return Err(self.fields.error("entry length", expected, format!("{length} bytes")));
            }
            if known.is_some() {
                return fixed_entry(kind, &mut self.fields).map(Some);
            }
            let offset = self.fields.offset();
            let body = self.fields.slice("entry", length)?;
            if kind == entry_type::CONFIGURATION {
                return configuration(body, offset).map(Some);
            }
            self.skipped += 1;
        }
    }
}

impl Iterator for StateReader<'_> {
    type Item = Result<StateEntry, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step();
        self.done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

/// Length of the body of the entry types that have a fixed one in this version.
fn body_length(kind: u8, version: Version) -> Option<usize> {
    match kind {
        entry_type::LOCATION => Some(85),
        entry_type::COLOURED => Some(41),
        entry_type::PACKFILE => Some(72),
        entry_type::DELETE if version >= Version::V1_1_0 => Some(66),
        _ => None,
    }
}

fn fixed_entry(kind: u8, fields: &mut FieldReader<'_>) -> Result<StateEntry, DecodeError> {
    match kind {
        entry_type::LOCATION => Ok(StateEntry::Location {
            resource: ResourceType(fields.u8("location type")?),
            version: Version(fields.u32("location version")?),
            mac: fields.id("location mac")?,
            packfile: fields.id("location packfile")?,
            offset: fields.u64("location offset")?,
            length: fields.u32("location length")?,
            flags: fields.u32("location flags")?,
        }),
        entry_type::COLOURED => Ok(StateEntry::Coloured {
            resource: ResourceType(fields.u8("coloured type")?),
            mac: fields.id("coloured mac")?,
            when_ns: fields.i64("coloured when")?,
        }),
        entry_type::PACKFILE => Ok(StateEntry::Packfile {
            packfile: fields.id("packfile name")?,
            state: fields.id("packfile state")?,
            timestamp_ns: fields.i64("packfile timestamp")?,
        }),
        _ => delete(fields),
    }
}

fn delete(fields: &mut FieldReader<'_>) -> Result<StateEntry, DecodeError> {
    let before = fields.clone();
    let kind = fields.u8("delete entry type")?;
    if !matches!(kind, entry_type::LOCATION | entry_type::COLOURED | entry_type::PACKFILE) {
        return Err(before.error("delete entry type", "2, 3 or 4", kind.to_string()));
    }
    Ok(StateEntry::Delete {
        entry_type: kind,
        resource: ResourceType(fields.u8("delete type")?),
        mac: fields.id("delete mac")?,
        packfile: fields.id("delete packfile")?,
    })
}

fn configuration(body: &[u8], offset: usize) -> Result<StateEntry, DecodeError> {
    let mut fields = FieldReader::new("state", body);
    let entry = read_configuration(&mut fields)
        .map_err(|error| DecodeError { offset: error.offset + offset, ..error })?;
    if !fields.rest().is_empty() {
        let found = format!("{} more bytes", fields.rest().len());
        return Err(DecodeError::new("state", "configuration", offset, "end of entry", found));
    }
    Ok(entry)
}

fn read_configuration(fields: &mut FieldReader<'_>) -> Result<StateEntry, DecodeError> {
    let key_length = usize::from(fields.u8("configuration key length")?);
    let key = fields.slice("configuration key", key_length)?.to_vec();
    let value_length = usize::from(fields.u16("configuration value length")?);
    let value = fields.slice("configuration value", value_length)?.to_vec();
    let created_ns = fields.i64("configuration created")?;
    Ok(StateEntry::Configuration { key, value, created_ns })
}

/// Reads the metadata, after which nothing may follow.
fn metadata(fields: &mut FieldReader<'_>) -> Result<StateMetadata, DecodeError> {
    let metadata = StateMetadata {
        version: Version(fields.u32("metadata version")?),
        timestamp_ns: fields.i64("metadata timestamp")?,
        serial: fields.array("metadata serial")?,
    };
    if !fields.rest().is_empty() {
        let found = format!("{} more bytes", fields.rest().len());
        return Err(fields.error("metadata", "end of state", found));
    }
    Ok(metadata)
}
