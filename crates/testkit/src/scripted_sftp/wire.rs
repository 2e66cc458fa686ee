//! Messages of the scripted server: reading requests, building answers.

use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Longest request.
const MESSAGE_BYTES_MAX: usize = 300 << 10;

/// The fields of one request, taken from the front.
pub(super) struct Fields {
    bytes: Vec<u8>,
    at: usize,
}

impl Fields {
    pub(super) fn u32(&mut self) -> io::Result<u32> {
        let taken = self.take(4)?;
        Ok(taken.iter().fold(0, |value, &byte| value << 8 | u32::from(byte)))
    }

    pub(super) fn u64(&mut self) -> io::Result<u64> {
        Ok(u64::from(self.u32()?) << 32 | u64::from(self.u32()?))
    }

    pub(super) fn string(&mut self) -> io::Result<Vec<u8>> {
        let length = self.u32()? as usize;
        Ok(self.take(length)?.to_vec())
    }

    pub(super) fn path(&mut self) -> io::Result<PathBuf> {
        Ok(PathBuf::from(std::ffi::OsStr::from_bytes(&self.string()?)))
    }

    fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        let end = self.at.checked_add(count).ok_or(io::ErrorKind::InvalidData)?;
        let taken = self.bytes.get(self.at..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.at = end;
        Ok(taken)
    }
}

/// The next request: kind and fields; `None` at the end.
pub(super) fn read_message(input: &mut impl Read) -> io::Result<Option<(u8, Fields)>> {
    let mut head = [0; 4];
    match input.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let length = u32::from_be_bytes(head) as usize;
    if length == 0 || length > MESSAGE_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes)?;
    let kind = bytes.first().copied().unwrap_or_default();
    Ok(Some((kind, Fields { bytes, at: 1 })))
}

/// Attributes as a request brings them.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) size: Option<u64>,
    pub(super) owner: Option<(u32, u32)>,
    pub(super) mode: Option<u32>,
    pub(super) times: Option<(u32, u32)>,
}

impl Wanted {
    pub(super) fn read(fields: &mut Fields) -> io::Result<Self> {
        let flags = fields.u32()?;
        let mut wanted = Self::default();
        if flags & 1 != 0 {
            wanted.size = Some(fields.u64()?);
        }
        if flags & 2 != 0 {
            wanted.owner = Some((fields.u32()?, fields.u32()?));
        }
        if flags & 4 != 0 {
            wanted.mode = Some(fields.u32()?);
        }
        if flags & 8 != 0 {
            wanted.times = Some((fields.u32()?, fields.u32()?));
        }
        Ok(wanted)
    }
}

/// A message being built; the length in front is set at the end.
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn new(kind: u8) -> Self {
        Self(vec![0, 0, 0, 0, kind])
    }

    pub(super) fn answer(kind: u8, id: u32) -> Self {
        Self::new(kind).u32(id)
    }

    pub(super) fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(super) fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(super) fn string(self, value: &[u8]) -> Self {
        let mut message = self.u32(value.len() as u32);
        message.0.extend_from_slice(value);
        message
    }

    pub(super) fn attributes(self, found: &Metadata) -> Self {
        self.u32(0xf)
            .u64(found.len())
            .u32(found.uid())
            .u32(found.gid())
            .u32(found.mode())
            .u32(found.atime() as u32)
            .u32(found.mtime() as u32)
    }

    /// Attributes of a made-up file of one byte.
    pub(super) fn made_up_attributes(self) -> Self {
        self.u32(0xf).u64(1).u32(0).u32(0).u32(0o100_644).u32(1_600_000_000).u32(1_600_000_000)
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = (self.0.len() as u32 - 4).to_be_bytes();
        if let Some(head) = self.0.get_mut(..4) {
            head.copy_from_slice(&length);
        }
        self.0
    }
}
