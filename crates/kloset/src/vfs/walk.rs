//! Walks a snapshot depth first, reading the listings of many directories ahead.
//!
//! The dirpack index is sorted in the order in which the walk enters directories, so that reading
//! ahead is reading the next rows. Only the listings of the directories on the way down and one
//! batch ahead are in memory.

use std::sync::Arc;

use kloset_format::path;

use super::listing::{FrameReader, Listing, ListingStream};
use super::{DirectoryIndex, Found, NamedEntry, children_from_tree};
use crate::{Error, Snapshot};

/// Entries handed out at once by [`Snapshot::walk_batches`].
const ENTRIES_PER_BATCH: usize = 1024;

/// What a walk meets.
#[allow(clippy::large_enum_variant)] // Entries are by far the most, and are taken apart at once.
pub(crate) enum Step {
    /// An entry, each directory before its children.
    Found {
        /// Absolute path.
        path: Vec<u8>,
        /// The entry and the name of its blob.
        entry: NamedEntry,
    },
    /// A directory, or one entry in it, that cannot be read.
    Damaged {
        /// The directory.
        path: Vec<u8>,
        /// What is wrong.
        error: Error,
        /// Whether its entries come all the same, from the file tree.
        recovered: bool,
    },
}

impl Snapshot {
    /// Everything at and below `path`, each directory before its children, children in byte order
    /// of their names, depth first; many directories are fetched at once. Stops at the visitor's error.
    pub fn walk(&self, path: &[u8], visit: &mut dyn FnMut(Found) -> Result<(), Error>) -> Result<(), Error> {
        walk_steps(self, path, &mut |step| match step {
            Step::Found { path, entry } => visit(Found { path, entry: entry.entry }),
            Step::Damaged { recovered: true, .. } => Ok(()),
            Step::Damaged { error, .. } => Err(error),
        })
    }

    /// The same walk, handed out in batches of many entries.
    pub fn walk_batches(
        &self,
        path: &[u8],
        visit: &mut dyn FnMut(Vec<Found>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut batch = Vec::with_capacity(ENTRIES_PER_BATCH);
        self.walk(path, &mut |found| {
            batch.push(found);
            if batch.len() < ENTRIES_PER_BATCH {
                return Ok(());
            }
            visit(std::mem::replace(&mut batch, Vec::with_capacity(ENTRIES_PER_BATCH)))
        })?;
        if batch.is_empty() { Ok(()) } else { visit(batch) }
    }
}

/// Walks like [`Snapshot::walk`], going on after damage. An `Err` is the visitor's, the interrupt,
/// or a store that cannot be reached any more.
pub(crate) fn walk_steps(
    snapshot: &Snapshot,
    start: &[u8],
    visit: &mut dyn FnMut(Step) -> Result<(), Error>,
) -> Result<(), Error> {
    let entry = snapshot.named_entry(start)?;
    let is_directory = entry.entry.info.mode.is_directory();
    visit(Step::Found { path: start.to_vec(), entry })?;
    if !is_directory {
        return Ok(());
    }
    let index = match snapshot.directory_index(start) {
        Ok(index) => index,
        Err(error) if error.is_damage() => {
            visit(Step::Damaged { path: start.to_vec(), error, recovered: true })?;
            None
        }
        Err(error) => return Err(error),
    };
    let mut listings = Ahead::new(snapshot, &index);
    let mut way_down = vec![Level::open(snapshot, &mut listings, start.to_vec(), visit)?];
    while let Some(level) = way_down.last_mut() {
        let Some(child) = level.next(snapshot) else {
            way_down.pop();
            continue;
        };
        let entry = match child {
            Ok(entry) => entry,
            Err(error) if error.is_damage() => {
                visit(Step::Damaged { path: level.path.clone(), error, recovered: false })?;
                continue;
            }
            Err(error) => return Err(error),
        };
        if !entry.entry.has_plain_name() || entry.entry.info.name == b"/" {
            let name = entry.entry.info.name.escape_ascii().to_string();
            let error = snapshot.damaged(format!("an entry is called \"{name}\""));
            visit(Step::Damaged { path: level.path.clone(), error, recovered: false })?;
            continue;
        }
        let path = path::join(&level.path, &entry.entry.info.name);
        let is_directory = entry.entry.info.mode.is_directory();
        visit(Step::Found { path: path.clone(), entry })?;
        if is_directory {
            snapshot.repository().runtime().proceed()?;
            way_down.push(Level::open(snapshot, &mut listings, path, visit)?);
        }
    }
    Ok(())
}

/// A directory that the walk is inside of.
struct Level {
    path: Vec<u8>,
    children: Children,
}

enum Children {
    Frames(FrameReader),
    Entries(std::vec::IntoIter<Result<NamedEntry, Error>>),
}

impl Level {
    /// Enters a directory; one whose listing is damaged is read from the file tree.
    fn open(
        snapshot: &Snapshot,
        listings: &mut Ahead<'_>,
        path: Vec<u8>,
        visit: &mut dyn FnMut(Step) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let children = match listings.take(&path) {
            Ok(Some(listing)) => Children::Frames(FrameReader::new(listing)),
            Ok(None) => match children_from_tree(snapshot, &path) {
                Ok(children) => Children::Entries(children.into_iter()),
                Err(error) if error.is_damage() => Children::Entries(vec![Err(error)].into_iter()),
                Err(error) => return Err(error),
            },
            Err(error) if error.is_damage() => {
                let instead = children_from_tree(snapshot, &path);
                let recovered = instead.is_ok();
                visit(Step::Damaged { path: path.clone(), error, recovered })?;
                Children::Entries(instead.unwrap_or_default().into_iter())
            }
            Err(error) => return Err(error),
        };
        Ok(Self { path, children })
    }

    fn next(&mut self, snapshot: &Snapshot) -> Option<Result<NamedEntry, Error>> {
        match &mut self.children {
            Children::Frames(frames) => {
                frames.next(snapshot, &self.path).map(|frame| frame.map(|(entry, _)| entry))
            }
            Children::Entries(entries) => entries.next(),
        }
    }
}

/// The listings of all directories in the order in which the walk enters them.
struct Ahead<'a> {
    snapshot: &'a Snapshot,
    index: Option<(&'a Arc<DirectoryIndex>, ListingStream<'a>)>,
    next_row: usize,
}

impl<'a> Ahead<'a> {
    fn new(snapshot: &'a Snapshot, index: &'a Option<Arc<DirectoryIndex>>) -> Self {
        let index = index.as_ref().map(|index| (index, ListingStream::new(snapshot, index, 0..index.len())));
        Self { snapshot, index, next_row: 0 }
    }

    /// The listing of a directory; `None` if the snapshot has no dirpack index. Rows of directories
    /// that are not in the tree are passed over.
    fn take(&mut self, directory: &[u8]) -> Result<Option<Listing>, Error> {
        let Some((index, stream)) = &mut self.index else { return Ok(None) };
        let missing = || {
            let directory = String::from_utf8_lossy(directory);
            self.snapshot.damaged(format!("the listing of {directory} is missing"))
        };
        let row = index.find(directory).ok_or_else(missing)?;
        let mut listing = None;
        while self.next_row <= row {
            listing = stream.next();
            self.next_row += 1;
        }
        listing.ok_or_else(missing)?.map(Some)
    }
}
