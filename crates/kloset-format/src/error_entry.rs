//! Error entries: one path that could not be read, and why.

use crate::msgpack::{Reader, put_key, put_map, put_str, put_u32};
use crate::{DecodeError, Text, Version};

/// One path that could not be read, or not wholly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorEntry {
    /// Version of the record.
    pub version: Version,
    /// The path; also the key in the error tree.
    pub name: Vec<u8>,
    /// Free text for people.
    pub error: Text,
}

impl ErrorEntry {
    /// An error at the path `name`.
    pub fn new(name: impl Into<Vec<u8>>, error: impl Into<Text>) -> Self {
        Self { version: Version::V1_0_0, name: name.into(), error: error.into() }
    }

    /// Appends the canonical bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_map(out, 3);
        put_key(out, "version");
        put_u32(out, self.version.0);
        put_key(out, "name");
        put_str(out, &self.name);
        put_key(out, "error");
        put_str(out, &self.error);
    }

    /// Decodes an error-entry blob.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut entry = Self { version: Version::default(), name: Vec::new(), error: Text::default() };
        let mut reader = Reader::new("error entry", bytes);
        reader.map("error entry", |reader, key| {
            match key {
                b"version" => entry.version = Version(reader.u32("version")?),
                b"name" => entry.name = reader.vec("name")?,
                b"error" => entry.error = reader.text("error")?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(entry)
    }
}
