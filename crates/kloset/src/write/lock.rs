//! Locks of a store: shared for writers, exclusive for maintenance.
//!
//! A lock is refreshed every five minutes and stale ten minutes after its timestamp, as in the
//! reference implementation. Where overwriting is forbidden, each refresh writes a new lock and an
//! old one that stays behind is no error.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kloset_codec::codec::Scratch;
use kloset_connector::{ConnectorError, ErrorKind, PutMode, StoreFile};
use kloset_format::lock::LockRecord;
use kloset_format::{LockId, ResourceType, Timestamp, Version, envelope};

use crate::guard::guard;
use crate::runtime::Locking;
use crate::{Error, Repository};

/// Time between two refreshes.
const REFRESH_EVERY: Duration = Duration::from_secs(5 * 60);
/// Age after which a lock binds nobody.
const STALE_AFTER_SECONDS: i64 = 10 * 60;
/// A lock that could not be refreshed for this long protects no more.
const LOST_AFTER: Duration = Duration::from_secs(5 * 60 + 150);
/// Decoded size of a lock at most.
const LOCK_BYTES_MAX: usize = 64 << 10;

/// Who may work beside the holder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LockKind {
    /// Other shared holders.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A held lock. Release it with [`StoreLock::release`]; dropping it releases it as well as it can.
pub(crate) struct StoreLock {
    repository: Arc<Repository>,
    held: Arc<Held>,
    refresher: Option<JoinHandle<()>>,
}

struct Held {
    names: Mutex<Vec<LockId>>,
    refreshed: Mutex<Instant>,
    stop: Mutex<bool>,
    wake: Condvar,
    cannot_overwrite: AtomicBool,
    kind: LockKind,
}

impl Held {
    fn new(name: Option<LockId>, kind: LockKind) -> Arc<Self> {
        Arc::new(Self {
            names: Mutex::new(name.into_iter().collect()),
            refreshed: Mutex::new(Instant::now()),
            stop: Mutex::new(false),
            wake: Condvar::new(),
            cannot_overwrite: AtomicBool::new(false),
            kind,
        })
    }
}

impl StoreLock {
    /// Writes a lock under `name`, then makes sure that no live lock of another excludes it.
    /// Where the user wants no locks, nothing is written or looked at.
    pub(crate) fn acquire(repository: &Arc<Repository>, name: LockId, kind: LockKind) -> Result<Self, Error> {
        if repository.runtime.locking == Locking::Skip {
            return Ok(Self {
                repository: Arc::clone(repository),
                held: Held::new(None, kind),
                refresher: None,
            });
        }
        let taken =
            write_lock(repository, name, kind).and_then(|()| refuse_conflicts(repository, name, kind));
        if let Err(error) = taken {
            // A write that failed may have taken effect. A store that is out of reach was waited for
            // already.
            if !error.is_out_of_reach() {
                let _ = repository.storage.delete(StoreFile::Lock, &name.0);
            }
            return Err(error);
        }
        let held = Held::new(Some(name), kind);
        let refresher = {
            let (repository, held) = (Arc::clone(repository), Arc::clone(&held));
            std::thread::Builder::new()
                .name("lock".to_owned())
                .spawn(move || keep_fresh(&repository, &held))
                .map_err(|error| {
                    Error::Storage(ConnectorError::from_io("start thread for", "the lock", error))
                })?
        };
        Ok(Self { repository: Arc::clone(repository), held, refresher: Some(refresher) })
    }

    /// Whether the lock has been refreshed recently enough to protect what it guards.
    pub(crate) fn is_fresh(&self) -> bool {
        self.repository.runtime.locking == Locking::Skip || guard(&self.held.refreshed).elapsed() < LOST_AFTER
    }

    /// Removes the lock and waits until it is gone. A store that forbids deleting keeps it until it
    /// is stale, which is no error.
    pub(crate) fn release(mut self) {
        self.let_go();
    }

    /// Removes the lock after a failure, unless the store is out of reach: patience with it has ended,
    /// asking it for more would only wait again. Then the lock becomes stale by itself.
    pub(crate) fn give_up(mut self, cause: &Error) {
        if !cause.is_out_of_reach() {
            return self.release();
        }
        *guard(&self.held.stop) = true;
        self.held.wake.notify_all();
        // The refresher may be waiting for the store; it ends by itself.
        self.refresher = None;
    }

    fn let_go(&mut self) {
        *guard(&self.held.stop) = true;
        self.held.wake.notify_all();
        if let Some(refresher) = self.refresher.take() {
            let _ = refresher.join();
            for name in guard(&self.held.names).drain(..) {
                let _ = self.repository.storage.delete(StoreFile::Lock, &name.0);
            }
        }
    }
}

impl Drop for StoreLock {
    fn drop(&mut self) {
        self.let_go();
    }
}

fn keep_fresh(repository: &Repository, held: &Held) {
    loop {
        let stop = guard(&held.stop);
        let (stop, _) = held
            .wake
            .wait_timeout_while(stop, REFRESH_EVERY, |stop| !*stop)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if *stop {
            return;
        }
        drop(stop);
        let current = guard(&held.names).last().copied().unwrap_or(LockId::ZERO);
        let refreshed = if held.cannot_overwrite.load(Ordering::Relaxed) {
            refresh_under_new_name(repository, held)
        } else {
            match write_lock(repository, current, held.kind) {
                Err(Error::Storage(error))
                    if matches!(error.kind, ErrorKind::Permission | ErrorKind::AlreadyExists) =>
                {
                    held.cannot_overwrite.store(true, Ordering::Relaxed);
                    refresh_under_new_name(repository, held)
                }
                other => other,
            }
        };
        if refreshed.is_ok() {
            *guard(&held.refreshed) = Instant::now();
        }
    }
}

fn refresh_under_new_name(repository: &Repository, held: &Held) -> Result<(), Error> {
    let name = LockId(repository.runtime.random_name());
    write_lock(repository, name, held.kind)?;
    let mut names = guard(&held.names);
    names.retain(|old| repository.storage.delete(StoreFile::Lock, &old.0).is_err());
    names.push(name);
    Ok(())
}

fn write_lock(repository: &Repository, name: LockId, kind: LockKind) -> Result<(), Error> {
    let record = LockRecord {
        version: Version::V1_0_0,
        timestamp: repository.runtime.clock.now(),
        hostname: repository.runtime.hostname.clone(),
        exclusive: kind == LockKind::Exclusive,
    };
    let mut body = envelope::header(ResourceType::LOCK, Version::V1_0_0).to_vec();
    repository.codec.encode(&mut repository.runtime.scratch(), &record.encode(), &mut body);
    let trailer = repository.key.mac(&body);
    body.extend_from_slice(trailer.as_bytes());
    repository
        .storage
        .put(StoreFile::Lock, &name.0, Bytes::from(body), PutMode::Replace)
        .map_err(Error::Storage)
}

/// Reads every other lock; a live one that excludes ours is an error, a stale one is swept.
fn refuse_conflicts(repository: &Repository, own: LockId, kind: LockKind) -> Result<(), Error> {
    let listed = repository.storage.list(StoreFile::Lock).map_err(Error::Storage)?;
    // The server's clock, as our own fresh lock shows it, judges locks of others.
    let server_now = listed.iter().find(|item| item.name == own.0).and_then(|item| item.modified);
    let now = server_now.unwrap_or_else(|| repository.runtime.clock.now());
    let is_stale = |written: Timestamp| now.seconds.saturating_sub(written.seconds) > STALE_AFTER_SECONDS;
    let mut sweep = Sweep { repository, refused: false };
    for item in listed.iter().filter(|item| item.name != own.0) {
        let written = item.modified.filter(|_| server_now.is_some());
        // Where nothing can be deleted there may be thousands of these: none is read.
        if written.is_some_and(is_stale) {
            sweep.remove(&item.name);
            continue;
        }
        let lock = match read_lock(repository, LockId(item.name)) {
            Ok(Some(lock)) => lock,
            Ok(None) => continue,
            Err(error) => return Err(error),
        };
        if is_stale(written.unwrap_or(lock.timestamp)) {
            sweep.remove(&item.name);
            continue;
        }
        if lock.exclusive || kind == LockKind::Exclusive {
            return Err(Error::Locked { holder: lock.hostname, since: lock.timestamp.rfc3339() });
        }
    }
    Ok(())
}

/// Removes stale locks, until the store says that it forbids that.
struct Sweep<'a> {
    repository: &'a Repository,
    refused: bool,
}

impl Sweep<'_> {
    fn remove(&mut self, name: &[u8; 32]) {
        if self.refused {
            return;
        }
        // A stale lock binds nobody, whether it goes away or not.
        if let Err(error) = self.repository.storage.delete(StoreFile::Lock, name) {
            self.refused = matches!(error.kind, ErrorKind::Permission | ErrorKind::Unsupported);
        }
    }
}

/// A lock's record; `None` if it vanished meanwhile.
pub(crate) fn read_lock(repository: &Repository, name: LockId) -> Result<Option<LockRecord>, Error> {
    let bytes = match repository.storage.get(StoreFile::Lock, &name.0) {
        Ok(bytes) => bytes,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::Storage(error)),
    };
    let unreadable = |reason: String| {
        Error::Storage(
            ConnectorError::new(ErrorKind::Corrupt, "read", format!("lock {name}"), reason)
                .with_hint("remove the damaged lock file once no other client is at work"),
        )
    };
    let opened = envelope::open(&bytes, ResourceType::LOCK, Version::V1_0_0)
        .map_err(|error| unreadable(error.to_string()))?;
    if !repository.key.verify_parts(&[opened.signed], &opened.trailer) {
        return Err(unreadable("its checksum does not match".to_owned()));
    }
    let plain = repository
        .codec
        .decode(&mut Scratch::new(), opened.payload, LOCK_BYTES_MAX)
        .map_err(|error| unreadable(error.to_string()))?;
    LockRecord::decode(&plain).map(Some).map_err(|error| unreadable(error.to_string()))
}
