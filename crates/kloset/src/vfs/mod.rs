//! The tree of files in a snapshot: lookup, listing, walking, reading contents.

use std::io::Write;

use kloset_format::entry::Entry;
use kloset_format::error_entry::ErrorEntry;

use crate::{Error, Snapshot};

/// A path of a snapshot and what is there.
#[derive(Clone, Debug)]
pub struct Found {
    /// Absolute clean path.
    pub path: Vec<u8>,
    /// The entry.
    pub entry: Entry,
}

impl Snapshot {
    /// The directory that was backed up.
    pub fn root_directory(&self) -> &[u8] {
        todo!()
    }

    /// Turns a path as typed (absolute, or relative to the root directory, possibly empty) into a
    /// clean absolute one.
    pub fn absolute(&self, path: &[u8]) -> Vec<u8> {
        let _ = path;
        todo!()
    }

    /// The entry at a clean absolute path, links not followed.
    pub fn entry(&self, path: &[u8]) -> Result<Found, Error> {
        let _ = path;
        todo!()
    }

    /// The entry at a clean absolute path, symbolic links followed (in every component).
    pub fn resolve(&self, path: &[u8]) -> Result<Found, Error> {
        let _ = path;
        todo!()
    }

    /// The children of a directory in byte order of their names.
    pub fn children(&self, directory: &[u8]) -> Result<Vec<Entry>, Error> {
        let _ = directory;
        todo!()
    }

    /// Everything at and below `path`, each directory before its children, children in byte order
    /// of their paths, depth first; many directories are fetched at once. Stops at the visitor's error.
    pub fn walk(
        &self,
        path: &[u8],
        visit: &mut dyn FnMut(Found) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let _ = (path, visit);
        todo!()
    }

    /// Writes the verified content of a regular file to `out`; write errors come back as
    /// `Ok(Err(_))`.
    pub fn write_content(&self, entry: &Entry, out: &mut dyn Write) -> Result<std::io::Result<()>, Error> {
        let _ = (entry, out);
        todo!()
    }

    /// Paths that could not be read when the snapshot was made, in byte order.
    pub fn errors(&self) -> Result<Vec<ErrorEntry>, Error> {
        todo!()
    }
}
