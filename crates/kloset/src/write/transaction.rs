//! One command's additions to a store, from the lock to the published state.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use kloset_codec::codec::Scratch;
use kloset_connector::{ConnectorError, PutMode, StoreFile};
use kloset_format::packfile::BlobRecord;
use kloset_format::state::StateWriter;
use kloset_format::{LockId, PackfileId, ResourceType, SnapshotId, StateId, Version};

use super::builder::PackfileBuilder;
use super::lock::{LockKind, StoreLock};
use super::packer::Packer;
use super::publish::{StateName, publish_state};
use crate::guard::guard;
use crate::monitor::Stored;
use crate::state::MacHasher;
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
/// Uploads at the same time: each holds a packfile in memory.
const UPLOADERS_MAX: usize = 4;

/// What all threads of a transaction share.
pub(super) struct Shared {
    pub(super) repository: Arc<Repository>,
    /// A packfile is sealed once its blob area is longer.
    pub(super) seal_above_bytes: u64,
    claims: Vec<Mutex<HashSet<BlobId, BuildHasherDefault<MacHasher>>>>,
    /// By position in the index: named by a state, but not in the store's listing.
    absent: Vec<bool>,
    queue: Sender<PackfileBuilder>,
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
    uploaded: Mutex<Uploaded>,
    written_bytes: AtomicU64,
    /// Memory of an uploaded packfile, used again: fresh memory costs a page fault per 4 KiB.
    spare: Mutex<Option<Vec<u8>>>,
}

/// Acknowledged uploads.
struct Uploaded {
    /// In no state yet.
    unpublished: Vec<(PackfileId, Vec<BlobRecord>, i64)>,
    unpublished_bytes: u64,
    /// Headers of snapshots in no state yet: a checkpoint leaves them out, because not everything
    /// that they rely on may have arrived.
    headers: Vec<(PackfileId, BlobRecord)>,
    since: Instant,
    all: Vec<PackfileId>,
    /// What the states of this transaction tell of.
    published: Stored,
    /// The last state of this transaction, or the one that it comes after.
    checkpoint: Option<StateId>,
}

/// A transaction in progress. Without [`Transaction::commit`] it publishes nothing new.
pub(crate) struct Transaction {
    shared: Arc<Shared>,
    pool: Arc<PackerPool>,
    filled: Receiver<PackfileBuilder>,
    uploaders: Vec<JoinHandle<()>>,
    lock: Arc<StoreLock>,
}

/// As many packers as there are cores: threads borrow one for a file or a chunk.
struct PackerPool {
    idle: Mutex<Vec<Packer>>,
    returned: Condvar,
}

/// A borrowed packer; goes back when dropped.
pub(crate) struct BorrowedPacker {
    packer: Option<Packer>,
    pool: Arc<PackerPool>,
}

impl Transaction {
    /// Takes the shared lock, looks at the store as it is now, and starts the uploaders.
    ///
    /// What is stored relies on [`Transaction::repository`]: maintenance may have worked between the
    /// opening of `repository` and the lock, and what it has marked is nothing to build on.
    pub(crate) fn begin(repository: &Arc<Repository>, snapshot: SnapshotId) -> Result<Self, Error> {
        repository.ensure_writable()?;
        let lock = Arc::new(StoreLock::acquire(repository, LockId(snapshot.0), LockKind::Shared)?);
        match present(repository) {
            Ok(repository) => Self::begin_under(&repository, lock, None),
            Err(error) => {
                give_up(lock, &error);
                Err(error)
            }
        }
    }

    /// As [`Transaction::begin`], under a lock that the caller holds and after a state that the caller
    /// has published.
    pub(crate) fn begin_under(
        repository: &Arc<Repository>,
        lock: Arc<StoreLock>,
        after: Option<StateId>,
    ) -> Result<Self, Error> {
        let listed = match list_packfiles(repository) {
            Ok(listed) => listed,
            Err(error) => {
                give_up(lock, &error);
                return Err(error);
            }
        };
        let absent = repository.index.packfile_list().iter().map(|id| !listed.contains(id)).collect();

        let (queue, filled) = crossbeam_channel::bounded(1);
        let shared = Arc::new(Shared {
            repository: Arc::clone(repository),
            seal_above_bytes: seal_above_bytes(repository),
            claims: (0..CLAIM_SHARDS).map(|_| Mutex::default()).collect(),
            absent,
            queue,
            failed: AtomicBool::new(false),
            failure: Mutex::new(None),
            uploaded: Mutex::new(Uploaded {
                unpublished: Vec::new(),
                unpublished_bytes: 0,
                headers: Vec::new(),
                since: Instant::now(),
                all: Vec::new(),
                published: Stored::default(),
                checkpoint: after,
            }),
            written_bytes: AtomicU64::new(0),
            spare: Mutex::new(None),
        });
        let pool = Arc::new(PackerPool { idle: Mutex::default(), returned: Condvar::new() });
        let mut transaction = Self { shared, pool, filled, uploaders: Vec::new(), lock };
        transaction.start()?;
        Ok(transaction)
    }

    /// Starts the uploaders and fills the pool of packers.
    fn start(&mut self) -> Result<(), Error> {
        let repository = &self.shared.repository;
        for _ in 0..repository.storage.info().puts_at_once.clamp(1, UPLOADERS_MAX) {
            let (shared, filled) = (Arc::clone(&self.shared), self.filled.clone());
            let scratch = repository.runtime.scratch();
            let uploader = std::thread::Builder::new()
                .name("upload".to_owned())
                .spawn(move || shared.upload_all(&filled, scratch))
                .map_err(|error| {
                    Error::Storage(ConnectorError::from_io("start thread for", "uploads", error))
                })?;
            self.uploaders.push(uploader);
        }
        let packers = (0..repository.runtime.threads).map(|_| Packer::new(Arc::clone(&self.shared)));
        guard(&self.pool.idle).extend(packers);
        Ok(())
    }

    /// The store as it was when the lock had been taken.
    pub(crate) fn repository(&self) -> &Arc<Repository> {
        &self.shared.repository
    }

    /// Borrows a packer, waiting until one is idle.
    pub(crate) fn packer(&self) -> BorrowedPacker {
        let idle = guard(&self.pool.idle);
        let mut idle = self
            .pool
            .returned
            .wait_while(idle, |idle| idle.is_empty())
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        BorrowedPacker { packer: idle.pop(), pool: Arc::clone(&self.pool) }
    }

    /// Whether the store has a blob, before or because of this transaction.
    pub(crate) fn has(&self, blob: BlobId) -> bool {
        self.shared.is_stored(blob) || guard(self.shared.shard(&blob)).contains(&blob)
    }

    /// Whether packfiles that states name are missing from the store: nothing that lies in them
    /// is reused.
    pub(crate) fn store_is_incomplete(&self) -> bool {
        self.shared.absent.contains(&true)
    }

    /// Whether an upload has failed, so that more work is pointless.
    pub(crate) fn has_failed(&self) -> bool {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// Ends the transaction: every packfile acknowledged, everything it relies on still there,
    /// then the state that publishes it, read back.
    pub(crate) fn commit(mut self, snapshot: SnapshotId) -> Result<u64, Error> {
        if let Err(error) = self.confirm() {
            self.abandon(&error);
            return Err(error);
        }
        let uploaded = guard(&self.shared.uploaded);
        let name = match uploaded.checkpoint {
            None => StateId(snapshot.0),
            Some(_) => self.shared.random_state(),
        };
        let published =
            self.shared.publish(&uploaded, name, &|writer| write_headers(writer, &uploaded.headers));
        drop(uploaded);
        let written = self.written_bytes();
        match published {
            Ok(()) => self.release(),
            Err(error) => {
                self.give_lock_up(&error);
                return Err(error);
            }
        }
        Ok(written)
    }

    /// Publishes everything stored so far, headers of snapshots included, in the order of a commit,
    /// with what `first` writes before it; the transaction goes on. No packer may be borrowed.
    pub(crate) fn publish_all(&mut self, first: &dyn Fn(&mut StateWriter)) -> Result<(), Error> {
        self.confirm()?;
        let mut uploaded = guard(&self.shared.uploaded);
        let name = self.shared.random_state();
        self.shared.publish(&uploaded, name, &|writer| {
            first(writer);
            write_headers(writer, &uploaded.headers);
        })?;
        uploaded.headers.clear();
        uploaded.is_published_as(name);
        drop(uploaded);
        self.start()
    }

    /// Ends a transaction whose snapshots have been published.
    /// What else was stored stays for a later run.
    pub(crate) fn finish(mut self) -> Result<u64, Error> {
        if let Err(error) = self.flush() {
            self.abandon(&error);
            return Err(error);
        }
        let mut uploaded = guard(&self.shared.uploaded);
        if !uploaded.unpublished.is_empty() {
            self.shared.checkpoint(&mut uploaded)?;
        }
        drop(uploaded);
        let written = self.written_bytes();
        self.release();
        Ok(written)
    }

    /// Gives the lock back, unless somebody else still holds it.
    fn release(self) {
        if let Some(lock) = Arc::into_inner(self.lock) {
            lock.release();
        }
    }

    fn give_lock_up(self, cause: &Error) {
        give_up(self.lock, cause);
    }

    /// Bytes of packfiles uploaded so far.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.shared.written_bytes.load(Ordering::Relaxed)
    }

    /// Waits for all uploads and makes sure that everything relied on is there.
    fn confirm(&mut self) -> Result<(), Error> {
        self.flush()?;
        self.confirm_presence()?;
        if !self.lock.is_fresh() {
            // Maintenance may have worked beside us: what we rely on was just confirmed, so the
            // listing above is the re-validation that a lost lock asks for.
            self.confirm_presence()?;
        }
        Ok(())
    }

    /// Ends the transaction without a snapshot. What was uploaded is published as a checkpoint, so
    /// that the next run does not repeat it.
    pub(crate) fn abandon(mut self, cause: &Error) {
        if self.shared.repository.runtime.interrupted.load(Ordering::Relaxed) {
            // Whoever interrupts wants an end soon: only uploads that have begun are waited for.
            guard(&self.pool.idle).clear();
        }
        let failure = self.flush().err();
        self.stop_uploaders();
        let lost = [Some(cause), failure.as_ref()].into_iter().flatten().find(|e| e.is_out_of_reach());
        let mut uploaded = guard(&self.shared.uploaded);
        // A state must not name a packfile that the store does not list.
        let all_listed = !matches!(cause, Error::PackfileVanished(_));
        if lost.is_none() && all_listed && !uploaded.unpublished.is_empty() {
            let _ = self.shared.checkpoint(&mut uploaded);
        }
        let published = uploaded.published;
        drop(uploaded);
        if published.blobs > 0 {
            self.shared.repository.monitor.event(Event::Checkpoint(published));
        }
        match lost {
            Some(lost) => self.give_lock_up(lost),
            None => self.release(),
        }
    }

    /// Seals every unfinished packfile, joining small ones, and waits for all uploads.
    fn flush(&mut self) -> Result<(), Error> {
        let packers: Vec<Packer> = guard(&self.pool.idle).drain(..).collect();
        let (mut content, mut metadata) = (PackfileBuilder::new(), PackfileBuilder::new());
        for packer in packers {
            let (more_content, more_metadata) = packer.into_parts();
            self.join_or_upload(&mut content, more_content)?;
            self.join_or_upload(&mut metadata, more_metadata)?;
        }
        self.shared.upload(content)?;
        self.shared.upload(metadata)?;
        self.stop_uploaders();
        self.shared.check_failure()
    }

    fn join_or_upload(&self, into: &mut PackfileBuilder, other: PackfileBuilder) -> Result<(), Error> {
        let together = (into.payload_bytes() + other.payload_bytes()) as u64;
        if together > self.shared.seal_above_bytes {
            self.shared.upload(std::mem::replace(into, other))
        } else {
            into.absorb(other);
            Ok(())
        }
    }

    /// Waits until the queue is empty and every upload has been acknowledged or has failed.
    fn stop_uploaders(&mut self) {
        for _ in &self.uploaders {
            // An empty packfile is the uploaders' sign to stop.
            let _ = self.shared.queue.send(PackfileBuilder::new());
        }
        for uploader in self.uploaders.drain(..) {
            if uploader.join().is_err() {
                self.shared.fail(Error::Internal("an uploader died".to_owned()));
            }
        }
    }

    /// Lists the packfiles again: each that the index named at the start, and each uploaded since,
    /// must be there.
    fn confirm_presence(&self) -> Result<(), Error> {
        let listed = list_packfiles(&self.shared.repository)?;
        let known = self.shared.repository.index.packfile_list();
        for (id, absent) in known.iter().zip(&self.shared.absent) {
            if !absent && !listed.contains(id) {
                return Err(Error::PackfileVanished(*id));
            }
        }
        match guard(&self.shared.uploaded).all.iter().find(|id| !listed.contains(*id)) {
            Some(missing) => Err(Error::PackfileVanished(*missing)),
            None => Ok(()),
        }
    }
}

impl Shared {
    /// Whether the index knows the blob in a packfile that is really there.
    fn is_stored(&self, blob: BlobId) -> bool {
        self.repository
            .index
            .place(blob)
            .is_some_and(|place| !self.absent.get(place.packfile as usize).copied().unwrap_or(true))
    }

    fn shard(&self, blob: &BlobId) -> &Mutex<HashSet<BlobId, BuildHasherDefault<MacHasher>>> {
        &self.claims[blob.mac.0[31] as usize % CLAIM_SHARDS]
    }

    /// Whether the caller is the one to store this blob.
    pub(super) fn claim(&self, blob: BlobId) -> bool {
        !self.is_stored(blob) && guard(self.shard(&blob)).insert(blob)
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

    fn upload_all(&self, filled: &Receiver<PackfileBuilder>, mut scratch: Scratch) {
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
        let mut records = sealed.records;
        let mut uploaded = guard(&self.uploaded);
        uploaded.all.push(sealed.id);
        let headers = records.extract_if(.., |record| record.resource_type() == Some(ResourceType::SNAPSHOT));
        uploaded.headers.extend(headers.map(|record| (sealed.id, record)));
        uploaded.unpublished.push((sealed.id, records, now()));
        uploaded.unpublished_bytes += bytes;
        let due = uploaded.unpublished_bytes >= CHECKPOINT_EVERY_BYTES
            || uploaded.since.elapsed() >= CHECKPOINT_EVERY;
        if due {
            self.checkpoint(&mut uploaded)?;
        }
        Ok(())
    }

    /// Publishes what was uploaded since the last checkpoint, without a snapshot.
    fn checkpoint(&self, uploaded: &mut Uploaded) -> Result<(), Error> {
        let name = self.random_state();
        self.publish(uploaded, name, &|_| {})?;
        uploaded.is_published_as(name);
        Ok(())
    }

    /// Publishes a state with what was uploaded and what `first` writes before it.
    fn publish(
        &self,
        uploaded: &Uploaded,
        name: StateId,
        first: &dyn Fn(&mut StateWriter),
    ) -> Result<(), Error> {
        let now = present(&self.repository)?;
        let mut writer = StateWriter::new(now.index.newest_state());
        first(&mut writer);
        for (packfile, records, _) in &uploaded.unpublished {
            for record in records {
                write_location(&mut writer, packfile, record);
            }
        }
        for (packfile, _, acknowledged_ns) in &uploaded.unpublished {
            writer.packfile(packfile, &name, *acknowledged_ns);
        }
        let plain = writer.finish(Version::V1_1_0, now.state_time_ns(), [0; 16]);
        publish_state(&self.repository, StateName::Given(name), &plain).map(|_| ())
    }

    fn random_state(&self) -> StateId {
        StateId(self.repository.runtime.random_name())
    }

    fn fail(&self, error: Error) {
        guard(&self.failure).get_or_insert(error);
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Fails with the first error of any upload.
    fn check_failure(&self) -> Result<(), Error> {
        if !self.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(guard(&self.failure)
            .as_ref()
            .map_or_else(|| Error::Internal("an upload failed without a reason".to_owned()), copy_of))
    }
}

impl Uploaded {
    /// What was uploaded so far stands in this state now.
    fn is_published_as(&mut self, name: StateId) {
        self.checkpoint = Some(name);
        for (_, records, _) in self.unpublished.drain(..) {
            let blobs = records.iter().filter(|record| record.resource_type() != Some(ResourceType::RANDOM));
            blobs.for_each(|record| self.published.add(u64::from(record.length)));
        }
        self.unpublished_bytes = 0;
        self.since = Instant::now();
    }
}

fn write_headers(writer: &mut StateWriter, headers: &[(PackfileId, BlobRecord)]) {
    headers.iter().for_each(|(packfile, record)| write_location(writer, packfile, record));
}

fn write_location(writer: &mut StateWriter, packfile: &PackfileId, record: &BlobRecord) {
    let resource = ResourceType(record.resource as u8);
    writer.location(resource, record.version, &record.mac, packfile, record.offset, record.length);
}

impl Transaction {
    /// The first failure of an upload, if there was any.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.shared.check_failure().err()
    }
}

impl Drop for BorrowedPacker {
    fn drop(&mut self) {
        if let Some(packer) = self.packer.take() {
            guard(&self.pool.idle).push(packer);
            self.pool.returned.notify_one();
        }
    }
}

impl std::ops::Deref for BorrowedPacker {
    type Target = Packer;

    fn deref(&self) -> &Packer {
        self.packer.as_ref().expect("a borrowed packer is only taken out by drop")
    }
}

impl std::ops::DerefMut for BorrowedPacker {
    fn deref_mut(&mut self) -> &mut Packer {
        self.packer.as_mut().expect("a borrowed packer is only taken out by drop")
    }
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

/// The repository as its states are now: the same one if they have not changed.
fn present(repository: &Arc<Repository>) -> Result<Arc<Repository>, Error> {
    Ok(changed(repository)?.map_or_else(|| Arc::clone(repository), Arc::new))
}

/// The repository with the states that have come since it was opened, if there are any.
///
/// A new state names the newest one as its parent: the reference implementation knows no other order, and
/// what is deleted before it was made stays.
pub(crate) fn changed(repository: &Repository) -> Result<Option<Repository>, Error> {
    let listed = repository.storage.list(StoreFile::State).map_err(Error::Storage)?;
    let known: HashSet<StateId> = repository.states().iter().copied().collect();
    if listed.len() == known.len() && listed.iter().all(|file| known.contains(&StateId(file.name))) {
        return Ok(None);
    }
    let refreshed = repository.refresh()?;
    refreshed.ensure_writable()?;
    Ok(Some(refreshed))
}

fn give_up(lock: Arc<StoreLock>, cause: &Error) {
    if let Some(lock) = Arc::into_inner(lock) {
        lock.give_up(cause);
    }
}

fn list_packfiles(repository: &Repository) -> Result<HashSet<PackfileId>, Error> {
    let listed = repository.storage.list(StoreFile::Packfile).map_err(Error::Storage)?;
    Ok(listed.into_iter().map(|item| PackfileId(item.name)).collect())
}
