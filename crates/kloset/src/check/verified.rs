//! Which blobs were verified by reading packfiles whole; each packfile is read once in a run.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use kloset_connector::StoreFile;
use kloset_format::PackfileId;

use super::packfile::{CheckBuffers, CheckedPackfile, check_packfile};
use crate::guard::{guard, unwrap_mutex};
use crate::repository::VerifiedBlobs;
use crate::{BlobId, Error, Event, Monitor, Repository};

/// Encoded bytes of packfiles in memory, all threads together.
const MEMORY_BYTES: u64 = 192 << 20;

/// What is known of the packfiles of the store.
pub(super) struct Verified<'a> {
    repository: &'a Repository,
    is_archive: bool,
    /// Sizes by name, where the listing tells.
    listed: HashMap<PackfileId, Option<u64>>,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    /// Blobs that are right where the index says they are.
    blobs: VerifiedBlobs,
    /// Blobs that are damaged where the index says they are.
    bad: HashMap<BlobId, (PackfileId, String)>,
    /// Packfiles read, with what is wrong with them as such.
    packfiles: HashMap<PackfileId, Vec<String>>,
}

impl<'a> Verified<'a> {
    /// Lists the packfiles of the store.
    pub(super) fn new(repository: &'a Repository) -> Result<Self, Error> {
        let listed = repository.storage().list(StoreFile::Packfile).map_err(Error::Storage)?;
        Ok(Self {
            repository,
            is_archive: repository.storage().info().kind == "ptar",
            listed: listed.into_iter().map(|file| (PackfileId(file.name), file.size)).collect(),
            found: Mutex::default(),
        })
    }

    /// Whether the store has this packfile.
    pub(super) fn exists(&self, packfile: PackfileId) -> bool {
        self.is_archive || self.listed.contains_key(&packfile)
    }

    /// Reads the packfiles that were not read yet. `verified` are blobs that need not be decoded again.
    pub(super) fn read(
        &self,
        needed: &HashSet<PackfileId>,
        verified: &VerifiedBlobs,
        monitor: &dyn Monitor,
    ) -> Result<(), Error> {
        let mut wanted: Vec<(PackfileId, u64)> = Vec::new();
        for &packfile in needed {
            if guard(&self.found).packfiles.contains_key(&packfile) {
                continue;
            }
            match self.size(packfile)? {
                Some(size) => wanted.push((packfile, size)),
                None => {
                    guard(&self.found).packfiles.insert(packfile, vec!["it does not exist".to_owned()]);
                }
            }
        }
        wanted.sort_unstable();
        let threads = self.repository.runtime().threads.min(wanted.len()).max(1);
        let memory_bytes = MEMORY_BYTES / threads as u64;
        let next = AtomicUsize::new(0);
        let found = &self.found;
        let fatal: Mutex<Option<Error>> = Mutex::new(None);
        let repository = self.repository;
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let mut buffers = CheckBuffers::default();
                    while let Some(&(packfile, size)) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let checked = repository.runtime().proceed().and_then(|()| {
                            check_packfile(repository, packfile, size, memory_bytes, verified, &mut buffers)
                        });
                        match checked {
                            Ok(checked) => guard(found).add(repository, packfile, checked),
                            Err(error) => {
                                guard(&fatal).get_or_insert(error);
                                // The other threads find nothing left to do.
                                next.store(wanted.len(), Ordering::Relaxed);
                            }
                        }
                        monitor.event(Event::Progress { entries: 0, bytes: size });
                    }
                });
            }
        });
        unwrap_mutex(fatal).map_or(Ok(()), Err)
    }

    /// Bytes of the packfiles that [`Verified::read`] would read.
    pub(super) fn bytes_to_read(&self, needed: &HashSet<PackfileId>) -> u64 {
        let found = guard(&self.found);
        let unread = needed.iter().filter(|packfile| !found.packfiles.contains_key(packfile));
        unread.filter_map(|packfile| self.listed.get(packfile).copied().flatten()).sum()
    }

    fn size(&self, packfile: PackfileId) -> Result<Option<u64>, Error> {
        let listed = match self.is_archive {
            // The one packfile of an archive answers to any name.
            true => self.listed.values().next(),
            false => self.listed.get(&packfile),
        };
        match listed {
            None => Ok(None),
            Some(Some(size)) => Ok(Some(*size)),
            Some(None) => {
                let whole = self.repository.storage().get(StoreFile::Packfile, &packfile.0);
                whole.map(|bytes| Some(bytes.len() as u64)).map_err(Error::Storage)
            }
        }
    }

    /// What is wrong with a blob; `None` if it was verified where the index says it is.
    pub(super) fn problem(&self, blob: BlobId) -> Option<String> {
        self.problem_in(&guard(&self.found), blob)
    }

    fn problem_in(&self, found: &Found, blob: BlobId) -> Option<String> {
        let BlobId { resource, mac } = blob;
        if let Some((packfile, reason)) = found.bad.get(&blob) {
            return Some(format!("{resource} {mac} in packfile {packfile}: {reason}"));
        }
        if found.blobs.length(blob).is_some() {
            return None;
        }
        let Some(place) = self.repository.locate(blob) else {
            return Some(format!("{resource} {mac} is missing"));
        };
        let packfile = place.packfile;
        match found.packfiles.get(&packfile).and_then(|problems| problems.first()) {
            Some(problem) => Some(format!("{resource} {mac}: packfile {packfile}: {problem}")),
            None => Some(format!("{resource} {mac} is not where it should be in packfile {packfile}")),
        }
    }

    /// Plain length of a verified blob.
    pub(super) fn length(&self, blob: BlobId) -> Option<u32> {
        guard(&self.found).blobs.length(blob)
    }

    /// Damaged blobs of these packfiles.
    pub(super) fn bad_blobs(&self, packfiles: &HashSet<PackfileId>) -> Vec<(BlobId, String)> {
        let found = guard(&self.found);
        let bad = found.bad.iter().filter(|(_, (packfile, _))| packfiles.contains(packfile));
        let mut bad: Vec<(BlobId, String)> =
            bad.filter_map(|(blob, _)| Some((*blob, self.problem_in(&found, *blob)?))).collect();
        bad.sort_unstable();
        bad
    }

    /// What is wrong with a packfile as such.
    pub(super) fn packfile_problems(&self, packfile: PackfileId) -> Vec<String> {
        guard(&self.found).packfiles.get(&packfile).cloned().unwrap_or_default()
    }
}

impl Found {
    fn add(&mut self, repository: &Repository, packfile: PackfileId, checked: CheckedPackfile) {
        let mut problems = checked.problems;
        if checked.blobs.iter().any(|blob| blob.result.is_err()) {
            // The checksums differ because of these blobs, which are reported themselves.
            problems.clear();
        }
        for blob in checked.blobs {
            let is_used = repository.locate(blob.blob) == Some(blob.place);
            match blob.result {
                Ok(length) if is_used => {
                    self.blobs.insert(blob.blob, length);
                }
                Ok(_) => {}
                Err(reason) if is_used => {
                    self.bad.insert(blob.blob, (packfile, reason));
                }
                Err(reason) => {
                    problems
                        .push(format!("a spare copy of {} {}: {reason}", blob.blob.resource, blob.blob.mac));
                }
            }
        }
        self.packfiles.insert(packfile, problems);
    }
}
