//! Finds single paths and lists single directories.

use std::collections::VecDeque;

use kloset_format::entry::Entry;
use kloset_format::header::Index;
use kloset_format::{ResourceType, path};

use super::listing::{FrameReader, Listing, ListingStream};
use super::{DirectoryIndex, Found, NamedEntry, children_from_tree};
use crate::{BlobId, Error, Snapshot};

/// Symbolic links followed on the way to one path.
const LINKS_MAX: usize = 40;

impl Snapshot {
    /// The directory that was backed up.
    pub fn root_directory(&self) -> &[u8] {
        match self.source().importer.directory.as_slice() {
            b"" => b"/",
            directory => directory,
        }
    }

    /// Turns a path as typed (absolute, or relative to the root directory, possibly empty) into a
    /// clean absolute one.
    pub fn absolute(&self, path: &[u8]) -> Vec<u8> {
        if path.first() == Some(&b'/') {
            return path::clean(path);
        }
        path::clean(&[self.root_directory(), b"/", path].concat())
    }

    /// The entry at a clean absolute path, links not followed.
    pub fn entry(&self, path: &[u8]) -> Result<Found, Error> {
        let named = self.named_entry(path)?;
        Ok(Found { path: path.to_vec(), entry: named.entry })
    }

    /// The entry at a clean absolute path, symbolic links followed (in every component).
    pub fn resolve(&self, path: &[u8]) -> Result<Found, Error> {
        match self.entry(path) {
            Ok(found) if !found.entry.info.mode.is_symlink() => return Ok(found),
            Ok(_) | Err(Error::PathUnknown { .. }) => {}
            Err(error) => return Err(error),
        }
        let mut links = 0;
        let mut found = self.entry(b"/")?;
        let mut pending: VecDeque<Vec<u8>> = components(path).collect();
        while let Some(name) = pending.pop_front() {
            if name == b".." {
                found = self.entry(path::parent(&found.path))?;
                continue;
            }
            let next = self.entry(&path::join(&found.path, &name)).map_err(|error| match error {
                Error::PathUnknown { .. } => unknown(path),
                other => other,
            })?;
            if !next.entry.info.mode.is_symlink() {
                found = next;
                continue;
            }
            links += 1;
            if links > LINKS_MAX {
                return Err(Error::TooManyLinks { path: lossy(path) });
            }
            let target = &next.entry.symlink_target;
            if target.first() == Some(&b'/') {
                found = self.entry(b"/")?;
            }
            for component in components(target).collect::<Vec<_>>().into_iter().rev() {
                pending.push_front(component);
            }
        }
        Ok(found)
    }

    /// The children of a directory in byte order of their names.
    pub fn children(&self, directory: &[u8]) -> Result<Vec<Entry>, Error> {
        let children = match self.listed_children(directory) {
            Ok(Some(children)) => children,
            Ok(None) => self.tree_children(directory)?,
            // A damaged listing may still be read entry by entry.
            Err(error) if error.is_damage() => self.tree_children(directory).map_err(|_| error)?,
            Err(error) => return Err(error),
        };
        if children.is_empty() && !self.named_entry(directory)?.entry.info.mode.is_directory() {
            return Err(Error::WrongKind { path: lossy(directory), wanted: "directory" });
        }
        Ok(children.into_iter().map(|child| child.entry).collect())
    }

    /// The entry at a clean absolute path with the name of its blob.
    pub(crate) fn named_entry(&self, path: &[u8]) -> Result<NamedEntry, Error> {
        if let Some(entry) = self.trees().found(path) {
            return Ok(entry);
        }
        let entry = self.look_up(path)?;
        self.trees().remember(path, &entry);
        Ok(entry)
    }

    fn look_up(&self, path: &[u8]) -> Result<NamedEntry, Error> {
        if path == b"/" {
            return self.entry_from_tree(path);
        }
        match self.entry_from_listing(path) {
            Ok(Some(entry)) => Ok(entry),
            Ok(None) => Err(unknown(path)),
            Err(Error::PathUnknown { .. }) => self.entry_from_tree(path),
            Err(error) if error.is_damage() => self.entry_from_tree(path).map_err(|_| error),
            Err(error) => Err(error),
        }
    }

    /// From the listing of the parent. `PathUnknown` if there is no dirpack index at all.
    fn entry_from_listing(&self, path: &[u8]) -> Result<Option<NamedEntry>, Error> {
        let parent = path::parent(path);
        let name = path::base_name(path);
        let Some(listing) = self.listing(parent)? else { return Ok(None) };
        let mut frames = FrameReader::new(listing.ok_or_else(|| unknown(path))?);
        while let Some(frame) = frames.next(self, parent) {
            let (named, _) = frame?;
            if named.entry.info.name == name {
                return Ok(Some(named));
            }
        }
        Ok(None)
    }

    fn entry_from_tree(&self, path: &[u8]) -> Result<NamedEntry, Error> {
        let mac = self.file_tree()?.find(path)?.ok_or_else(|| unknown(path))?;
        let blob = BlobId::new(ResourceType::VFS_ENTRY, mac);
        let entry = self.decode_blobs(&[blob], Entry::decode).pop();
        let entry = entry.unwrap_or_else(|| Err(Error::Internal("an entry was not delivered".to_owned())))?;
        Ok(NamedEntry { entry, mac })
    }

    /// `None` if there is no dirpack index or it does not know the directory.
    fn listed_children(&self, directory: &[u8]) -> Result<Option<Vec<NamedEntry>>, Error> {
        let Some(Some(listing)) = self.listing(directory)? else { return Ok(None) };
        let mut frames = FrameReader::new(listing);
        let mut children = Vec::new();
        while let Some(frame) = frames.next(self, directory) {
            children.push(frame?.0);
        }
        Ok(Some(children))
    }

    fn tree_children(&self, directory: &[u8]) -> Result<Vec<NamedEntry>, Error> {
        if !self.entry_from_tree(directory)?.entry.info.mode.is_directory() {
            return Err(Error::WrongKind { path: lossy(directory), wanted: "directory" });
        }
        children_from_tree(self, directory)?.into_iter().collect()
    }

    /// The listing of one directory: `Some(None)` if the snapshot has no dirpack index, `None` if the
    /// index does not know the directory.
    fn listing(&self, directory: &[u8]) -> Result<Option<Option<Listing>>, Error> {
        let mac = match self.trees().directories.get() {
            Some((base, index)) if path::is_within(directory, base) => {
                index.find(directory).and_then(|row| index.object(row))
            }
            _ => match self.index_tree(Index::DIRPACK)? {
                Some(tree) => tree.find(directory)?,
                None => return Ok(Some(None)),
            },
        };
        let Some(mac) = mac else { return Ok(None) };
        let one = DirectoryIndex::single(directory, mac);
        let listing = ListingStream::new(self, &one, 0..1).next();
        listing.transpose().map(Some)
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".").map(<[u8]>::to_vec)
}

pub(super) fn unknown(path: &[u8]) -> Error {
    Error::PathUnknown { path: lossy(path) }
}

pub(super) fn lossy(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
