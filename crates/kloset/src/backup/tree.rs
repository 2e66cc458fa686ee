//! The snapshot under construction: directories waiting for their files, and finished ones.
//!
//! A directory is complete once every child's entry is known; then its dirpack is stored and only
//! names and MACs stay in memory, which the trees at the end need.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kloset_connector::Record;
use kloset_format::entry::Entry;
use kloset_format::{Mac, ResourceType, Summary, Text, dirpack, path};

use super::content::write_dirpack;
use crate::guard::{guard, unwrap_mutex};
use crate::write::Packer;
use crate::{Error, Repository};

/// A directory whose children are not all known yet.
pub(crate) struct Directory {
    pub(crate) path: Vec<u8>,
    children: Mutex<Vec<Child>>,
    /// Children whose content is being read, plus one while the listing is being handled.
    pending: AtomicUsize,
}

/// One child of a directory, in ascending order of names.
pub(crate) enum Child {
    /// Content not read yet.
    Waiting(Box<Record>),
    /// Stored.
    Ready {
        /// The entry as stored.
        entry: Box<Entry>,
        /// Its name.
        mac: Mac,
    },
    /// Could not be read: an error entry stands for it.
    Failed,
}

/// A directory whose dirpack is stored.
pub(crate) struct FinishedDirectory {
    pub(crate) path: Vec<u8>,
    pub(crate) children: Vec<FinishedChild>,
    /// Direct children that are not directories; those are added at the end.
    pub(crate) summary: Summary,
    /// Object that the dirpack index points at.
    pub(crate) dirpack: Mac,
}

/// What the trees need of a child.
pub(crate) struct FinishedChild {
    pub(crate) name: Box<[u8]>,
    pub(crate) mac: Mac,
    /// Position in [`Tree::content_types`]; `None` for directories and entries without a type.
    pub(crate) content_type: Option<u16>,
    pub(crate) is_directory: bool,
}

/// Everything found so far.
#[derive(Default)]
pub(crate) struct Tree {
    open: Mutex<Vec<Option<Arc<Directory>>>>,
    finished: Mutex<Vec<FinishedDirectory>>,
    content_types: Mutex<Vec<String>>,
    pub(crate) errors: Mutex<Vec<(Vec<u8>, Text)>>,
    /// Key in the attribute tree and name of the attribute's blob.
    pub(crate) xattrs: Mutex<Vec<(Vec<u8>, Mac)>>,
    /// The entry of `/`, which no listing holds.
    pub(crate) root: Mutex<Option<Mac>>,
}

impl Directory {
    /// Takes the record of a waiting child.
    pub(crate) fn take_waiting(&self, child: usize) -> Option<Box<Record>> {
        let mut children = guard(&self.children);
        let slot = children.get_mut(child)?;
        match std::mem::replace(slot, Child::Failed) {
            Child::Waiting(record) => Some(record),
            other => {
                *slot = other;
                None
            }
        }
    }

    /// Puts the outcome of a child in place; returns whether the directory is complete now.
    pub(crate) fn settle(&self, child: usize, outcome: Child) -> bool {
        if let Some(slot) = guard(&self.children).get_mut(child) {
            *slot = outcome;
        }
        self.one_less()
    }

    /// The listing has been handled; returns whether nothing was left to read.
    pub(crate) fn one_less(&self) -> bool {
        self.pending.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

impl Tree {
    /// Registers a directory with its children; returns it with its number, which read requests carry.
    pub(crate) fn open(&self, path: Vec<u8>, children: Vec<Child>) -> (u32, Arc<Directory>) {
        let waiting = children.iter().filter(|child| matches!(child, Child::Waiting(_))).count();
        let directory = Arc::new(Directory {
            path,
            children: Mutex::new(children),
            pending: AtomicUsize::new(waiting + 1),
        });
        let mut open = guard(&self.open);
        open.push(Some(Arc::clone(&directory)));
        (open.len() as u32 - 1, directory)
    }

    /// The directory with this number, until it is complete.
    pub(crate) fn directory(&self, number: u32) -> Option<Arc<Directory>> {
        guard(&self.open).get(number as usize)?.clone()
    }

    /// Stores the dirpack of a complete directory.
    pub(crate) fn complete(
        &self,
        repository: &Repository,
        packer: &mut Packer,
        number: u32,
        directory: &Directory,
    ) -> Result<(), Error> {
        let children = std::mem::take(&mut *guard(&directory.children));
        if let Some(slot) = guard(&self.open).get_mut(number as usize) {
            *slot = None;
        }
        let ready = children.into_iter().filter_map(|child| match child {
            Child::Ready { entry, mac } => Some((entry, mac)),
            _ => None,
        });
        self.finish(repository, packer, directory.path.clone(), ready)
    }

    /// Stores the dirpack of a directory whose children, in ascending order of names, are stored.
    pub(crate) fn finish(
        &self,
        repository: &Repository,
        packer: &mut Packer,
        path: Vec<u8>,
        children: impl Iterator<Item = (Box<Entry>, Mac)>,
    ) -> Result<(), Error> {
        let count = children.size_hint().1.unwrap_or_default();
        let mut summary = Summary::default();
        let mut frames = Vec::with_capacity(count * 384);
        let mut bytes = Vec::with_capacity(512);
        let mut finished = Vec::with_capacity(count);
        for (entry, mac) in children {
            let is_directory = entry.info.mode.is_directory();
            if !is_directory {
                summary.add_entry(&entry);
            }
            bytes.clear();
            entry.encode(&mut bytes);
            dirpack::push_frame(&mut frames, is_directory, &bytes, &mac);
            finished.push(FinishedChild {
                content_type: if is_directory { None } else { self.content_type(&entry.content_type) },
                name: entry.info.name.into_boxed_slice(),
                mac,
                is_directory,
            });
        }
        let dirpack = write_dirpack(repository, packer, &frames)?;
        guard(&self.finished).push(FinishedDirectory { path, children: finished, summary, dirpack });
        Ok(())
    }

    /// Position of a content type without its parameters.
    fn content_type(&self, text: &str) -> Option<u16> {
        let bare = text.split(';').next().unwrap_or_default();
        if bare.is_empty() {
            return None;
        }
        let mut known = guard(&self.content_types);
        if let Some(at) = known.iter().position(|other| other == bare) {
            return Some(at as u16);
        }
        known.push(bare.to_owned());
        u16::try_from(known.len() - 1).ok()
    }

    /// Records a path that could not be read; the first reason for a path stays.
    pub(crate) fn fail(&self, path: Vec<u8>, reason: String) {
        guard(&self.errors).push((path, reason.into()));
    }

    /// Everything, for the trees: directories, content types by position, errors, attributes, root.
    pub(crate) fn into_parts(self) -> TreeParts {
        let mut errors = unwrap_mutex(self.errors);
        errors.sort();
        errors.dedup_by(|later, first| later.0 == first.0);
        TreeParts {
            unfinished: unwrap_mutex(self.open).into_iter().flatten().collect(),
            directories: unwrap_mutex(self.finished),
            content_types: unwrap_mutex(self.content_types),
            errors,
            xattrs: unwrap_mutex(self.xattrs),
            root: unwrap_mutex(self.root),
        }
    }
}

/// A finished [`Tree`].
pub(crate) struct TreeParts {
    /// Directories whose source was lost before all of their files were read.
    pub(crate) unfinished: Vec<Arc<Directory>>,
    pub(crate) directories: Vec<FinishedDirectory>,
    pub(crate) content_types: Vec<String>,
    /// Sorted by path, one per path.
    pub(crate) errors: Vec<(Vec<u8>, Text)>,
    pub(crate) xattrs: Vec<(Vec<u8>, Mac)>,
    pub(crate) root: Option<Mac>,
}

impl TreeParts {
    /// Gives every directory that was cut short what it had, and every file of it that is missing
    /// an error.
    pub(crate) fn settle_lost(&mut self, repository: &Repository, packer: &mut Packer) -> Result<(), Error> {
        let tree = Tree {
            content_types: Mutex::new(std::mem::take(&mut self.content_types)),
            finished: Mutex::new(std::mem::take(&mut self.directories)),
            ..Tree::default()
        };
        for directory in std::mem::take(&mut self.unfinished) {
            for child in guard(&directory.children).iter() {
                if let Child::Waiting(record) = child {
                    let path = path::join(&directory.path, &record.info.name);
                    self.errors.push((path, "the source was lost before it was read".into()));
                }
            }
            tree.complete(repository, packer, u32::MAX, &directory)?;
        }
        let parts = tree.into_parts();
        self.directories = parts.directories;
        self.content_types = parts.content_types;
        let listed: std::collections::HashSet<&[u8]> =
            self.directories.iter().map(|directory| directory.path.as_slice()).collect();
        for directory in &self.directories {
            for child in directory.children.iter().filter(|child| child.is_directory) {
                let path = path::join(&directory.path, &child.name);
                if !listed.contains(path.as_slice()) {
                    self.errors.push((path, "the source was lost before it was listed".into()));
                }
            }
        }
        self.errors.sort();
        self.errors.dedup_by(|later, first| later.0 == first.0);
        Ok(())
    }

    /// Adds an empty dirpack for every directory that has an entry but could not be listed.
    pub(crate) fn complete_unlisted(
        &mut self,
        repository: &Repository,
        packer: &mut Packer,
    ) -> Result<(), Error> {
        let listed: std::collections::HashSet<&[u8]> =
            self.directories.iter().map(|directory| directory.path.as_slice()).collect();
        let mut missing = Vec::new();
        for directory in &self.directories {
            for child in directory.children.iter().filter(|child| child.is_directory) {
                let child = path::join(&directory.path, &child.name);
                if !listed.contains(child.as_slice()) {
                    missing.push(child);
                }
            }
        }
        if !listed.contains(b"/".as_slice()) {
            missing.push(b"/".to_vec());
        }
        if missing.is_empty() {
            return Ok(());
        }
        let dirpack = write_dirpack(repository, packer, &[])?;
        self.directories.extend(missing.into_iter().map(|path| FinishedDirectory {
            path,
            children: Vec::new(),
            summary: Summary::default(),
            dirpack,
        }));
        Ok(())
    }
}

/// Encodes and stores an entry.
pub(crate) fn store_entry(packer: &mut Packer, entry: Entry, bytes: &mut Vec<u8>) -> Result<Child, Error> {
    bytes.clear();
    entry.encode(bytes);
    let mac = packer.store(ResourceType::VFS_ENTRY, bytes)?;
    Ok(Child::Ready { entry: Box::new(entry), mac })
}
