//! Listings: which object holds the entries of which directory, and those objects read in batches.

use std::cmp::Ordering;
use std::collections::VecDeque;

use kloset_format::entry::Entry;
use kloset_format::header::Index;
use kloset_format::object::{ChunkRecord, Object};
use kloset_format::{Mac, ResourceType, dirpack, path};

use super::content::{CONTENT_BYTES_PER_BATCH, OBJECTS_PER_BATCH, read_chunks};
use super::{NamedEntry, position_below, walk_order};
use crate::repository::DecodeOn;
use crate::snapshot::damaged_blob;
use crate::{BlobId, Error, Snapshot};

/// Objects of directories fetched at once.
const DIRECTORIES_PER_BATCH: usize = 2048;
/// A listing longer than this is read chunk by chunk while it is walked.
const LISTING_BYTES_WHOLE: u64 = 8 << 20;

/// The directories of a snapshot in the order of a walk, each with the object of its listing.
pub(crate) struct DirectoryIndex {
    rows: Vec<(Box<[u8]>, Mac)>,
}

impl DirectoryIndex {
    /// Loads the part at and below `directory`; `None` if the snapshot has no such index.
    pub(crate) fn load(snapshot: &Snapshot, directory: &[u8]) -> Result<Option<Self>, Error> {
        let Some(tree) = snapshot.index_tree(Index::DIRPACK)? else { return Ok(None) };
        let mut rows: Vec<(Box<[u8]>, Mac)> = Vec::new();
        tree.scan_where(&|key| position_below(directory, key), &mut |key, mac| {
            if path::is_within(key, directory) {
                rows.push((key.into(), mac));
            }
            Ok(())
        })?;
        rows.sort_unstable_by(|(a, _), (b, _)| walk_order(a, b));
        Ok(Some(Self { rows }))
    }

    /// An index of one directory.
    pub(crate) fn single(directory: &[u8], object: Mac) -> Self {
        Self { rows: vec![(directory.into(), object)] }
    }

    /// An index of some directories, in this order.
    pub(crate) fn of_rows(rows: Vec<(Box<[u8]>, Mac)>) -> Self {
        Self { rows }
    }

    /// Number of directories.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row of a directory.
    pub(crate) fn find(&self, directory: &[u8]) -> Option<usize> {
        self.rows.binary_search_by(|(have, _)| walk_order(have, directory)).ok()
    }

    /// Every directory with its object.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&[u8], Mac)> {
        self.rows.iter().map(|(path, mac)| (path.as_ref(), *mac))
    }

    /// The object of a row.
    pub(crate) fn object(&self, row: usize) -> Option<Mac> {
        self.rows.get(row).map(|(_, mac)| *mac)
    }
}

/// The entries of one directory as they are stored.
pub(crate) enum Listing {
    /// All frames.
    Whole(Vec<u8>),
    /// Too long to be read at once: its chunks.
    Long(Vec<ChunkRecord>),
}

impl Listing {
    /// Bytes held in memory.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Long(chunks) => chunks.len() * size_of::<ChunkRecord>(),
        }
    }
}

/// Reads the listings of some rows, in their order, a batch at a time.
pub(crate) struct ListingStream<'a> {
    snapshot: &'a Snapshot,
    macs: Box<dyn Iterator<Item = Mac> + 'a>,
    objects: VecDeque<Result<Object, Error>>,
    ready: VecDeque<Result<Listing, Error>>,
}

impl<'a> ListingStream<'a> {
    pub(crate) fn new(
        snapshot: &'a Snapshot,
        index: &'a DirectoryIndex,
        rows: std::ops::Range<usize>,
    ) -> Self {
        let macs = rows.map_while(|row| index.object(row));
        Self { snapshot, macs: Box::new(macs), objects: VecDeque::new(), ready: VecDeque::new() }
    }

    /// The listing of the next row.
    pub(crate) fn next(&mut self) -> Option<Result<Listing, Error>> {
        if self.ready.is_empty() {
            if self.objects.is_empty() {
                let macs: Vec<Mac> = self.macs.by_ref().take(DIRECTORIES_PER_BATCH).collect();
                self.objects.extend(self.snapshot.objects(&macs));
            }
            self.fill();
        }
        self.ready.pop_front()
    }

    /// Reads the chunks of the first objects in one batch.
    fn fill(&mut self) {
        let mut bytes = 0u64;
        let mut chunks: Vec<ChunkRecord> = Vec::new();
        let mut batch = Vec::new();
        while let Some(next) = self.objects.front() {
            let size = next.as_ref().map_or(0, Object::content_bytes);
            if !batch.is_empty() && bytes.saturating_add(size) > CONTENT_BYTES_PER_BATCH {
                break;
            }
            let Some(object) = self.objects.pop_front() else { break };
            if size <= LISTING_BYTES_WHOLE {
                bytes += size;
                chunks.extend(object.iter().flat_map(|object| &object.chunks));
            }
            batch.push((object, size));
        }
        let mut read = read_chunks(self.snapshot.repository(), &chunks, DecodeOn::AllCores).into_iter();
        for (object, size) in batch {
            let listing = object.and_then(|object| {
                if size > LISTING_BYTES_WHOLE {
                    return Ok(Listing::Long(object.chunks));
                }
                // Every chunk of this listing is taken, so that the next one starts at its own.
                let parts: Vec<Result<Vec<u8>, Error>> = read.by_ref().take(object.chunks.len()).collect();
                let mut parts = parts.into_iter();
                let mut whole = parts.next().unwrap_or_else(|| Ok(Vec::new()))?;
                for part in parts {
                    whole.extend_from_slice(&part?);
                }
                Ok(Listing::Whole(whole))
            });
            self.ready.push_back(listing);
        }
    }
}

/// The frames of one listing, verified one by one.
pub(crate) struct FrameReader {
    buffer: Vec<u8>,
    at: usize,
    chunks: std::vec::IntoIter<ChunkRecord>,
}

impl FrameReader {
    pub(crate) fn new(listing: Listing) -> Self {
        let (buffer, chunks) = match listing {
            Listing::Whole(bytes) => (bytes, Vec::new()),
            Listing::Long(chunks) => (Vec::new(), chunks),
        };
        Self { buffer, at: 0, chunks: chunks.into_iter() }
    }

    /// The next entry of `directory` and its bytes. After an `Err` that leaves the rest unreadable,
    /// `None` follows.
    pub(crate) fn next(
        &mut self,
        snapshot: &Snapshot,
        directory: &[u8],
    ) -> Option<Result<(NamedEntry, &[u8]), Error>> {
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let complete = frame_length(rest).is_some_and(|length| length <= rest.len());
            if complete || self.chunks.len() == 0 {
                break;
            }
            if let Err(error) = self.refill(snapshot) {
                self.buffer.clear();
                self.at = 0;
                self.chunks = Vec::new().into_iter();
                return Some(Err(error));
            }
        }
        let start = self.at;
        let damaged = |reason: &str| {
            snapshot.damaged(format!("listing of {}: {reason}", String::from_utf8_lossy(directory)))
        };
        let rest = self.buffer.get(start..).unwrap_or_default();
        let frame = match dirpack::frames(rest).next()? {
            Ok(frame) => frame,
            Err(error) => {
                self.at = self.buffer.len();
                return Some(Err(damaged(&error.to_string())));
            }
        };
        self.at += frame_length(rest).unwrap_or(rest.len());
        if snapshot.repository().key().mac(frame.entry_bytes) != frame.mac {
            return Some(Err(damaged("the bytes of an entry do not match its name")));
        }
        Some(match Entry::decode(frame.entry_bytes) {
            Ok(entry) if entry.info.mode.is_directory() != frame.is_directory => {
                Err(damaged("an entry is not of the kind that its frame says"))
            }
            Ok(entry) => Ok((NamedEntry { entry, mac: frame.mac }, frame.entry_bytes)),
            Err(error) => Err(damaged(&error.to_string())),
        })
    }

    /// Adds the next chunks of a long listing to what is left in the buffer.
    fn refill(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let mut bytes = 0;
        let mut batch = Vec::new();
        while bytes < LISTING_BYTES_WHOLE
            && let Some(chunk) = self.chunks.next()
        {
            bytes += u64::from(chunk.length);
            batch.push(chunk);
        }
        for part in read_chunks(snapshot.repository(), &batch, DecodeOn::AllCores) {
            self.buffer.extend_from_slice(&part?);
        }
        Ok(())
    }
}

/// Length of the frame at the start of `bytes`, once its head is there.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let length: [u8; 4] = bytes.get(1..5)?.try_into().ok()?;
    (u32::from_le_bytes(length) as usize).checked_add(5)
}

/// The children of `directory` as the file tree has them, in byte order.
pub(crate) fn children_from_tree(
    snapshot: &Snapshot,
    directory: &[u8],
) -> Result<Vec<Result<NamedEntry, Error>>, Error> {
    let mut prefix = directory.to_vec();
    if directory != b"/" {
        prefix.push(b'/');
    }
    let mut macs = Vec::new();
    snapshot.file_tree()?.scan_where(&|key| position_among_children(&prefix, key), &mut |_, mac| {
        macs.push(mac);
        Ok(())
    })?;
    let mut children = Vec::with_capacity(macs.len());
    for batch in macs.chunks(OBJECTS_PER_BATCH) {
        let wanted: Vec<BlobId> =
            batch.iter().map(|&mac| BlobId::new(ResourceType::VFS_ENTRY, mac)).collect();
        let entries = snapshot.decode_blobs(&wanted, Entry::decode);
        for (entry, &mac) in entries.into_iter().zip(batch) {
            let entry = entry.and_then(|entry| {
                if entry.parent_path == directory {
                    return Ok(NamedEntry { entry, mac });
                }
                let blob = BlobId::new(ResourceType::VFS_ENTRY, mac);
                Err(damaged_blob(
                    snapshot.repository(),
                    blob,
                    "it lies in another directory than its key says",
                ))
            });
            children.push(entry);
        }
    }
    Ok(children)
}

/// Where a key of the file tree stands relative to the children of a directory, given by its path
/// with a slash at the end.
fn position_among_children(prefix: &[u8], key: &[u8]) -> Ordering {
    path::slashes(key).cmp(&path::slashes(prefix)).then_with(|| {
        if key == prefix {
            Ordering::Less
        } else if key.starts_with(prefix) {
            Ordering::Equal
        } else {
            key.cmp(prefix)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_one_run_of_the_file_tree() {
        let mut keys: Vec<&[u8]> =
            vec![b"/", b"/a", b"/a/b", b"/a/c", b"/a-b", b"/a-b/x", b"/b/x", b"/A/x", b"/a/b/c"];
        keys.sort_by(|a, b| path::tree_order(a, b));
        let inside = |prefix: &[u8]| -> Vec<&[u8]> {
            let positions: Vec<Ordering> =
                keys.iter().map(|key| position_among_children(prefix, key)).collect();
            assert!(positions.is_sorted());
            keys.iter().zip(positions).filter(|(_, at)| *at == Ordering::Equal).map(|(key, _)| *key).collect()
        };
        assert_eq!(inside(b"/"), [&b"/a"[..], b"/a-b"]);
        assert_eq!(inside(b"/a/"), [&b"/a/b"[..], b"/a/c"]);
        assert_eq!(inside(b"/a/b/"), [&b"/a/b/c"[..]]);
        assert!(inside(b"/zz/").is_empty());
    }

    #[test]
    fn frame_length_needs_the_head() {
        assert_eq!(frame_length(&[1, 40, 0, 0]), None);
        assert_eq!(frame_length(&[1, 40, 0, 0, 0]), Some(45));
    }
}
