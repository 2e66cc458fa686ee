//! Extended attributes: one record per attribute of one path.

use crate::msgpack::{Reader, put_i64, put_id, put_key, put_map, put_str, put_u8, put_u32};
use crate::{DecodeError, Mac, Version};

/// One extended attribute of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XattrEntry {
    /// Version of the record.
    pub version: Version,
    /// Path that carries the attribute.
    pub path: Vec<u8>,
    /// Name of the attribute.
    pub name: Vec<u8>,
    /// Length of the value.
    pub size: i64,
    /// 0 extended attribute, 1 alternate data stream.
    pub kind: u8,
    /// Name of the object with the value.
    pub object: Mac,
}

impl XattrEntry {
    /// [`XattrEntry::kind`] of an extended attribute.
    pub const EXTENDED_ATTRIBUTE: u8 = 0;
    /// [`XattrEntry::kind`] of an alternate data stream.
    pub const ALTERNATE_DATA_STREAM: u8 = 1;

    /// Key in the extended attribute tree: path, name and a mark for the kind, nothing between.
    pub fn tree_key(&self) -> Vec<u8> {
        let mark = match self.kind {
            Self::EXTENDED_ATTRIBUTE => b':',
            Self::ALTERNATE_DATA_STREAM => b'@',
            _ => b'#',
        };
        let mut key = Vec::with_capacity(self.path.len() + self.name.len() + 1);
        key.extend_from_slice(&self.path);
        key.extend_from_slice(&self.name);
        key.push(mark);
        key
    }

    /// Appends the canonical bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_map(out, 6);
        put_key(out, "version");
        put_u32(out, self.version.0);
        put_key(out, "path");
        put_str(out, &self.path);
        put_key(out, "name");
        put_str(out, &self.name);
        put_key(out, "size");
        put_i64(out, self.size);
        put_key(out, "type");
        put_u8(out, self.kind);
        put_key(out, "object");
        put_id(out, &self.object.0);
    }

    /// Decodes an xattr-entry blob.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut entry = Self {
            version: Version::default(),
            path: Vec::new(),
            name: Vec::new(),
            size: 0,
            kind: 0,
            object: Mac::ZERO,
        };
        let mut reader = Reader::new("xattr entry", bytes);
        reader.map("xattr entry", |reader, key| {
            match key {
                b"version" => entry.version = Version(reader.u32("version")?),
                b"path" => entry.path = reader.vec("path")?,
                b"name" => entry.name = reader.vec("name")?,
                b"size" => entry.size = reader.i64("size")?,
                b"type" => entry.kind = reader.u8("type")?,
                b"object" => entry.object = reader.id("object")?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(entry)
    }
}
