//! One command's additions to a store, from the lock to the published state.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;
use kloset_connector::ConnectorError;
use kloset_format::state::StateWriter;
use kloset_format::{LockId, SnapshotId, StateId};

use super::builder::PackfileBuilder;
use super::lock::{LockKind, StoreLock};
use super::packer::Packer;
use super::pool::{BorrowedPacker, PackerPool};
use super::present::{list_packfiles, present};
use super::uploads::Shared;
use crate::guard::guard;
use crate::{BlobId, Error, Event, Repository};

/// Uploads at the same time: each holds a packfile in memory.
const UPLOADERS_MAX: usize = 4;

/// A transaction in progress. Without [`Transaction::commit`] it publishes nothing new.
pub(crate) struct Transaction {
    shared: Arc<Shared>,
    pool: Arc<PackerPool>,
    filled: Receiver<PackfileBuilder>,
    uploaders: Vec<JoinHandle<()>>,
    lock: Arc<StoreLock>,
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
        let (shared, filled) = Shared::new(repository, &listed, after);
        let pool = Arc::new(PackerPool::default());
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
        self.pool.fill(packers);
        Ok(())
    }

    /// The store as it was when the lock had been taken.
    pub(crate) fn repository(&self) -> &Arc<Repository> {
        &self.shared.repository
    }

    /// Borrows a packer, waiting until one is idle.
    pub(crate) fn packer(&self) -> BorrowedPacker {
        self.pool.borrow()
    }

    /// Whether the store has a blob, before or because of this transaction.
    pub(crate) fn has(&self, blob: BlobId) -> bool {
        self.shared.stored(blob).is_some() || guard(self.shared.shard(&blob)).contains(&blob)
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

    /// The first failure of an upload, if there was any.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.shared.check_failure().err()
    }

    /// Ends the transaction: every packfile acknowledged, everything it relies on still there,
    /// then the state that publishes it, read back.
    pub(crate) fn commit(mut self, snapshot: SnapshotId) -> Result<u64, Error> {
        if let Err(error) = self.confirm() {
            self.abandon(&error);
            return Err(error);
        }
        let uploaded = guard(&self.shared.uploaded);
        let name = match uploaded.states.last() {
            None => StateId(snapshot.0),
            Some(_) => self.shared.random_state(),
        };
        let published = self.shared.publish(&uploaded.unpublished, name, &|_| {});
        drop(uploaded);
        let written = self.written_bytes();
        match published {
            Ok(()) => {
                self.shared.tell_found();
                self.release();
                Ok(written)
            }
            Err(error) => {
                self.give_lock_up(&error);
                Err(error)
            }
        }
    }

    /// Publishes everything stored so far, headers of snapshots included, in the order of a commit,
    /// with what `first` writes before it; the transaction goes on. No packer may be borrowed.
    pub(crate) fn publish_all(&mut self, first: &dyn Fn(&mut StateWriter)) -> Result<(), Error> {
        self.confirm()?;
        let mut uploaded = guard(&self.shared.uploaded);
        let name = self.shared.random_state();
        self.shared.publish(&uploaded.unpublished, name, first)?;
        let published = std::mem::take(&mut uploaded.unpublished);
        uploaded.are_published_as(name, published);
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
        self.shared.checkpoint(&mut guard(&self.shared.uploaded))?;
        self.shared.tell_found();
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

    /// The state that the transaction comes after, if one was given, and those that it has published.
    pub(crate) fn states(&self) -> Vec<StateId> {
        guard(&self.shared.uploaded).states.clone()
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
            self.pool.take_all();
        }
        let failure = self.flush().err();
        self.stop_uploaders();
        let lost = [Some(cause), failure.as_ref()].into_iter().flatten().find(|e| e.is_out_of_reach());
        let mut uploaded = guard(&self.shared.uploaded);
        // A state must not name a packfile that the store does not list.
        let all_listed = !matches!(cause, Error::PackfileVanished(_));
        if lost.is_none() && all_listed {
            let _ = self.shared.checkpoint(&mut uploaded);
        }
        let published = uploaded.published;
        drop(uploaded);
        self.shared.tell_found();
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
        let (mut content, mut metadata) = (PackfileBuilder::new(), PackfileBuilder::new());
        for packer in self.pool.take_all() {
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

fn give_up(lock: Arc<StoreLock>, cause: &Error) {
    if let Some(lock) = Arc::into_inner(lock) {
        lock.give_up(cause);
    }
}
