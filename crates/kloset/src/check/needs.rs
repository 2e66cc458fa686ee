//! What the snapshots of one run need: objects with their chunks, and other blobs by packfile.
//!
//! Everything is kept as small as it can be: a run over a million files stays far below the
//! memory budget.

use std::collections::{HashMap, HashSet};

use kloset_format::object::Object;
use kloset_format::{FileKind, Mac, PackfileId, ResourceType, path};

use crate::{BlobId, Error, Repository};

/// Number of an object within the run.
pub(super) type ObjectNumber = u32;

/// Objects met so far. One that several files or snapshots share is read once.
#[derive(Default)]
pub(super) struct Objects {
    numbers: HashMap<Mac, ObjectNumber>,
    records: Vec<Record>,
    chunks: Vec<(Mac, u32)>,
    problems: HashMap<ObjectNumber, String>,
}

struct Record {
    mac: Mac,
    chunks: std::ops::Range<u32>,
    content_bytes: u64,
    packfile: Option<PackfileId>,
}

impl Objects {
    /// The number of an object; the flag says that it is new and must be read.
    pub(super) fn number(&mut self, mac: Mac) -> (ObjectNumber, bool) {
        if let Some(&number) = self.numbers.get(&mac) {
            return (number, false);
        }
        let number = self.records.len() as ObjectNumber;
        self.numbers.insert(mac, number);
        self.records.push(Record { mac, chunks: 0..0, content_bytes: 0, packfile: None });
        (number, true)
    }

    /// Takes in what reading an object gave.
    pub(super) fn read(&mut self, repository: &Repository, mac: Mac, object: Result<Object, Error>) {
        let Some(&number) = self.numbers.get(&mac) else { return };
        let Some(record) = self.records.get_mut(number as usize) else { return };
        record.packfile =
            repository.locate(BlobId::new(ResourceType::OBJECT, mac)).map(|place| place.packfile);
        match object {
            Ok(object) => {
                // The MACs of the object and of its chunks pin every byte of the content, in order.
                // With one chunk, the two MACs must be the same on top of that.
                if let [chunk] = object.chunks.as_slice()
                    && chunk.mac != object.content_mac
                {
                    self.problems
                        .insert(number, "the object names another content than its chunk".to_owned());
                }
                let start = self.chunks.len() as u32;
                self.chunks.extend(object.chunks.iter().map(|chunk| (chunk.mac, chunk.length)));
                record.chunks = start..self.chunks.len() as u32;
                record.content_bytes = object.content_bytes();
            }
            Err(error) => {
                self.problems.insert(number, error.to_string());
            }
        }
    }

    /// Name of an object.
    pub(super) fn mac(&self, number: ObjectNumber) -> Mac {
        self.records.get(number as usize).map_or(Mac::ZERO, |record| record.mac)
    }

    /// Length of the content.
    pub(super) fn content_bytes(&self, number: ObjectNumber) -> u64 {
        self.records.get(number as usize).map_or(0, |record| record.content_bytes)
    }

    /// What was wrong with the object when it was read.
    pub(super) fn problem(&self, number: ObjectNumber) -> Option<&str> {
        self.problems.get(&number).map(String::as_str)
    }

    /// Names and lengths of the chunks.
    pub(super) fn chunks(&self, number: ObjectNumber) -> &[(Mac, u32)] {
        let range = self.records.get(number as usize).map_or(0..0, |record| record.chunks.clone());
        self.chunks.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}

/// Packfiles that hold what one snapshot needs, and needed blobs that none holds.
#[derive(Default)]
pub(super) struct Packfiles {
    pub needed: HashSet<PackfileId>,
    pub missing: Vec<BlobId>,
}

impl Packfiles {
    /// Notes that `blob` is needed.
    pub(super) fn need(&mut self, repository: &Repository, blob: BlobId) {
        match repository.locate(blob) {
            Some(place) => {
                self.needed.insert(place.packfile);
            }
            None => self.missing.push(blob),
        }
    }

    /// Notes that an object and its chunks are needed. Missing ones are found through the object.
    pub(super) fn need_content(&mut self, repository: &Repository, objects: &Objects, number: ObjectNumber) {
        if let Some(packfile) = objects.records.get(number as usize).and_then(|record| record.packfile) {
            self.needed.insert(packfile);
        }
        for (chunk, _) in objects.chunks(number) {
            if let Some(place) = repository.locate(BlobId::new(ResourceType::CHUNK, *chunk)) {
                self.needed.insert(place.packfile);
            }
        }
    }
}

/// The content of a file.
#[derive(Clone, Copy)]
pub(super) struct Content {
    pub object: ObjectNumber,
    /// Size that the entry records.
    pub size: u64,
}

/// Paths of one snapshot in the order of the walk, a few bytes each.
#[derive(Default)]
pub(super) struct Paths {
    names: Vec<u8>,
    rows: Vec<Row>,
    directories: Vec<Vec<u8>>,
}

#[derive(Clone, Copy)]
struct Row {
    name_start: u32,
    name_length: u32,
    kind: FileKind,
    directory: u32,
    content: Option<Content>,
}

impl Paths {
    /// Adds a path; parents come before their children.
    pub(super) fn push(&mut self, path: &[u8], kind: FileKind, content: Option<Content>) {
        let parent = path::parent(path);
        let name = path::base_name(path);
        if self.directories.last().is_none_or(|last| last != parent) {
            self.directories.push(parent.to_vec());
        }
        let directory = (self.directories.len() - 1) as u32;
        let (name_start, name_length) = (self.names.len() as u32, name.len() as u32);
        self.names.extend_from_slice(name);
        self.rows.push(Row { name_start, name_length, kind, directory, content });
    }

    /// Number of paths.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Every path with its kind and its content.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Vec<u8>, FileKind, Option<Content>)> + '_ {
        self.rows.iter().map(|row| {
            let (start, length) = (row.name_start as usize, row.name_length as usize);
            let name = self.names.get(start..start + length).unwrap_or_default();
            let parent = self.directories.get(row.directory as usize).map_or(&b"/"[..], Vec::as_slice);
            (path::join(parent, name), row.kind, row.content)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_back_in_order() {
        let mut paths = Paths::default();
        let all: [&[u8]; 6] = [b"/", b"/a", b"/a/x", b"/a/x/y", b"/a/z", b"/b"];
        for path in all {
            paths.push(path, FileKind::Directory, None);
        }
        assert!(paths.iter().map(|(path, ..)| path).eq(all));
    }
}
