//! The storage role: a flat set of immutable files plus CONFIG and locks.

use bytes::Bytes;
use kloset_format::Timestamp;

use crate::ConnectorError;

/// Which folder of a store a file lies in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StoreFile {
    /// `packfiles/`
    Packfile,
    /// `states/`
    State,
    /// `locks/`
    Lock,
}

/// One file of a listing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The 32 bytes that the file name spells.
    pub name: [u8; 32],
    /// Size of the whole file in bytes, where the listing tells.
    pub size: Option<u64>,
    /// Last modification by the server's clock, where the listing tells.
    pub modified: Option<Timestamp>,
}

/// A part of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RangeRequest {
    /// Which folder.
    pub file: StoreFile,
    /// Which file.
    pub name: [u8; 32],
    /// First byte wanted, counted from the start of the file (not of the payload).
    pub offset: u64,
    /// Number of bytes wanted.
    pub length: u64,
}

/// What [`Storage::put`] does when the name exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PutMode {
    /// Names come from content: an existing file is success if it holds the same bytes, else
    /// `AlreadyExists`.
    Immutable,
    /// Lock refresh: the new bytes replace the old ones.
    Replace,
}

/// Where a store is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StorageInfo {
    /// The scheme: `fs`, `sftp`, `ptar`.
    pub kind: String,
    /// Full location as shown to people, `scheme://…`.
    pub location: String,
    /// Host part, or the local host's name.
    pub origin: String,
    /// Path on that host.
    pub root: String,
    /// Whether files can be added. A `.ptar` is read-only.
    pub writable: bool,
    /// Useful number of `put` calls at the same time.
    pub puts_at_once: usize,
    /// Useful number of `get_ranges` calls at the same time.
    pub gets_at_once: usize,
    /// Bytes between two wanted ranges that are cheaper to fetch along than to skip.
    pub gap_bytes: u64,
}

/// The files of one store. Calls come from many threads at once.
///
/// Every operation may be repeated: `put` uses a temporary name per attempt, `delete` of a
/// missing file succeeds.
pub trait Storage: Send + Sync {
    /// Where this is and what it can do. Does not touch the network.
    fn info(&self) -> StorageInfo;

    /// Makes the folders (all 256 buckets of packfiles and states, locks) and writes CONFIG last.
    ///
    /// Missing parents are made. A folder that exists and is not empty is `AlreadyExists` with the
    /// message `directory D is not empty`; leftovers of an unfinished create (layout folders, no
    /// CONFIG, nothing else) are finished.
    fn create(&self, config: &[u8]) -> Result<(), ConnectorError>;

    /// The bytes of CONFIG, at most 64 KiB; `NotFound` if there is no store.
    fn read_config(&self) -> Result<Vec<u8>, ConnectorError>;

    /// Every file of one folder, in any order. All or nothing: an unreadable or missing bucket
    /// fails the listing. Names that are not 64 hexadecimal digits are left out.
    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError>;

    /// Writes a file under its final name, durably: when this returns, all bytes are flushed, the
    /// length was compared, and the name is in place. A failed attempt leaves no file under the
    /// final name, and tries to leave no temporary one.
    fn put(&self, file: StoreFile, name: &[u8; 32], body: Bytes, mode: PutMode)
    -> Result<(), ConnectorError>;

    /// A whole file.
    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError>;

    /// Parts of files. `deliver` is called exactly once per request, from any thread, in any
    /// order, with the request's index; a range past the end is an error of kind `Corrupt`.
    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    );

    /// Removes a file; a missing one is success.
    fn delete(&self, file: StoreFile, name: &[u8; 32]) -> Result<(), ConnectorError>;

    /// Names of leftovers of interrupted writes that are older than `older_than`, removed if
    /// `remove` is set. Default: none.
    fn temporary_files(
        &self,
        _older_than: std::time::Duration,
        _remove: bool,
    ) -> Result<Vec<String>, ConnectorError> {
        Ok(Vec::new())
    }

    /// Steps that tell whether this place will do: connect, path, write, rename. Each step is
    /// reported as (what, result); the walk stops at the first failure.
    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>));
}
