//! The source role: something that is backed up.

use std::io::Read;
use std::sync::Arc;

use crossbeam_channel::Receiver;

use crate::{ConnectorError, Record};

/// What a source is, as the snapshot header records it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceInfo {
    /// `fs`, `sftp`, …
    pub kind: String,
    /// Host name; for sftp the host part of the location as typed, with `:port` if one was given.
    pub origin: String,
    /// The directory backed up: absolute, clean. For a single file, the directory that holds it;
    /// for a link, the resolved path.
    pub directory: Vec<u8>,
}

/// Says whether a path is left out: path inside the snapshot, is it a directory?
pub type Excluded = Arc<dyn Fn(&[u8], bool) -> bool + Send + Sync>;

/// What the engine wants of a scan.
#[derive(Clone)]
pub struct ScanOptions {
    /// Whether to leave a path out (path inside the snapshot, is it a directory?). An excluded
    /// directory is not entered. Not asked for `/` and the ancestors of the root.
    pub excluded: Excluded,
    /// Whether values of extended attributes are read (their names always are).
    pub xattr_values: bool,
}

/// Receives what a scan finds. Called from many threads at once; may block (backpressure).
pub trait ScanSink: Sync {
    /// The chain from `/` to the source's directory, root first, each with its real attributes
    /// where readable; called once, before any listing. The last record is the directory itself
    /// with everything a listing would say of it (owner names, extended attributes).
    ///
    /// Ancestors above it carry no owner names and no extended attributes.
    fn ancestors(&self, chain: Vec<Record>);

    /// The children of one directory (its path inside the snapshot), every one of them in one
    /// call, in any order. Called once for each directory that could be read, after the listing
    /// that named it. A link given as a source adds a listing for the folder that holds the link.
    fn listing(&self, directory: &[u8], children: Vec<Record>);

    /// A path that could not be read at all: it gets an error entry. `directory` says whether it is
    /// a directory whose own record has been (or will be) delivered but whose children are unknown.
    fn failed(&self, path: &[u8], directory: bool, error: ConnectorError);

    /// Whether the engine has given up; the scan should return early.
    fn stopped(&self) -> bool;
}

/// A file whose content is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadRequest {
    /// The engine's own number for it.
    pub token: u64,
    /// Path inside the snapshot.
    pub path: Vec<u8>,
    /// Size that the scan reported, a hint for buffers and pipelining.
    pub size_hint: u64,
}

/// Receives contents. Called from threads of the connector, many at once; each call does the
/// engine's CPU work for that file and returns when the content has been read.
pub trait ContentSink: Sync {
    /// The content of a file. The engine reads to the end. A read error of the file alone makes
    /// this entry fail; loss of the whole source is reported by [`Source::read`]'s result.
    fn content(&self, request: ReadRequest, reader: &mut dyn Read);

    /// The file could not be opened.
    fn failed(&self, request: ReadRequest, error: ConnectorError);
}

/// Something that is backed up.
pub trait Source: Send + Sync {
    /// What it is. Connects if it must (a remote root that is a link is resolved there).
    fn info(&self) -> Result<SourceInfo, ConnectorError>;

    /// Walks everything below the root, in parallel. An `Err` means that the source as a whole is
    /// lost; problems with single paths go to the sink.
    fn scan(&self, options: &ScanOptions, sink: &dyn ScanSink) -> Result<(), ConnectorError>;

    /// Reads the requested files until the queue is closed, in parallel, roughly in order.
    fn read(&self, requests: Receiver<ReadRequest>, sink: &dyn ContentSink) -> Result<(), ConnectorError>;

    /// Steps that tell whether this place can be read, as [`crate::Storage::ping`].
    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>));
}
