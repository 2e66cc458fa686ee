//! A store in memory, as strict as the contract allows.
//!
//! A put goes to a temporary name first and is renamed, so that no other call ever sees half a
//! file. Immutable files are never replaced, locks are the only mutable ones, ranges outside of a
//! file are damage, and listings and ranges come in an order that nobody should rely on. Clones
//! share the files; [`MemoryStore::copy`] does not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use kloset_connector::{
    ConnectorError, ErrorKind, Listed, PutMode, RangeRequest, Storage, StorageInfo, StoreFile,
};
use kloset_format::{Mac, Timestamp};

/// Where the server's clock starts: a fixed moment in 2023.
const BEGINNING_SECONDS: i64 = 1_700_000_000;

#[derive(Clone)]
struct File {
    body: Bytes,
    modified: Timestamp,
}

#[derive(Clone, Default)]
struct Files {
    config: Option<Vec<u8>>,
    packfiles: BTreeMap<[u8; 32], File>,
    states: BTreeMap<[u8; 32], File>,
    locks: BTreeMap<[u8; 32], File>,
    /// Written, not renamed yet.
    temporary: BTreeMap<String, File>,
    attempts: u64,
    seconds: i64,
}

impl Files {
    fn folder(&self, file: StoreFile) -> &BTreeMap<[u8; 32], File> {
        match file {
            StoreFile::Packfile => &self.packfiles,
            StoreFile::State => &self.states,
            StoreFile::Lock => &self.locks,
        }
    }

    fn folder_mut(&mut self, file: StoreFile) -> &mut BTreeMap<[u8; 32], File> {
        match file {
            StoreFile::Packfile => &mut self.packfiles,
            StoreFile::State => &mut self.states,
            StoreFile::Lock => &mut self.locks,
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp { seconds: BEGINNING_SECONDS + self.seconds, nanoseconds: 0 }
    }
}

/// A store in memory.
#[derive(Clone)]
pub struct MemoryStore {
    files: Arc<Mutex<Files>>,
    puts_at_once: usize,
    gap_bytes: u64,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// A place without a store. One put at a time and gaps as on a local disk, unless changed.
    pub fn new() -> Self {
        Self { files: Arc::default(), puts_at_once: 1, gap_bytes: 64 << 10 }
    }

    /// Another number of puts at the same time.
    pub fn with_puts_at_once(mut self, puts: usize) -> Self {
        self.puts_at_once = puts;
        self
    }

    /// Another number of bytes that are cheaper to fetch along than to skip.
    pub fn with_gap_bytes(mut self, bytes: u64) -> Self {
        self.gap_bytes = bytes;
        self
    }

    /// The same files, independent from now on.
    pub fn copy(&self) -> Self {
        Self { files: Arc::new(Mutex::new(self.lock().clone())), ..*self }
    }

    /// Makes this store hold what `other` holds now.
    pub fn become_like(&self, other: &Self) {
        let files = other.lock().clone();
        *self.lock() = files;
    }

    /// Moves the server's clock.
    pub fn advance(&self, time: Duration) {
        self.lock().seconds += i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    }

    /// Names of the files of one folder, ascending.
    pub fn names(&self, file: StoreFile) -> Vec<[u8; 32]> {
        self.lock().folder(file).keys().copied().collect()
    }

    /// Bytes of all files of one folder.
    pub fn bytes_in(&self, file: StoreFile) -> u64 {
        self.lock().folder(file).values().map(|file| file.body.len() as u64).sum()
    }

    /// The bytes of a file, if it is there.
    pub fn body(&self, file: StoreFile, name: &[u8; 32]) -> Option<Bytes> {
        self.lock().folder(file).get(name).map(|file| file.body.clone())
    }

    /// Damages a file behind everybody's back; says whether it was there.
    pub fn edit(&self, file: StoreFile, name: &[u8; 32], change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut files = self.lock();
        let Some(found) = files.folder_mut(file).get_mut(name) else { return false };
        let mut body = found.body.to_vec();
        change(&mut body);
        found.body = body.into();
        true
    }

    /// Damages CONFIG; says whether it was there.
    pub fn edit_config(&self, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.lock().config.as_mut().map(change).is_some()
    }

    /// Removes CONFIG.
    pub fn remove_config(&self) {
        self.lock().config = None;
    }

    /// Puts a file in place without any rule.
    pub fn place(&self, file: StoreFile, name: [u8; 32], body: impl Into<Bytes>) {
        let mut files = self.lock();
        let modified = files.now();
        files.folder_mut(file).insert(name, File { body: body.into(), modified });
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The first half of a put; between it and the rename other calls may come.
    fn write_temporary(&self, name: &[u8; 32], body: Bytes) -> String {
        let mut files = self.lock();
        files.attempts += 1;
        let temporary = format!("tmp.{}.{}", files.attempts, Mac(*name));
        let modified = files.now();
        files.temporary.insert(temporary.clone(), File { body, modified });
        temporary
    }

    fn read(&self, file: StoreFile, name: &[u8; 32]) -> Result<Bytes, ConnectorError> {
        self.body(file, name).ok_or_else(|| error(ErrorKind::NotFound, "open", file, name, "no such file"))
    }

    fn read_range(&self, request: &RangeRequest) -> Result<Bytes, ConnectorError> {
        let body = self.read(request.file, &request.name)?;
        let end = request.offset.checked_add(request.length).filter(|&end| end <= body.len() as u64);
        match end {
            Some(end) => Ok(body.slice(request.offset as usize..end as usize)),
            None => {
                let text = format!(
                    "{} bytes from {} lie past the end of {} bytes",
                    request.length,
                    request.offset,
                    body.len()
                );
                Err(error(ErrorKind::Corrupt, "read", request.file, &request.name, text))
            }
        }
    }
}

impl Storage for MemoryStore {
    fn info(&self) -> StorageInfo {
        StorageInfo {
            kind: "memory".to_owned(),
            location: "memory://store".to_owned(),
            origin: "test".to_owned(),
            root: "/store".to_owned(),
            writable: true,
            puts_at_once: self.puts_at_once,
            gets_at_once: 4,
            gap_bytes: self.gap_bytes,
        }
    }

    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        let mut files = self.lock();
        let empty = files.packfiles.is_empty() && files.states.is_empty() && files.locks.is_empty();
        if files.config.is_some() || !empty {
            return Err(ConnectorError::new(
                ErrorKind::AlreadyExists,
                "create",
                "memory://store",
                "directory memory://store is not empty",
            ));
        }
        files.config = Some(config.to_vec());
        Ok(())
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        self.lock().config.clone().ok_or_else(|| {
            ConnectorError::new(ErrorKind::NotFound, "open", "memory://store/CONFIG", "no such file")
        })
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        let files = self.lock();
        if files.config.is_none() {
            return Err(ConnectorError::new(ErrorKind::NotFound, "list", "memory://store", "no such store"));
        }
        let listed = files.folder(file).iter().rev().map(|(name, file)| Listed {
            name: *name,
            size: Some(file.body.len() as u64),
            modified: Some(file.modified),
        });
        Ok(listed.collect())
    }

    fn put(
        &self,
        file: StoreFile,
        name: &[u8; 32],
        body: Bytes,
        mode: PutMode,
    ) -> Result<(), ConnectorError> {
        if mode == PutMode::Replace && file != StoreFile::Lock {
            return Err(error(ErrorKind::Invalid, "write", file, name, "only locks can be replaced"));
        }
        let temporary = self.write_temporary(name, body);
        let mut files = self.lock();
        let Some(written) = files.temporary.remove(&temporary) else {
            return Err(error(ErrorKind::Other, "rename", file, name, "the temporary file is gone"));
        };
        match files.folder(file).get(name) {
            Some(old) if mode == PutMode::Immutable && old.body == written.body => return Ok(()),
            Some(_) if mode == PutMode::Immutable => {
                let text = "exists with other content";
                return Err(error(ErrorKind::AlreadyExists, "rename", file, name, text));
            }
            _ => {}
        }
        files.folder_mut(file).insert(*name, written);
        Ok(())
    }

    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        self.read(file, name).map(|body| body.to_vec())
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        for (at, request) in requests.iter().enumerate().rev() {
            deliver(at, self.read_range(request));
        }
    }

    fn delete(&self, file: StoreFile, name: &[u8; 32]) -> Result<(), ConnectorError> {
        self.lock().folder_mut(file).remove(name);
        Ok(())
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        report("open", self.read_config().map(|_| ()));
    }
}

fn error(
    kind: ErrorKind,
    operation: &'static str,
    file: StoreFile,
    name: &[u8; 32],
    message: impl Into<String>,
) -> ConnectorError {
    let folder = match file {
        StoreFile::Packfile => "packfiles",
        StoreFile::State => "states",
        StoreFile::Lock => "locks",
    };
    ConnectorError::new(kind, operation, format!("memory://store/{folder}/{}", Mac(*name)), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created() -> MemoryStore {
        let store = MemoryStore::new();
        store.create(b"config").expect("an empty place takes a store");
        store
    }

    #[test]
    fn immutable_files_are_never_replaced_and_locks_are() {
        let store = created();
        let put = |file, body: &'static [u8], mode| store.put(file, &[1; 32], Bytes::from_static(body), mode);
        put(StoreFile::State, b"one", PutMode::Immutable).expect("a new file");
        put(StoreFile::State, b"one", PutMode::Immutable).expect("the same file again");
        let refused = put(StoreFile::State, b"two", PutMode::Immutable).expect_err("another content");
        assert_eq!(refused.kind, ErrorKind::AlreadyExists);
        assert!(put(StoreFile::State, b"two", PutMode::Replace).is_err());
        assert_eq!(store.get(StoreFile::State, &[1; 32]).expect("it is there"), b"one");
        put(StoreFile::Lock, b"one", PutMode::Replace).expect("a new lock");
        put(StoreFile::Lock, b"two", PutMode::Replace).expect("a refreshed lock");
        assert_eq!(store.get(StoreFile::Lock, &[1; 32]).expect("it is there"), b"two");
    }

    #[test]
    fn copies_are_independent_and_clones_are_not() {
        let store = created();
        let (copy, clone) = (store.copy(), store.clone());
        store.place(StoreFile::Packfile, [2; 32], b"body".to_vec());
        assert_eq!((copy.names(StoreFile::Packfile).len(), clone.names(StoreFile::Packfile).len()), (0, 1));
        copy.become_like(&store);
        assert_eq!(copy.bytes_in(StoreFile::Packfile), 4);
    }

    #[test]
    fn ranges_past_the_end_are_damage() {
        let store = created();
        store.place(StoreFile::Packfile, [2; 32], b"body".to_vec());
        let range =
            |offset, length| RangeRequest { file: StoreFile::Packfile, name: [2; 32], offset, length };
        let results = Mutex::new(Vec::new());
        store.get_ranges(&[range(1, 3), range(1, 4), range(u64::MAX, 2)], &|at, result| {
            let mut results = results.lock().expect("no panic before");
            results.push((at, result.map_err(|error| error.kind)));
        });
        let mut results = results.into_inner().expect("no panic before");
        results.sort_by_key(|(at, _)| *at);
        let damage = Err(ErrorKind::Corrupt);
        assert_eq!(results, [(0, Ok(Bytes::from_static(b"ody"))), (1, damage.clone()), (2, damage)]);
    }
}
