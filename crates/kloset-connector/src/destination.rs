//! The destination role: something that is restored to.
//!
//! The engine drives it in this order: [`Destination::prepare`], directories parents first,
//! files, symbolic links and special files, hard links, metadata of directories deepest first,
//! [`Destination::finish`]. Batches of one kind may run at the same time.

use bytes::Bytes;
use kloset_format::FileInfo;

use crate::{ConnectorError, Xattr};

/// What a destination is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DestinationInfo {
    /// `fs`, `sftp`, …
    pub kind: String,
    /// Host.
    pub origin: String,
    /// Path that everything is restored below.
    pub root: String,
    /// Useful number of `files` batches at the same time.
    pub batches_at_once: usize,
}

/// One path to restore.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Path below the destination's root, without a leading slash; empty for the root itself.
    /// Every component was checked by the engine: not empty, not `.` or `..`, no NUL.
    pub path: Vec<u8>,
    /// Mode, owner, times.
    pub info: FileInfo,
    /// Extended attributes to set.
    pub xattrs: Vec<Xattr>,
    /// Target of a symbolic link.
    pub link: Option<Vec<u8>>,
}

/// A second name for a file that has been restored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HardLink {
    /// The new name, relative to the root.
    pub path: Vec<u8>,
    /// The existing name, relative to the root.
    pub original: Vec<u8>,
}

/// What the target's protocol or account has no words for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Limitation {
    /// Numeric owner not set: not privileged, or no such request.
    Owner,
    /// Extended attributes cannot be held.
    Xattrs,
    /// Time cut to whole seconds.
    SubSecondTime,
    /// Time out of the protocol's range.
    TimeRange,
    /// Device, pipe or socket not made.
    SpecialFile,
    /// Made as a separate copy instead of a hard link.
    HardLink,
    /// Owner and times of a symbolic link not set.
    SymlinkMetadata,
}

/// A restored path.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Applied {
    /// What could not be expressed; each is counted, none makes the restore fail.
    pub limitations: Vec<Limitation>,
    /// The path was already right and was kept.
    pub kept: bool,
}

/// Result for one path of a batch.
pub type Outcome = Result<Applied, ConnectorError>;

/// Where outcomes of a batch go: called exactly once per item, by its index, from any thread.
pub type Report<'a> = &'a (dyn Fn(usize, Outcome) + Sync);

/// A small file, whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileContent {
    /// What to restore.
    pub target: Target,
    /// Its verified content, in pieces.
    pub pieces: Vec<Bytes>,
}

/// A large file being written in pieces, from any thread and in any order of offsets.
pub trait FileSink: Send + Sync {
    /// Writes `data` at `offset`. Runs of zeros may become holes.
    fn write_at(&self, offset: u64, data: Bytes) -> Result<(), ConnectorError>;

    /// All was written: size, owner, xattrs, mode, times are set and the file gets its name.
    fn finish(self: Box<Self>) -> Outcome;

    /// Gives up: the temporary file goes away.
    fn abandon(self: Box<Self>);
}

/// Something that is restored to. Calls come from many threads at once.
pub trait Destination: Send + Sync {
    /// What it is.
    fn info(&self) -> Result<DestinationInfo, ConnectorError>;

    /// Makes the root (last level only, mode 0700) unless it exists.
    fn prepare(&self) -> Result<(), ConnectorError>;

    /// What is at these paths now, by index (`None`: nothing there). Never follows links.
    fn inspect(
        &self,
        paths: &[Vec<u8>],
        report: &(dyn Fn(usize, Result<Option<FileInfo>, ConnectorError>) + Sync),
    );

    /// Makes directories, mode 0700 for now; parents come before their children in `targets`. An
    /// existing directory is reused; anything else in its place, links included, is an error.
    fn directories(&self, targets: &[Target], report: Report<'_>);

    /// Writes small files whole: temporary name, content, owner, xattrs, mode, times, rename over
    /// an existing regular file. An existing link or directory in the place is an error.
    fn files(&self, files: Vec<FileContent>, report: Report<'_>);

    /// Starts a large file. `target.info.size` is its size.
    fn open_file(&self, target: &Target) -> Result<Box<dyn FileSink>, ConnectorError>;

    /// Makes symbolic links, pipes, devices and sockets with owner and times.
    fn nodes(&self, targets: &[Target], report: Report<'_>);

    /// Makes hard links, replacing an existing regular file.
    fn hard_links(&self, links: &[HardLink], report: Report<'_>);

    /// Sets owner, xattrs, mode and times of directories; deepest first in `targets`.
    fn directory_metadata(&self, targets: &[Target], report: Report<'_>);

    /// Everything was reported: flush once (one `syncfs` locally).
    fn finish(&self) -> Result<(), ConnectorError>;

    /// Steps that tell whether this place can be written, as [`crate::Storage::ping`].
    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>));
}
