//! Contents: objects of the source become objects of the target.
//!
//! Where both repositories cut alike, every chunk of the source is a chunk of the target and only its
//! name changes; else contents are cut anew. Small contents are read many at once in the order of
//! their places, large ones piece by piece while the next piece is fetched. An object that was
//! translated in this run is not read again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use kloset_connector::{ConnectorError, ErrorKind};
use kloset_format::object::{ChunkRecord, Object};
use kloset_format::{Mac, PackfileId, ResourceType};

use super::Fault;
use crate::backup::content::{ContentError, ContentType, ContentWriter};
use crate::guard::{guard, unwrap_mutex};
use crate::repository::DecodeOn;
use crate::vfs::{OBJECTS_PER_BATCH, read_chunks};
use crate::write::{Packer, Stream, Transaction};
use crate::{BlobId, Error, Repository, Snapshot};

/// Content read at once by one thread; longer contents are read in pieces.
const BATCH_BYTES: u64 = 8 << 20;
/// Contents read at once by one thread.
const BATCH_OBJECTS: usize = 1024;

/// What the objects of the source have become, by the first half of their names: 48 bytes an object.
#[derive(Default)]
pub(super) struct Translations {
    objects: Mutex<HashMap<[u8; 16], Mac>>,
    /// Number of chunks and entropy of contents that were cut anew.
    cut_anew: Mutex<HashMap<[u8; 16], (u64, f64)>>,
}

/// What an entry says of its content.
pub(super) struct Translated {
    pub(super) object: Mac,
    /// Chunks and entropy, if they have changed.
    pub(super) cut_anew: Option<(u64, f64)>,
}

impl Translations {
    /// What an object has become.
    pub(super) fn of(&self, object: Mac) -> Option<Translated> {
        let key = half(object);
        let object = *guard(&self.objects).get(&key)?;
        Some(Translated { object, cut_anew: guard(&self.cut_anew).get(&key).copied() })
    }

    fn add(&self, from: Mac, to: Mac, cut_anew: Option<(u64, f64)>) {
        if let Some(changed) = cut_anew {
            guard(&self.cut_anew).insert(half(from), changed);
        }
        guard(&self.objects).insert(half(from), to);
    }
}

fn half(mac: Mac) -> [u8; 16] {
    std::array::from_fn(|at| mac.0[at])
}

/// Copies contents of one snapshot.
pub(super) struct Contents<'a> {
    snapshot: &'a Snapshot,
    target: &'a Repository,
    transaction: &'a Transaction,
    translations: &'a Translations,
    /// Cuts contents anew; `None` where both repositories cut alike.
    writer: Option<ContentWriter<'a>>,
}

/// An object of the source.
struct Plan {
    mac: Mac,
    object: Object,
    /// Where its first chunk lies.
    place: (PackfileId, u64),
}

impl<'a> Contents<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        target: &'a Repository,
        transaction: &'a Transaction,
        translations: &'a Translations,
    ) -> Self {
        let (ours, theirs) = (&snapshot.repository().config().chunking, &target.config().chunking);
        let alike = ours.algorithm.eq_ignore_ascii_case(&theirs.algorithm)
            && (ours.min, ours.normal, ours.max) == (theirs.min, theirs.normal, theirs.max);
        let writer = (!alike).then(|| ContentWriter::new(target, transaction));
        Self { snapshot, target, transaction, translations, writer }
    }

    /// Copies every object that was not copied yet; `stream` is where its chunks go.
    pub(super) fn translate(&self, objects: impl Iterator<Item = Mac>, stream: Stream) -> Result<(), Fault> {
        let mut met = HashSet::new();
        let new: Vec<Mac> =
            objects.filter(|mac| met.insert(*mac) && self.translations.of(*mac).is_none()).collect();
        let mut plans = Vec::with_capacity(new.len());
        for batch in new.chunks(OBJECTS_PER_BATCH) {
            for (object, &mac) in self.snapshot.objects(batch).into_iter().zip(batch) {
                plans.push(self.plan(mac, object.map_err(Fault::reading)?));
            }
        }
        plans.sort_by_key(|plan| plan.place);
        let (small, large): (Vec<Plan>, Vec<Plan>) =
            plans.into_iter().partition(|plan| plan.object.content_bytes() <= BATCH_BYTES);
        self.copy_small(&small, stream)?;
        self.copy_large(&large, stream)
    }

    fn plan(&self, mac: Mac, object: Object) -> Plan {
        let first = object.chunks.first().map(|chunk| BlobId::new(ResourceType::CHUNK, chunk.mac));
        let place = first
            .and_then(|first| self.snapshot.repository().locate(first))
            .map_or((PackfileId::ZERO, 0), |place| (place.packfile, place.offset));
        Plan { mac, object, place }
    }

    fn copy_small(&self, plans: &[Plan], stream: Stream) -> Result<(), Fault> {
        let batches: Vec<&[Plan]> = batches(plans).collect();
        in_parallel(self.target.runtime().threads, batches.len(), &|at| match batches.get(at) {
            Some(batch) => self.copy_batch(batch, stream),
            None => Ok(()),
        })
    }

    fn copy_batch(&self, plans: &[Plan], stream: Stream) -> Result<(), Fault> {
        self.target.runtime().proceed().map_err(Fault::Source)?;
        let mut chunks: Vec<ChunkRecord> = Vec::new();
        let mut at: HashMap<Mac, usize> = HashMap::new();
        for chunk in plans.iter().flat_map(|plan| &plan.object.chunks) {
            at.entry(chunk.mac).or_insert_with(|| {
                chunks.push(*chunk);
                chunks.len() - 1
            });
        }
        let read: Vec<Vec<u8>> = read_chunks(self.snapshot.repository(), &chunks, DecodeOn::Caller)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(Fault::reading)?;
        let pieces = |plan: &Plan| -> Vec<&[u8]> {
            let positions = plan.object.chunks.iter().filter_map(|chunk| at.get(&chunk.mac));
            positions.filter_map(|&at| read.get(at).map(Vec::as_slice)).collect()
        };
        if let Some(writer) = &self.writer {
            for plan in plans {
                let content = pieces(plan).concat();
                self.cut_anew(writer, plan, &mut content.as_slice()).map_err(writing)?;
            }
            return Ok(());
        }
        let mut packer = self.transaction.packer();
        for plan in plans {
            let pieces = pieces(plan);
            let names = pieces.iter().map(|piece| self.store_chunk(&mut packer, piece, stream));
            let names: Vec<Mac> = names.collect::<Result<_, _>>().map_err(Fault::Target)?;
            let content_mac = match names.as_slice() {
                [single] => *single,
                _ => self.target.key().mac_parts(&pieces),
            };
            self.store_object(&mut packer, plan, content_mac, &names).map_err(Fault::Target)?;
        }
        Ok(())
    }

    fn copy_large(&self, plans: &[Plan], stream: Stream) -> Result<(), Fault> {
        let Some(writer) = &self.writer else {
            return plans.iter().try_for_each(|plan| self.copy_in_pieces(plan, stream));
        };
        // The thread that cuts leaves naming and packing to others.
        let (ended, stop) = crossbeam_channel::bounded::<()>(0);
        std::thread::scope(|scope| {
            for _ in 1..self.target.runtime().threads {
                scope.spawn(|| writer.serve(&stop));
            }
            let copied = plans.iter().try_for_each(|plan| {
                self.fetching(plan, |pieces| {
                    let mut reader = PieceReader::new(pieces);
                    let written = self.cut_anew(writer, plan, &mut reader);
                    // The reader knows better than the I/O error that stands for it.
                    reader.failure.map_or(written.map_err(writing), |error| Err(Fault::reading(error)))
                })
            });
            drop(ended);
            copied
        })
    }

    /// Copies a long content whose chunks stay as they are.
    fn copy_in_pieces(&self, plan: &Plan, stream: Stream) -> Result<(), Fault> {
        self.fetching(plan, |pieces| {
            let whole = Mutex::new(self.target.key().stream());
            let mut names = Vec::with_capacity(plan.object.chunks.len());
            for chunks in pieces {
                let chunks = chunks.map_err(Fault::reading)?;
                let stored: Vec<Mutex<Mac>> = chunks.iter().map(|_| Mutex::new(Mac::ZERO)).collect();
                // One thread hashes the whole, the others take the chunks.
                in_parallel(self.target.runtime().threads, chunks.len() + 1, &|at| {
                    let Some(at) = at.checked_sub(1) else {
                        chunks.iter().for_each(|chunk| guard(&whole).update(chunk));
                        return Ok(());
                    };
                    let (Some(chunk), Some(slot)) = (chunks.get(at), stored.get(at)) else { return Ok(()) };
                    let mut packer = self.transaction.packer();
                    *guard(slot) = self.store_chunk(&mut packer, chunk, stream).map_err(Fault::Target)?;
                    Ok(())
                })?;
                names.extend(stored.into_iter().map(|slot| slot.into_inner().unwrap_or(Mac::ZERO)));
            }
            let content_mac = unwrap_mutex(whole).finish();
            let mut packer = self.transaction.packer();
            self.store_object(&mut packer, plan, content_mac, &names).map_err(Fault::Target)
        })
    }

    /// Runs `take` while another thread fetches the chunks of a content, a batch ahead.
    fn fetching(
        &self,
        plan: &Plan,
        take: impl FnOnce(Receiver<Result<Vec<Vec<u8>>, Error>>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        std::thread::scope(|scope| {
            let (send, receive) = sync_channel(0);
            scope.spawn(move || self.snapshot.fetch_chunks(&plan.object, send));
            take(receive)
        })
    }

    fn cut_anew(
        &self,
        writer: &ContentWriter<'_>,
        plan: &Plan,
        reader: &mut dyn Read,
    ) -> Result<(), ContentError> {
        let content = writer.write_as(reader, ContentType::Known(&plan.object.content_type))?;
        self.translations.add(plan.mac, content.object, Some((content.chunks, content.entropy)));
        Ok(())
    }

    fn store_chunk(&self, packer: &mut Packer, bytes: &[u8], stream: Stream) -> Result<Mac, Error> {
        let mac = self.target.key().mac(bytes);
        packer.store_chunk(stream, mac, bytes)?;
        Ok(mac)
    }

    /// Stores the object whose chunks have become `names`.
    fn store_object(
        &self,
        packer: &mut Packer,
        plan: &Plan,
        content_mac: Mac,
        names: &[Mac],
    ) -> Result<(), Error> {
        let chunks = plan.object.chunks.iter().zip(names);
        let chunks = chunks.map(|(chunk, &mac)| ChunkRecord { mac, ..*chunk }).collect();
        let content_type = plan.object.content_type.clone();
        let object = Object { content_mac, chunks, content_type, ..plan.object };
        let mut bytes = Vec::with_capacity(128 + 160 * names.len());
        object.encode(&mut bytes);
        let mac = packer.store(ResourceType::OBJECT, &bytes)?;
        self.translations.add(plan.mac, mac, None);
        Ok(())
    }
}

/// An error of writing a content that does not come from its reader.
fn writing(error: ContentError) -> Fault {
    match error {
        ContentError::Fatal(error) => Fault::Target(error),
        ContentError::Unreadable(error) => Fault::reading(Error::Storage(error)),
    }
}

/// Runs `work` for each number below `count` on some threads; the first failure ends it.
pub(super) fn in_parallel(
    threads: usize,
    count: usize,
    work: &(dyn Fn(usize) -> Result<(), Fault> + Sync),
) -> Result<(), Fault> {
    if threads < 2 || count < 2 {
        return (0..count).try_for_each(work);
    }
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        return;
                    }
                    if let Err(fault) = work(at) {
                        guard(&failure).get_or_insert(fault);
                        // The other threads find nothing left to do.
                        next.store(count, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    unwrap_mutex(failure).map_or(Ok(()), Err)
}

/// Cuts a list of objects into runs of about [`BATCH_BYTES`].
fn batches(plans: &[Plan]) -> impl Iterator<Item = &[Plan]> {
    crate::batches::batches(plans, BATCH_OBJECTS, BATCH_BYTES, |plan| plan.object.content_bytes())
}

/// The fetched chunks of a content as one stream of bytes.
struct PieceReader {
    pieces: Receiver<Result<Vec<Vec<u8>>, Error>>,
    chunks: VecDeque<Vec<u8>>,
    at: usize,
    /// Why the stream ended early.
    failure: Option<Error>,
}

impl PieceReader {
    fn new(pieces: Receiver<Result<Vec<Vec<u8>>, Error>>) -> Self {
        Self { pieces, chunks: VecDeque::new(), at: 0, failure: None }
    }
}

impl Read for PieceReader {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if let Some(chunk) = self.chunks.front() {
                let rest = chunk.get(self.at..).unwrap_or_default();
                let count = rest.len().min(out.len());
                if let (Some(from), Some(to)) = (rest.get(..count), out.get_mut(..count)) {
                    to.copy_from_slice(from);
                }
                self.at += count;
                if self.at >= chunk.len() {
                    self.chunks.pop_front();
                    self.at = 0;
                }
                if count > 0 || out.is_empty() {
                    return Ok(count);
                }
                continue;
            }
            match self.pieces.recv() {
                Ok(Ok(chunks)) => self.chunks.extend(chunks),
                Ok(Err(error)) => {
                    let text = error.to_string();
                    self.failure = Some(error);
                    return Err(ConnectorError::new(ErrorKind::Other, "read", "content", text).into_io());
                }
                Err(_) => return Ok(0),
            }
        }
    }
}
