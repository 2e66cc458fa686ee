//! Objects: the list of chunks that make up one content.

use crate::msgpack::{Reader, put_f64, put_id, put_key, put_list, put_map, put_str, put_u32};
use crate::{DecodeError, Mac, Version};

/// Smallest encoded chunk record that says something: a map with the name of the chunk.
const CHUNK_RECORD_BYTES_MIN: usize = 46;

/// One content. The name of the object is the MAC of its bytes, not [`Object::content_mac`].
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Version of the record.
    pub version: Version,
    /// MAC of the whole content.
    pub content_mac: Mac,
    /// The pieces, in order. Empty content has one chunk of length 0.
    pub chunks: Vec<ChunkRecord>,
    /// Detected type. Bytes that are not UTF-8 were replaced on decoding.
    pub content_type: String,
    /// Mean entropy of the chunks, weighed by length, in bits per byte.
    pub entropy: f64,
    /// Always 0 nowadays.
    pub flags: u32,
}

/// One piece of a content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChunkRecord {
    /// Version of the record.
    pub version: Version,
    /// Name of the chunk: the MAC of its bytes.
    pub mac: Mac,
    /// Plain length in bytes.
    pub length: u32,
    /// Entropy in bits per byte.
    pub entropy: f64,
    /// Always 0 nowadays.
    pub flags: u32,
}

impl Object {
    /// Length of the content in bytes.
    pub fn content_bytes(&self) -> u64 {
        self.chunks.iter().fold(0, |sum: u64, chunk| sum.saturating_add(u64::from(chunk.length)))
    }

    /// Appends the canonical bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_map(out, 4 + usize::from(!self.content_type.is_empty()) + usize::from(self.entropy != 0.0));
        put_key(out, "version");
        put_u32(out, self.version.0);
        put_key(out, "contentMAC");
        put_id(out, &self.content_mac.0);
        put_key(out, "chunks");
        put_list(out, self.chunks.len());
        for chunk in &self.chunks {
            chunk.encode(out);
        }
        if !self.content_type.is_empty() {
            put_key(out, "content_type");
            put_str(out, self.content_type.as_bytes());
        }
        if self.entropy != 0.0 {
            put_key(out, "entropy");
            put_f64(out, self.entropy);
        }
        put_key(out, "flags");
        put_u32(out, self.flags);
    }

    /// Decodes an object blob.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut object = Self {
            version: Version::default(),
            content_mac: Mac::ZERO,
            chunks: Vec::new(),
            content_type: String::new(),
            entropy: 0.0,
            flags: 0,
        };
        let mut reader = Reader::new("object", bytes);
        reader.map("object", |reader, key| {
            match key {
                b"version" => object.version = Version(reader.u32("version")?),
                b"contentMAC" => object.content_mac = reader.id("contentMAC")?,
                b"chunks" => {
                    object.chunks = reader.list("chunks", CHUNK_RECORD_BYTES_MIN, ChunkRecord::read)?
                }
                b"content_type" => object.content_type = reader.string("content_type")?,
                b"entropy" => object.entropy = reader.f64("entropy")?,
                b"flags" => object.flags = reader.u32("flags")?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(object)
    }
}

impl ChunkRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        put_map(out, 5);
        put_key(out, "version");
        put_u32(out, self.version.0);
        put_key(out, "contentMAC");
        put_id(out, &self.mac.0);
        put_key(out, "length");
        put_u32(out, self.length);
        put_key(out, "entropy");
        put_f64(out, self.entropy);
        put_key(out, "flags");
        put_u32(out, self.flags);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut chunk =
            Self { version: Version::default(), mac: Mac::ZERO, length: 0, entropy: 0.0, flags: 0 };
        reader.map("chunk", |reader, key| {
            match key {
                b"version" => chunk.version = Version(reader.u32("chunk version")?),
                b"contentMAC" => chunk.mac = reader.id("chunk contentMAC")?,
                b"length" => chunk.length = reader.u32("chunk length")?,
                b"entropy" => chunk.entropy = reader.f64("chunk entropy")?,
                b"flags" => chunk.flags = reader.u32("chunk flags")?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(chunk)
    }
}
