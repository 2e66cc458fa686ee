//! Lock files: who is working on a store, and since when.

use crate::msgpack::{Reader, put_bool, put_key, put_map, put_str, put_time, put_u32};
use crate::{DecodeError, Timestamp, Version};

/// The content of a lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockRecord {
    /// Version of the record.
    pub version: Version,
    /// Last refresh; a lock that was not refreshed for long is stale.
    pub timestamp: Timestamp,
    /// Host of the owner, shown to people.
    pub hostname: String,
    /// Whether the owner tolerates nobody else (maintenance) or only other sharers (backup).
    pub exclusive: bool,
}

impl LockRecord {
    /// The plain bytes of the lock.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.hostname.len());
        put_map(&mut out, 4);
        put_key(&mut out, "version");
        put_u32(&mut out, self.version.0);
        put_key(&mut out, "timestamp");
        put_time(&mut out, self.timestamp);
        put_key(&mut out, "hostname");
        put_str(&mut out, self.hostname.as_bytes());
        put_key(&mut out, "exclusive");
        put_bool(&mut out, self.exclusive);
        out
    }

    /// Decodes the plain bytes of a lock.
    ///
    /// A lock without a time counts as written in year 1, hence as stale.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut lock = Self {
            version: Version::default(),
            timestamp: Timestamp::UNSET,
            hostname: String::new(),
            exclusive: false,
        };
        let mut reader = Reader::new("lock", bytes);
        reader.map("lock", |reader, key| {
            match key {
                b"version" => lock.version = Version(reader.u32("version")?),
                b"timestamp" => lock.timestamp = reader.time("timestamp")?,
                b"hostname" => lock.hostname = reader.string("hostname")?,
                b"exclusive" => lock.exclusive = reader.bool("exclusive")?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(lock)
    }
}
