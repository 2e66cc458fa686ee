//! Turns one content into chunks and an object: cut, name, measure, store.
//!
//! A content of one chunk is handled by the thread that read it. Longer ones are cut by the
//! reading thread, which also hashes the whole, while their chunks are named, compressed and
//! encrypted by a pool; when the pool is busy the reading thread helps instead of waiting.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use kloset_codec::entropy;
use kloset_connector::ConnectorError;
use kloset_format::object::{ChunkRecord, Object};
use kloset_format::{Mac, ResourceType, Version};

use crate::guard::guard;
use crate::write::{Packer, Transaction};
use crate::{Error, Repository};

/// Chunks waiting for the pool; with chunks of at most 8 MiB this bounds 32 MiB.
const CHUNKS_WAITING: usize = 4;

/// What an entry records of its content.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) object: Mac,
    pub(crate) content_type: String,
    pub(crate) entropy: f64,
    pub(crate) chunks: u64,
    pub(crate) size: u64,
}

/// Where the content type of a content comes from.
#[derive(Clone, Copy)]
pub(crate) enum ContentType<'t> {
    /// From its first bytes.
    Detected,
    /// It is known already.
    Known(&'t str),
}

impl ContentType<'_> {
    fn of(self, first: &[u8]) -> String {
        match self {
            Self::Detected => kloset_codec::content_type::detect(first).to_string(),
            Self::Known(text) => text.to_owned(),
        }
    }
}

/// Why a content could not be stored.
pub(crate) enum ContentError {
    /// The file cannot be read: an error of this path alone.
    Unreadable(ConnectorError),
    /// The store cannot be written: the backup fails.
    Fatal(Error),
}

impl From<Error> for ContentError {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

/// A chunk of a long content on its way through the pool.
struct Job {
    bytes: Vec<u8>,
    at: usize,
    content: Arc<LongContent>,
}

/// Chunks of one long content as the pool finishes them.
#[derive(Default)]
struct LongContent {
    done: Mutex<Finished>,
    changed: Condvar,
}

#[derive(Default)]
struct Finished {
    chunks: Vec<Option<ChunkRecord>>,
    outstanding: usize,
    failure: Option<Error>,
}

/// Stores contents for many threads at once.
pub(crate) struct ContentWriter<'a> {
    repository: &'a Repository,
    transaction: &'a Transaction,
    queue: Sender<Job>,
    jobs: Receiver<Job>,
    buffers: Mutex<Vec<Vec<u8>>>,
    /// Buffers of finished chunks, used again: fresh memory would cost a page fault per 4 KiB.
    spare: Mutex<Vec<Vec<u8>>>,
}

impl<'a> ContentWriter<'a> {
    pub(crate) fn new(repository: &'a Repository, transaction: &'a Transaction) -> Self {
        let (queue, jobs) = crossbeam_channel::bounded(CHUNKS_WAITING);
        Self { repository, transaction, queue, jobs, buffers: Mutex::default(), spare: Mutex::default() }
    }

    /// Works on chunks of long contents until `stop` is closed.
    pub(crate) fn serve(&self, stop: &Receiver<()>) {
        loop {
            crossbeam_channel::select! {
                recv(self.jobs) -> job => if let Ok(job) = job { self.finish_chunk(job) },
                recv(stop) -> _ => return,
            }
        }
    }

    /// Reads a content to its end and stores it.
    pub(crate) fn write(&self, reader: &mut dyn Read) -> Result<Content, ContentError> {
        self.write_as(reader, ContentType::Detected)
    }

    /// As [`ContentWriter::write`], with a content type from elsewhere.
    pub(crate) fn write_as(
        &self,
        reader: &mut dyn Read,
        content_type: ContentType<'_>,
    ) -> Result<Content, ContentError> {
        let mut buffer = guard(&self.buffers).pop().unwrap_or_default();
        let window = self.repository.chunker.sizes().max;
        if buffer.len() < 2 * window {
            buffer = vec![0; 2 * window];
        }
        let result = self.write_buffered(reader, content_type, &mut buffer);
        guard(&self.buffers).push(buffer);
        result
    }

    fn write_buffered(
        &self,
        reader: &mut dyn Read,
        content_type: ContentType<'_>,
        buffer: &mut [u8],
    ) -> Result<Content, ContentError> {
        let sizes = self.repository.chunker.sizes();
        // One byte more than a chunk that is never cut tells whether the content ends there.
        let mut filled = fill(reader, &mut buffer[..sizes.min + 1])?;
        if filled <= sizes.min {
            return Ok(self.write_single(&buffer[..filled], content_type)?);
        }
        let content = Arc::new(LongContent::default());
        let mut whole = self.repository.key.stream();
        let (mut start, mut ended) = (0, false);
        let mut first = None;
        let outcome = loop {
            let end = filled.min(start + sizes.max);
            let cut = self.repository.chunker.cut(&buffer[start..end]);
            // A cut at the end of what was read is none, unless the content or the chunk ends there.
            if start + cut == filled && cut < sizes.max && !ended {
                buffer.copy_within(start..filled, 0);
                filled -= start;
                start = 0;
                match fill(reader, &mut buffer[filled..]) {
                    Ok(more) => {
                        ended = filled + more < buffer.len();
                        filled += more;
                    }
                    Err(error) => break Err(error),
                }
                continue;
            }
            if cut == 0 {
                break Ok(());
            }
            let chunk = &buffer[start..start + cut];
            first.get_or_insert_with(|| content_type.of(chunk));
            whole.update(chunk);
            self.submit(&content, chunk);
            start += cut;
            if self.transaction.has_failed() {
                break Ok(());
            }
        };
        let chunks = self.wait(&content)?;
        outcome?;
        Ok(self.write_object(whole.finish(), chunks, first.unwrap_or_default())?)
    }

    /// A content that is never cut: named once for chunk and whole.
    fn write_single(&self, bytes: &[u8], content_type: ContentType<'_>) -> Result<Content, Error> {
        let mac = self.repository.key.mac(bytes);
        let chunk = chunk_record(mac, bytes.len(), entropy::entropy(bytes));
        let content_type = content_type.of(bytes);
        let mut packer = self.transaction.packer();
        packer.store_content_as(mac, bytes)?;
        store_object(&mut packer, mac, vec![chunk], content_type)
    }

    fn write_object(
        &self,
        content_mac: Mac,
        chunks: Vec<ChunkRecord>,
        content_type: String,
    ) -> Result<Content, Error> {
        store_object(&mut self.transaction.packer(), content_mac, chunks, content_type)
    }

    fn submit(&self, content: &Arc<LongContent>, chunk: &[u8]) {
        let mut bytes = guard(&self.spare).pop().unwrap_or_default();
        bytes.extend_from_slice(chunk);
        let at = {
            let mut done = guard(&content.done);
            done.outstanding += 1;
            done.chunks.push(None);
            done.chunks.len() - 1
        };
        match self.queue.try_send(Job { bytes, at, content: Arc::clone(content) }) {
            Ok(()) => {}
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => self.finish_chunk(job),
        }
    }

    fn finish_chunk(&self, job: Job) {
        let mac = self.repository.key.mac(&job.bytes);
        let record = chunk_record(mac, job.bytes.len(), entropy::entropy(&job.bytes));
        let stored = self.transaction.packer().store_content_as(mac, &job.bytes);
        let mut spare = guard(&self.spare);
        if spare.len() < CHUNKS_WAITING {
            let mut bytes = job.bytes;
            bytes.clear();
            spare.push(bytes);
        }
        drop(spare);
        let mut done = guard(&job.content.done);
        done.outstanding -= 1;
        match stored {
            Ok(()) => {
                if let Some(slot) = done.chunks.get_mut(job.at) {
                    *slot = Some(record);
                }
            }
            Err(error) => {
                done.failure.get_or_insert(error);
            }
        }
        drop(done);
        job.content.changed.notify_all();
    }

    /// Waits for the pool to finish a content, doing whatever work is queued meanwhile.
    fn wait(&self, content: &LongContent) -> Result<Vec<ChunkRecord>, Error> {
        while guard(&content.done).outstanding > 0 {
            match self.jobs.try_recv() {
                Ok(job) => self.finish_chunk(job),
                Err(_) => {
                    let done = guard(&content.done);
                    drop(
                        content
                            .changed
                            .wait_while(done, |done| done.outstanding > 0)
                            .unwrap_or_else(|poisoned| poisoned.into_inner()),
                    );
                }
            }
        }
        let mut done = guard(&content.done);
        if let Some(error) = done.failure.take() {
            return Err(error);
        }
        let chunks = std::mem::take(&mut done.chunks);
        chunks
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| Error::Internal("a chunk was not finished".to_owned()))
    }
}

/// Stores bytes at hand (the value of an attribute) as a content.
pub(crate) fn write_bytes(
    repository: &Repository,
    packer: &mut Packer,
    bytes: &[u8],
) -> Result<Content, Error> {
    let content_type = kloset_codec::content_type::detect(bytes).to_string();
    let chunks = cut(repository, bytes)
        .map(|piece| {
            let mac = packer.store(ResourceType::CHUNK, piece)?;
            Ok(chunk_record(mac, piece.len(), entropy::entropy(piece)))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    store_object(packer, repository.key.mac(bytes), chunks, content_type)
}

/// Stores the frames of a directory as the object that the dirpack index points at; returns its name.
pub(crate) fn write_dirpack(
    repository: &Repository,
    packer: &mut Packer,
    frames: &[u8],
) -> Result<Mac, Error> {
    let chunks = cut(repository, frames)
        .map(|piece| Ok(chunk_record(packer.store(ResourceType::CHUNK, piece)?, piece.len(), 0.0)))
        .collect::<Result<Vec<_>, Error>>()?;
    let content_mac = match chunks.as_slice() {
        [single] => single.mac,
        _ => repository.key.mac(frames),
    };
    let object = Object {
        version: Version::V1_0_0,
        content_mac,
        chunks,
        content_type: "application/octet-stream".to_owned(),
        entropy: 0.0,
        flags: 0,
    };
    let mut bytes = Vec::new();
    object.encode(&mut bytes);
    packer.store(ResourceType::OBJECT, &bytes)
}

/// The pieces of `bytes`; empty content has one empty piece.
fn cut<'b>(repository: &'b Repository, bytes: &'b [u8]) -> impl Iterator<Item = &'b [u8]> {
    let max = repository.chunker.sizes().max;
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (piece, after) = bytes.split_at(repository.chunker.cut(&bytes[..bytes.len().min(max)]));
        rest = (!after.is_empty()).then_some(after);
        Some(piece)
    })
}

fn store_object(
    packer: &mut Packer,
    content_mac: Mac,
    chunks: Vec<ChunkRecord>,
    content_type: String,
) -> Result<Content, Error> {
    let entropy = entropy::combined(chunks.iter().map(|chunk| (chunk.entropy, u64::from(chunk.length))));
    let count = chunks.len() as u64;
    let object = Object { version: Version::V1_0_0, content_mac, chunks, content_type, entropy, flags: 0 };
    let mut bytes = Vec::with_capacity(128 + 160 * object.chunks.len());
    object.encode(&mut bytes);
    let mac = packer.store(ResourceType::OBJECT, &bytes)?;
    let size = object.content_bytes();
    Ok(Content { object: mac, content_type: object.content_type, entropy, chunks: count, size })
}

fn chunk_record(mac: Mac, length: usize, entropy: f64) -> ChunkRecord {
    ChunkRecord { version: Version::V1_0_0, mac, length: length as u32, entropy, flags: 0 }
}

/// Reads until `buffer` is full or the content ends.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, ContentError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(ContentError::Unreadable(ConnectorError::from_io("read", "", error)));
            }
        }
    }
    Ok(filled)
}
