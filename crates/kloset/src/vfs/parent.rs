//! The parent snapshot of a backup, read directory by directory while the scan goes on.
//!
//! A thread reads listings ahead in the order of a walk, which is about the order of a scan; what it
//! has not reached yet is fetched at once when it is asked for. Damage never fails the backup: a
//! directory that cannot be read is one that the parent does not have, so its files are read anew.
//! A store that is out of reach is another matter: it is not asked again, and the backup is told.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use kloset_format::Mac;
use kloset_format::entry::Entry;

use super::listing::{DirectoryIndex, FrameReader, Listing, ListingStream};
use crate::guard::guard;
use crate::{Error, Snapshot};

/// Listings kept ahead of the scan.
const AHEAD_BYTES_MAX: usize = 48 << 20;
/// Directories that the thread reads at a time.
const ROWS_AHEAD: usize = 512;
/// Directories fetched together when the scan asks for one that was not read ahead.
const DIRECTORIES_PER_MISS: usize = 64;

/// One child of a directory of the parent.
#[derive(Clone, Debug)]
pub struct ParentEntry {
    /// The entry.
    pub entry: Entry,
    /// Its exact bytes.
    pub bytes: Box<[u8]>,
    /// Name of its blob.
    pub mac: Mac,
}

/// The tree of a parent snapshot, for lookups by directory.
pub struct ParentTree {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

struct Shared {
    snapshot: Arc<Snapshot>,
    index: Option<Arc<DirectoryIndex>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ready: BTreeMap<usize, Listing>,
    ready_bytes: usize,
    /// Rows that were handed out, could not be read, or are being fetched for somebody.
    done: HashSet<usize>,
    /// Next row to read ahead.
    next_row: usize,
    /// Rows that the thread is reading right now.
    reading: Range<usize>,
    stopped: bool,
    /// The store is out of reach.
    lost: bool,
    /// Why, until somebody asks.
    loss: Option<Error>,
    warnings: Vec<String>,
}

impl ParentTree {
    /// Opens the tree and starts reading ahead.
    pub fn open(snapshot: Arc<Snapshot>) -> Result<Self, Error> {
        let index = snapshot.directory_index(b"/")?;
        let shared = Arc::new(Shared { snapshot, index, state: Mutex::default(), changed: Condvar::new() });
        // The first rows belong to the thread before anybody can ask for them: otherwise it would
        // depend on the scheduler how many reads they take.
        let first = shared.claim(&mut shared.lock());
        let reader = first.map(|first| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.read_ahead(first))
        });
        Ok(Self { shared, reader })
    }

    /// The children of a directory, sorted by name; `None` if the parent has no such directory, or
    /// none that can be read.
    pub fn directory(&self, path: &[u8]) -> Option<Arc<Vec<ParentEntry>>> {
        let entries = match self.shared.listing(path) {
            Ok(Some(listing)) => self.shared.entries(path, listing),
            Ok(None) => return None,
            Err(error) => Err(error),
        };
        match entries {
            Ok(entries) => Some(Arc::new(entries)),
            Err(error) if error.is_out_of_reach() => {
                self.shared.lose(error);
                None
            }
            Err(error) => {
                self.shared.warn(path, &error);
                None
            }
        }
    }

    /// Why the store is out of reach, if it is; said once.
    pub(crate) fn take_loss(&self) -> Option<Error> {
        self.shared.lock().loss.take()
    }

    /// What could not be read, each once.
    pub fn warnings(&self) -> Vec<String> {
        self.shared.lock().warnings.clone()
    }
}

impl Drop for ParentTree {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        guard(&self.state)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn warn(&self, path: &[u8], error: &Error) {
        let path = String::from_utf8_lossy(path);
        let id = self.snapshot.id();
        self.lock().warnings.push(format!("parent snapshot {}: {path}: {error}", id.short()));
    }

    fn lose(&self, error: Error) {
        let mut state = self.lock();
        if !state.lost {
            state.lost = true;
            state.loss = Some(error);
        }
        drop(state);
        self.changed.notify_all();
    }

    fn listing(&self, path: &[u8]) -> Result<Option<Listing>, Error> {
        let Some(index) = &self.index else { return Ok(None) };
        let Some(row) = index.find(path) else { return Ok(None) };
        let mut state = self.lock();
        loop {
            if state.lost {
                return Ok(None);
            }
            if let Some(listing) = state.ready.remove(&row) {
                state.ready_bytes -= listing.held_bytes();
                state.done.insert(row);
                self.changed.notify_all();
                return Ok(Some(listing));
            }
            if !state.reading.contains(&row) {
                break;
            }
            state = self.wait(state);
        }
        // The row itself, and the ones after it that nobody has read yet.
        let count = (row + 1..index.len().min(row + DIRECTORIES_PER_MISS))
            .take_while(|next| !state.ready.contains_key(next) && !state.done.contains(next))
            .count();
        let rows = row..row + 1 + if state.ready_bytes < AHEAD_BYTES_MAX { count } else { 0 };
        state.done.extend(rows.clone());
        drop(state);
        let mut stream = ListingStream::new(&self.snapshot, index, rows.clone());
        let wanted = stream.next().transpose();
        self.keep(rows.start + 1..rows.end, &mut stream);
        wanted
    }

    /// Takes the rest of a stream into memory; rows that cannot be read are left to be asked for.
    fn keep(&self, rows: Range<usize>, stream: &mut ListingStream<'_>) {
        for row in rows {
            let listing = stream.next();
            let mut state = self.lock();
            state.done.remove(&row);
            if state.lost {
                return;
            }
            if let Some(Err(error)) = listing {
                if error.is_out_of_reach() {
                    drop(state);
                    return self.lose(error);
                }
            } else if let Some(Ok(listing)) = listing {
                state.ready_bytes += listing.held_bytes();
                if let Some(old) = state.ready.insert(row, listing) {
                    state.ready_bytes -= old.held_bytes();
                }
            }
        }
    }

    /// Takes the next rows that nobody has read yet for the thread; `None` if none are left.
    fn claim(&self, state: &mut State) -> Option<Range<usize>> {
        let rows = self.index.as_ref()?.len();
        let free = |row: &usize| !state.ready.contains_key(row) && !state.done.contains(row);
        let start = (state.next_row..rows).find(free)?;
        let end = (start..rows.min(start + ROWS_AHEAD)).find(|row| !free(row));
        let claimed = start..end.unwrap_or_else(|| rows.min(start + ROWS_AHEAD));
        state.next_row = claimed.end;
        state.reading = claimed.clone();
        Some(claimed)
    }

    /// The thread: reads some rows ahead while there is room.
    fn read_ahead(&self, first: Range<usize>) {
        let Some(index) = &self.index else { return };
        let mut claimed = Some(first);
        while let Some(rows) = claimed {
            self.keep(rows.clone(), &mut ListingStream::new(&self.snapshot, index, rows));
            let mut state = self.lock();
            state.reading = 0..0;
            self.changed.notify_all();
            while !state.stopped && !state.lost && state.ready_bytes >= AHEAD_BYTES_MAX {
                state = self.wait(state);
            }
            if state.stopped || state.lost {
                return;
            }
            claimed = self.claim(&mut state);
        }
    }

    fn entries(&self, path: &[u8], listing: Listing) -> Result<Vec<ParentEntry>, Error> {
        let mut frames = FrameReader::new(listing);
        let mut entries: Vec<ParentEntry> = Vec::new();
        while let Some(frame) = frames.next(&self.snapshot, path) {
            let (named, bytes) = frame?;
            entries.push(ParentEntry { entry: named.entry, bytes: bytes.into(), mac: named.mac });
        }
        if !entries.is_sorted_by(|a, b| a.entry.info.name < b.entry.info.name) {
            entries.sort_by(|a, b| a.entry.info.name.cmp(&b.entry.info.name));
        }
        Ok(entries)
    }
}
