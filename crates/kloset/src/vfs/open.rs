//! A content read at any place, as a mounted file is.

use std::sync::{Arc, Mutex};

use kloset_format::entry::Entry;
use kloset_format::object::ChunkRecord;

use super::content::read_chunks;
use crate::repository::DecodeOn;
use crate::{Error, Snapshot};

/// A regular file of a snapshot, open for reading. Every byte that it gives has matched its MAC.
pub struct OpenFile {
    snapshot: Arc<Snapshot>,
    chunks: Vec<ChunkRecord>,
    /// Where each chunk ends.
    ends: Vec<u64>,
    /// The chunk that was read last: readers ask for less than one at a time.
    last: Mutex<Option<(usize, Arc<Vec<u8>>)>>,
}

impl OpenFile {
    /// Opens the content of an entry.
    pub fn new(snapshot: Arc<Snapshot>, entry: &Entry) -> Result<Self, Error> {
        if !entry.info.mode.is_regular() {
            let path = String::from_utf8_lossy(&entry.path()).into_owned();
            return Err(Error::WrongKind { path, wanted: "regular file" });
        }
        let object = snapshot.object(entry.object)?;
        let mut end = 0u64;
        let ends = object.chunks.iter().map(|chunk| {
            end = end.saturating_add(u64::from(chunk.length));
            end
        });
        Ok(Self { ends: ends.collect(), chunks: object.chunks, snapshot, last: Mutex::new(None) })
    }

    /// Bytes of the content.
    pub fn size(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The bytes from `offset`, at most `length` of them; fewer only at the end.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        let mut at = offset;
        while out.len() < length && at < self.size() {
            let index = self.ends.partition_point(|&end| end <= at);
            let chunk = self.chunk(index)?;
            let start = self.ends.get(index).map_or(0, |end| end.saturating_sub(chunk.len() as u64));
            let from = usize::try_from(at - start).unwrap_or(usize::MAX);
            let Some(rest) = chunk.get(from..).filter(|rest| !rest.is_empty()) else { break };
            let part = rest.get(..length - out.len()).unwrap_or(rest);
            out.extend_from_slice(part);
            at += part.len() as u64;
        }
        Ok(out)
    }

    fn chunk(&self, index: usize) -> Result<Arc<Vec<u8>>, Error> {
        let lock = || self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((_, bytes)) = lock().as_ref().filter(|(known, _)| *known == index) {
            return Ok(Arc::clone(bytes));
        }
        let wanted = self.chunks.get(index..=index).unwrap_or_default();
        let read = read_chunks(self.snapshot.repository(), wanted, DecodeOn::Caller).pop();
        let lost = || Err(Error::Internal("a chunk was not delivered".to_owned()));
        let bytes = Arc::new(read.unwrap_or_else(lost)?);
        *lock() = Some((index, Arc::clone(&bytes)));
        Ok(bytes)
    }
}
