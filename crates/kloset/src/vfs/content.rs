//! Contents: objects and their chunks, fetched in batches and verified.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use kloset_format::entry::Entry;
use kloset_format::object::{ChunkRecord, Object};
use kloset_format::{DecodeError, Mac, ResourceType};

use crate::repository::DecodeOn;
use crate::snapshot::damaged_blob;
use crate::{BlobId, Error, Repository, Snapshot};

/// Plain bytes of chunks fetched at once.
pub(crate) const CONTENT_BYTES_PER_BATCH: u64 = 16 << 20;
/// Small records (objects, entries) fetched at once: a few hundred bytes each.
pub(crate) const OBJECTS_PER_BATCH: usize = 4096;

impl Snapshot {
    /// Writes the verified content of a regular file to `out`; write errors come back as
    /// `Ok(Err(_))`.
    ///
    /// Every chunk is verified before it is written; that all chunks together are the content that
    /// the object names is known at the end only.
    pub fn write_content(&self, entry: &Entry, out: &mut dyn Write) -> Result<std::io::Result<()>, Error> {
        if !entry.info.mode.is_regular() {
            let path = String::from_utf8_lossy(&entry.path()).into_owned();
            return Err(Error::WrongKind { path, wanted: "regular file" });
        }
        let object = self.object(entry.object)?;
        let mut whole = self.repository().key().stream();
        let written = std::thread::scope(|scope| {
            // One batch is being written while the next one is fetched.
            let (send, receive) = sync_channel(0);
            scope.spawn(|| self.fetch_chunks(&object, send));
            write_batches(receive, &mut |bytes| {
                whole.update(bytes);
                out.write_all(bytes)
            })
        })?;
        if written.is_ok() && whole.finish() != object.content_mac {
            let blob = BlobId::new(ResourceType::OBJECT, entry.object);
            return Err(damaged_blob(
                self.repository(),
                blob,
                "its chunks are not the content that it names",
            ));
        }
        Ok(written)
    }

    /// Sends the chunks of `object` batch by batch, until an error or until nobody listens.
    pub(crate) fn fetch_chunks(&self, object: &Object, send: SyncSender<Result<Vec<Vec<u8>>, Error>>) {
        for batch in batches(&object.chunks) {
            let chunks = match self.repository().runtime().proceed() {
                Ok(()) => read_chunks(self.repository(), batch, DecodeOn::AllCores).into_iter().collect(),
                Err(error) => Err(error),
            };
            let failed = chunks.is_err();
            if send.send(chunks).is_err() || failed {
                return;
            }
        }
    }

    /// Reads one object.
    pub(crate) fn object(&self, mac: Mac) -> Result<Object, Error> {
        let undelivered = || Err(Error::Internal("an object was not delivered".to_owned()));
        self.objects(&[mac]).pop().unwrap_or_else(undelivered)
    }

    /// Reads objects; the result has the order of `macs`.
    pub(crate) fn objects(&self, macs: &[Mac]) -> Vec<Result<Object, Error>> {
        let wanted: Vec<BlobId> = macs.iter().map(|&mac| BlobId::new(ResourceType::OBJECT, mac)).collect();
        self.decode_blobs(&wanted, Object::decode)
    }

    /// Reads and decodes blobs in one batch; the result has the order of `wanted`.
    pub(crate) fn decode_blobs<T: Send + Sync>(
        &self,
        wanted: &[BlobId],
        decode: impl Fn(&[u8]) -> Result<T, DecodeError> + Sync,
    ) -> Vec<Result<T, Error>> {
        let repository = self.repository();
        collect(repository, wanted, DecodeOn::AllCores, |blob, bytes| {
            decode(&bytes).map_err(|error| damaged_blob(repository, blob, &error.to_string()))
        })
    }
}

/// Reads chunks in one batch, and checks that each has the length that its record says.
pub(crate) fn read_chunks(
    repository: &Repository,
    chunks: &[ChunkRecord],
    decode_on: DecodeOn,
) -> Vec<Result<Vec<u8>, Error>> {
    let wanted: Vec<BlobId> =
        chunks.iter().map(|chunk| BlobId::new(ResourceType::CHUNK, chunk.mac)).collect();
    let mut read = collect(repository, &wanted, decode_on, |_, bytes| Ok(bytes));
    for (result, chunk) in read.iter_mut().zip(chunks) {
        if result.as_ref().is_ok_and(|bytes| bytes.len() as u64 != u64::from(chunk.length)) {
            let blob = BlobId::new(ResourceType::CHUNK, chunk.mac);
            *result = Err(damaged_blob(repository, blob, "its length is not what the object says"));
        }
    }
    read
}

/// Reads blobs in one batch and turns each into a value; the result has the order of `wanted`.
fn collect<T: Send + Sync>(
    repository: &Repository,
    wanted: &[BlobId],
    decode_on: DecodeOn,
    turn: impl Fn(BlobId, Vec<u8>) -> Result<T, Error> + Sync,
) -> Vec<Result<T, Error>> {
    let slots: Vec<OnceLock<Result<T, Error>>> = wanted.iter().map(|_| OnceLock::new()).collect();
    repository.read_blobs(wanted, decode_on, &|at, result| {
        if let (Some(slot), Some(&blob)) = (slots.get(at), wanted.get(at)) {
            let _ = slot.set(result.and_then(|bytes| turn(blob, bytes)));
        }
    });
    let undelivered = || Err(Error::Internal("a blob was not delivered".to_owned()));
    slots.into_iter().map(|slot| slot.into_inner().unwrap_or_else(undelivered)).collect()
}

/// Cuts a list of chunks into runs of about [`CONTENT_BYTES_PER_BATCH`].
fn batches(chunks: &[ChunkRecord]) -> impl Iterator<Item = &[ChunkRecord]> {
    let bytes_of = |chunk: &ChunkRecord| u64::from(chunk.length);
    crate::batches::batches(chunks, OBJECTS_PER_BATCH, CONTENT_BYTES_PER_BATCH, bytes_of)
}

fn write_batches(
    receive: Receiver<Result<Vec<Vec<u8>>, Error>>,
    write: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<std::io::Result<()>, Error> {
    for batch in receive {
        for chunk in batch? {
            if let Err(error) = write(&chunk) {
                return Ok(Err(error));
            }
        }
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kloset_format::Version;

    #[test]
    fn batches_hold_every_chunk_once_and_stay_below_the_bound() {
        let chunk = |length: u32| ChunkRecord {
            version: Version::V1_0_0,
            mac: Mac([length as u8; 32]),
            length,
            entropy: 0.0,
            flags: 0,
        };
        let chunks: Vec<ChunkRecord> = [9 << 20, 9 << 20, 1, 2, 40 << 20, 3].map(chunk).to_vec();
        let cut: Vec<usize> = batches(&chunks).map(<[ChunkRecord]>::len).collect();
        assert_eq!(cut, [1, 3, 1, 1]);
        assert_eq!(batches(&[]).count(), 0);
    }
}
