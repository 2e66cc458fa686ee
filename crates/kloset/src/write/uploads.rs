//! What all threads of a transaction share: who stores which blob, the uploads under way, and the
//! states that publish what has arrived.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use kloset_codec::codec::Scratch;
use kloset_connector::{ConnectorError, PutMode, StoreFile};
use kloset_format::packfile::BlobRecord;
use kloset_format::state::StateWriter;
use kloset_format::{PackfileId, ResourceType, StateId, Version};

use super::builder::PackfileBuilder;
use super::present::present;
use super::publish::{StateName, publish_state};
use crate::guard::guard;
use crate::monitor::Stored;
use crate::state::{MacHasher, Place};
use crate::{BlobId, Error, Event, Repository};

/// Claims are spread over this many sets, so that threads rarely wait for each other.
const CLAIM_SHARDS: usize = 64;
/// Memory for packfiles being filled, all threads together. Three times as much again may wait, be
/// uploaded or be kept for reuse, which leaves a backup well below the 512 MiB it may use.
const FILLING_BYTES_MAX: u64 = 64 << 20;
/// A checkpoint is published when this much was uploaded since the last one,
const CHECKPOINT_EVERY_BYTES: u64 = 4 << 30;
/// or this much time has passed, whichever comes first.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(3 * 60);

/// What all threads of a transaction share.
pub(super) struct Shared {
    pub(super) repository: Arc<Repository>,
    /// A packfile is sealed once its blob area is longer.
    pub(super) seal_above_bytes: u64,
    claims: Vec<Mutex<HashSet<BlobId, BuildHasherDefault<MacHasher>>>>,
    /// By position in the index: named by a state, but not in the store's listing.
    pub(super) absent: Vec<bool>,
    /// By position in the index: left behind by a run without a snapshot; empty if there is none.
    left_behind: Vec<bool>,
    /// What this transaction wants and such a run had stored.
    found: Mutex<Stored>,
    pub(super) queue: Sender<PackfileBuilder>,
    pub(super) failed: AtomicBool,
    failure: Mutex<Option<Error>>,
    pub(super) uploaded: Mutex<Uploaded>,
    pub(super) written_bytes: AtomicU64,
    /// Memory of an uploaded packfile, used again: fresh memory costs a page fault per 4 KiB.
    spare: Mutex<Option<Vec<u8>>>,
}

/// One acknowledged upload.
pub(super) struct Acknowledged {
    packfile: PackfileId,
    records: Vec<BlobRecord>,
    when_ns: i64,
}

impl Acknowledged {
    /// Whether a checkpoint may tell of it. Of one that holds the header of a snapshot it may not: states
    /// tell of packfiles as a whole, and not everything that the snapshot relies on may have arrived.
    fn has_no_header(&self) -> bool {
        self.records.iter().all(|record| record.resource_type() != Some(ResourceType::SNAPSHOT))
    }
}

/// Acknowledged uploads.
pub(super) struct Uploaded {
    /// In no state yet.
    pub(super) unpublished: Vec<Acknowledged>,
    unpublished_bytes: u64,
    since: Instant,
    pub(super) all: Vec<PackfileId>,
    /// What the states of this transaction tell of.
    pub(super) published: Stored,
    /// The state that this transaction comes after, if one was given, and its own in their order.
    pub(super) states: Vec<StateId>,
}

impl Shared {
    /// Nothing stored yet, and the queue that the uploaders take from. What the index names outside
    /// of `listed` does not count as stored; `after` is the state that the first one comes after.
    pub(super) fn new(
        repository: &Arc<Repository>,
        listed: &HashSet<PackfileId>,
        after: Option<StateId>,
    ) -> (Arc<Self>, Receiver<PackfileBuilder>) {
        let (queue, filled) = crossbeam_channel::bounded(1);
        let shared = Self {
            repository: Arc::clone(repository),
            seal_above_bytes: seal_above_bytes(repository),
            claims: (0..CLAIM_SHARDS).map(|_| Mutex::default()).collect(),
            absent: repository.index.packfile_list().iter().map(|id| !listed.contains(id)).collect(),
            left_behind: repository.index.left_behind(),
            found: Mutex::default(),
            queue,
            failed: AtomicBool::new(false),
            failure: Mutex::new(None),
            uploaded: Mutex::new(Uploaded {
                unpublished: Vec::new(),
                unpublished_bytes: 0,
                since: Instant::now(),
                all: Vec::new(),
                published: Stored::default(),
                states: after.into_iter().collect(),
            }),
            written_bytes: AtomicU64::new(0),
            spare: Mutex::new(None),
        };
        (Arc::new(shared), filled)
    }

    /// Where the index knows the blob, if that packfile is really there.
    pub(super) fn stored(&self, blob: BlobId) -> Option<Place> {
        let place = self.repository.index.place(blob)?;
        let absent = self.absent.get(place.packfile as usize).copied().unwrap_or(true);
        (!absent).then_some(place)
    }

    pub(super) fn shard(&self, blob: &BlobId) -> &Mutex<HashSet<BlobId, BuildHasherDefault<MacHasher>>> {
        &self.claims[blob.mac.0[31] as usize % CLAIM_SHARDS]
    }

    /// Whether the caller is the one to store this blob.
    pub(super) fn claim(&self, blob: BlobId) -> bool {
        let Some(place) = self.stored(blob) else { return guard(self.shard(&blob)).insert(blob) };
        let left_behind = self.left_behind.get(place.packfile as usize).copied().unwrap_or(false);
        if left_behind && guard(self.shard(&blob)).insert(blob) {
            guard(&self.found).add(u64::from(place.length));
        }
        false
    }

    /// Tells how much of this transaction an earlier run had stored.
    pub(super) fn tell_found(&self) {
        self.repository.monitor.event(Event::Found(*guard(&self.found)));
    }

    /// Hands a full packfile to the uploaders; blocks while too many are on their way.
    pub(super) fn upload(&self, builder: PackfileBuilder) -> Result<(), Error> {
        if builder.is_empty() {
            return Ok(());
        }
        if self.failed.load(Ordering::Relaxed) {
            return self.check_failure();
        }
        self.queue.send(builder).map_err(|_| Error::Internal("the uploaders are gone".to_owned()))
    }

    /// An empty packfile, in used memory if there is any.
    pub(super) fn new_builder(&self) -> PackfileBuilder {
        guard(&self.spare).take().map_or_else(PackfileBuilder::new, PackfileBuilder::reusing)
    }

    pub(super) fn upload_all(&self, filled: &Receiver<PackfileBuilder>, mut scratch: Scratch) {
        while let Ok(builder) = filled.recv() {
            if builder.is_empty() {
                return;
            }
            if self.failed.load(Ordering::Relaxed) {
                continue;
            }
            if let Err(error) = self.upload_one(builder, &mut scratch) {
                self.fail(error);
            }
        }
    }

    fn upload_one(&self, builder: PackfileBuilder, scratch: &mut Scratch) -> Result<(), Error> {
        let repository = &self.repository;
        let now = || repository.runtime.clock.now().to_nanoseconds();
        let sealed = builder.seal(&repository.key, &repository.codec, scratch, now());
        let bytes = sealed.body.len() as u64;
        repository
            .storage
            .put(StoreFile::Packfile, &sealed.id.0, sealed.body.clone(), PutMode::Immutable)
            .map_err(Error::Storage)?;
        self.written_bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Ok(buffer) = sealed.body.try_into_mut() {
            *guard(&self.spare) = Some(Vec::from(buffer));
        }
        let mut uploaded = guard(&self.uploaded);
        uploaded.all.push(sealed.id);
        let acknowledged = Acknowledged { packfile: sealed.id, records: sealed.records, when_ns: now() };
        uploaded.unpublished.push(acknowledged);
        uploaded.unpublished_bytes += bytes;
        let due = uploaded.unpublished_bytes >= CHECKPOINT_EVERY_BYTES
            || uploaded.since.elapsed() >= CHECKPOINT_EVERY;
        if due {
            self.checkpoint(&mut uploaded)?;
        }
        Ok(())
    }

    /// Publishes what was uploaded since the last checkpoint, without a snapshot.
    pub(super) fn checkpoint(&self, uploaded: &mut Uploaded) -> Result<(), Error> {
        let (ready, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut uploaded.unpublished).into_iter().partition(Acknowledged::has_no_header);
        uploaded.unpublished = waiting;
        if ready.is_empty() {
            return Ok(());
        }
        let name = self.random_state();
        let published = self.publish(&ready, name, &|_| {});
        match published {
            Ok(()) => uploaded.are_published_as(name, ready),
            Err(_) => uploaded.unpublished.extend(ready),
        }
        published
    }

    /// Publishes a state with what was uploaded and what `first` writes before it.
    pub(super) fn publish(
        &self,
        uploaded: &[Acknowledged],
        name: StateId,
        first: &dyn Fn(&mut StateWriter),
    ) -> Result<(), Error> {
        let now = present(&self.repository)?;
        let mut writer = StateWriter::new(now.index.newest_state());
        first(&mut writer);
        for one in uploaded {
            for record in &one.records {
                write_location(&mut writer, &one.packfile, record);
            }
        }
        for one in uploaded {
            writer.packfile(&one.packfile, &name, one.when_ns);
        }
        let plain = writer.finish(Version::V1_1_0, now.state_time_ns(), [0; 16]);
        publish_state(&self.repository, StateName::Given(name), &plain).map(|_| ())
    }

    pub(super) fn random_state(&self) -> StateId {
        StateId(self.repository.runtime.random_name())
    }

    pub(super) fn fail(&self, error: Error) {
        guard(&self.failure).get_or_insert(error);
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Fails with the first error of any upload.
    pub(super) fn check_failure(&self) -> Result<(), Error> {
        if !self.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(guard(&self.failure)
            .as_ref()
            .map_or_else(|| Error::Internal("an upload failed without a reason".to_owned()), copy_of))
    }
}

impl Uploaded {
    /// These uploads stand in this state now.
    pub(super) fn are_published_as(&mut self, name: StateId, published: Vec<Acknowledged>) {
        self.states.push(name);
        for one in published {
            let blobs =
                one.records.iter().filter(|record| record.resource_type() != Some(ResourceType::RANDOM));
            blobs.for_each(|record| self.published.add(u64::from(record.length)));
        }
        self.unpublished_bytes = 0;
        self.since = Instant::now();
    }
}

fn write_location(writer: &mut StateWriter, packfile: &PackfileId, record: &BlobRecord) {
    let resource = ResourceType(record.resource as u8);
    writer.location(resource, record.version, &record.mac, packfile, record.offset, record.length);
}

/// The same error for another thread: whichever is reported, it must name the cause.
fn copy_of(error: &Error) -> Error {
    let Error::Storage(error) = error else { return Error::Internal(error.to_string()) };
    let mut copy =
        ConnectorError::new(error.kind, error.operation, error.location.clone(), error.message.clone());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        copy.message = format!("{}: {cause}", copy.message);
        source = cause.source();
    }
    copy.hint.clone_from(&error.hint);
    Error::Storage(copy)
}

/// A packfile is sealed once its blob area is longer.
pub(crate) fn seal_above_bytes(repository: &Repository) -> u64 {
    repository.config.packfile.max.min(FILLING_BYTES_MAX / repository.runtime.threads as u64)
}
