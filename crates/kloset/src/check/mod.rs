//! Check: reads and verifies everything that snapshots rely on.
//!
//! The trees and listings of a snapshot are read, which tells the blobs it needs and the
//! packfiles that hold them. Every one of these packfiles is read whole, so that a flipped bit in
//! an index, in padding or in a trailer is found, too: those that hold contents beside the walk, the
//! others after it, because a blob that the walk decoded need not be decoded again. At the end each path
//! is told right or wrong by what was found about its object and its chunks. Packfiles and objects that
//! several snapshots share are read once.
//!
//! State files are read from the store as well, also those that a cache knows.
//!
//! The MAC of a content of several chunks is not computed again: the MAC of the object pins the list
//! of its chunks, and the MAC of each chunk pins its bytes.

mod failures;
mod needs;
pub(crate) mod packfile;
pub(crate) mod trees;
mod verdict;
mod verified;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use kloset_format::header::SourceRecord;
use kloset_format::{Mac, PackfileId, ResourceType, SnapshotId, path};

use crate::repository::{ReadLog, VerifiedBlobs, damaged_states};
use crate::vfs::{OBJECTS_PER_BATCH, Step, walk_steps};
use crate::{BlobId, Error, Event, Monitor, Repository, Snapshot};
use failures::Failures;
use needs::{Content, ObjectNumber, Objects, Packfiles, Paths};
use trees::{Fingerprint, need_header, read_trees};
use verified::Verified;

/// Settings of one check.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions {
    /// Read only what a recursive listing needs, and see whether the packfiles are there.
    pub fast: bool,
}

/// Result for one snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotCheck {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Paths and objects found damaged or missing.
    pub errors: u64,
    /// Wall time spent on it.
    pub elapsed: Duration,
}

/// Verifies `targets` (snapshot and clean absolute path to start from), reporting per path to the
/// monitor. Packfiles and objects that several snapshots share are read once.
pub fn check(
    repository: &Arc<Repository>,
    targets: &[(SnapshotId, Vec<u8>)],
    options: CheckOptions,
    monitor: &dyn Monitor,
    done: &mut dyn FnMut(SnapshotCheck),
) -> Result<(), Error> {
    monitor.event(Event::Phase("check"));
    let verified = Verified::new(repository)?;
    // What is cached of a state says nothing about its file, which other machines need.
    let mut states = Vec::new();
    if !options.fast {
        states = damaged_states(repository).map_err(Error::Storage)?;
        repository.read_log.get_or_init(ReadLog::default);
    }
    std::thread::scope(|scope| {
        // When everything is checked, everything is read: contents need not wait for the walk.
        let reads_all = !options.fast && covers_every_snapshot(repository, targets);
        let ahead = reads_all.then(|| {
            scope.spawn(|| {
                verified.read(&packfiles_of_contents(repository), &VerifiedBlobs::default(), monitor)
            })
        });
        let objects = Objects::default();
        let mut run = Run {
            repository,
            monitor,
            verified: &verified,
            ahead,
            objects,
            judged: HashMap::new(),
            sound: None,
            there: Vec::new(),
        };
        for (id, start) in targets {
            repository.runtime().proceed()?;
            let started = Instant::now();
            let mut failures = Failures::new(*id, monitor);
            for (state, problem) in &states {
                failures.object(Mac(state.0), problem);
            }
            match Snapshot::open(repository, *id) {
                Ok(snapshot) if options.fast => run.check_fast(&snapshot, start, &mut failures)?,
                Ok(snapshot) => run.check_whole(&snapshot, start, &mut failures)?,
                Err(error) => failures.error(error)?,
            }
            done(SnapshotCheck { snapshot: *id, errors: failures.count(), elapsed: started.elapsed() });
        }
        Ok(())
    })
}

fn covers_every_snapshot(repository: &Repository, targets: &[(SnapshotId, Vec<u8>)]) -> bool {
    let chosen: HashSet<SnapshotId> = targets.iter().map(|(id, _)| *id).collect();
    repository.snapshots().iter().all(|id| chosen.contains(id))
}

/// Live packfiles that hold chunks and nothing else.
fn packfiles_of_contents(repository: &Repository) -> HashSet<PackfileId> {
    let all = repository.index.packfile_list();
    let mut holds_others = vec![false; all.len()];
    for (blob, place) in repository.index.places() {
        if blob.resource != ResourceType::CHUNK
            && let Some(holds_others) = holds_others.get_mut(place.packfile as usize)
        {
            *holds_others = true;
        }
    }
    all.iter().zip(holds_others).filter(|(_, others)| !others).map(|(packfile, _)| *packfile).collect()
}

struct Run<'a, 's> {
    repository: &'a Arc<Repository>,
    monitor: &'a dyn Monitor,
    verified: &'s Verified<'a>,
    /// Packfiles being read while listings are walked.
    ahead: Option<ScopedJoinHandle<'s, Result<(), Error>>>,
    objects: Objects,
    /// Objects and their chunks that were found wrong or right, once their packfiles were read.
    judged: HashMap<ObjectNumber, Option<String>>,
    /// The last snapshot that was found right as a whole.
    sound: Option<Sound>,
    /// By number: objects that are there, chunks included, as far as the index tells.
    there: Vec<bool>,
}

/// A snapshot without any fault. One with the same trees has none either, its header aside.
struct Sound {
    source: SourceRecord,
    start: Vec<u8>,
    paths: Paths,
}

impl Sound {
    fn is_like(&self, snapshot: &Snapshot, start: &[u8]) -> bool {
        let source = snapshot.source();
        self.source.roots == source.roots
            && self.source.indexes == source.indexes
            && self.source.summary == source.summary
            && self.start == start
    }
}

/// What a walk through the listings found.
#[derive(Default)]
struct Walked {
    paths: Paths,
    /// If it was asked for.
    fingerprint: Option<Fingerprint>,
    /// Whether every directory could be read.
    is_whole: bool,
    /// Objects to read.
    new_objects: Vec<Mac>,
}

impl Run<'_, '_> {
    fn check_whole(
        &mut self,
        snapshot: &Snapshot,
        start: &[u8],
        failures: &mut Failures<'_>,
    ) -> Result<(), Error> {
        let mut packfiles = Packfiles::default();
        need_header(snapshot, &mut packfiles);
        if let Some(sound) = self.sound.take_if(|sound| sound.is_like(snapshot, start)) {
            self.read(&packfiles)?;
            self.tell_the_rest(&packfiles, &HashSet::new(), failures);
            self.tell_paths(&sound.paths, &mut HashSet::new(), failures);
            self.sound = Some(sound);
            return Ok(());
        }
        let trees = read_trees(snapshot, start, &mut packfiles, failures)?;
        let walked = self.walk(snapshot, start, failures)?;
        let listings = self.numbers(snapshot, &trees.listings)?;
        let attributes = self.numbers(snapshot, &trees.attributes)?;
        let contents =
            walked.paths.iter().filter_map(|(_, _, content)| content.map(|content| content.object));
        let contents: HashSet<ObjectNumber> =
            contents.chain(listings.iter().map(|(_, number)| *number)).collect();
        for number in contents.iter().copied().chain(attributes.iter().map(|(_, number)| *number)) {
            packfiles.need_content(self.repository, &self.objects, number);
        }
        let entries = walked.paths.len() as u64;
        if let Some(ahead) = self.ahead.take() {
            ahead.join().unwrap_or_else(|_| Err(Error::Internal("a reader of packfiles died".to_owned())))?;
        }
        let bytes = self.verified.bytes_to_read(&packfiles.needed);
        self.monitor.event(Event::Expected { entries, bytes, complete: true });
        self.read(&packfiles)?;

        let mut explained: HashSet<BlobId> = HashSet::new();
        for (path, number) in &listings {
            if let Some(problem) = self.judge(*number, &mut explained) {
                failures.path(path, &format!("listing: {problem}"));
            }
        }
        for (path, number) in &attributes {
            if let Some(problem) = self.judge(*number, &mut explained) {
                failures.path(path, &format!("extended attribute: {problem}"));
            }
        }
        self.compare(snapshot, start, &trees, &walked, failures)?;
        self.entries_by_path(snapshot, &packfiles, &mut explained, failures)?;
        self.tell_paths(&walked.paths, &mut explained, failures);
        self.tell_the_rest(&packfiles, &explained, failures);
        if failures.count() == 0 {
            let source = snapshot.source().clone();
            self.sound = Some(Sound { source, start: start.to_vec(), paths: walked.paths });
        }
        Ok(())
    }

    /// Reads packfiles; what was decoded since the last time is not decoded again.
    fn read(&self, packfiles: &Packfiles) -> Result<(), Error> {
        let decoded = self.repository.read_log.get().map(ReadLog::take).unwrap_or_default();
        self.verified.read(&packfiles.needed, &decoded, self.monitor)
    }

    /// Reads listings only; whether contents are there is told by the index and the list of packfiles.
    fn check_fast(
        &mut self,
        snapshot: &Snapshot,
        start: &[u8],
        failures: &mut Failures<'_>,
    ) -> Result<(), Error> {
        // As long as no packfile is missing, no object has to be read to know where its chunks are.
        let is_complete =
            self.repository.packfiles().into_iter().all(|packfile| self.verified.exists(packfile));
        let walked = self.walk_listings(snapshot, start, None, failures)?;
        if !is_complete {
            self.read_objects(snapshot, &walked.new_objects)?;
        }
        let entries = walked.paths.len() as u64;
        self.monitor.event(Event::Expected { entries, bytes: 0, complete: true });
        for (path, kind, content) in walked.paths.iter() {
            let problem = content.and_then(|content| self.lost_for_all(content.object));
            match problem {
                Some(problem) => failures.path(&path, &problem),
                None if !failures.has_path(&path) => failures.done(&path, kind),
                None => {}
            }
            self.monitor.event(Event::Progress { entries: 1, bytes: 0 });
        }
        Ok(())
    }

    /// As [`Run::lost`]; a content that several paths or snapshots share is looked for once.
    fn lost_for_all(&mut self, number: ObjectNumber) -> Option<String> {
        let at = number as usize;
        if self.there.get(at).copied().unwrap_or(false) {
            return None;
        }
        let problem = self.lost(number);
        if problem.is_none() {
            self.there.resize(self.there.len().max(at + 1), false);
            self.there.get_mut(at).into_iter().for_each(|there| *there = true);
        }
        problem
    }

    /// Why a content cannot be there, as far as the index and the list of packfiles tell.
    fn lost(&self, number: ObjectNumber) -> Option<String> {
        if let Some(problem) = self.objects.problem(number) {
            return Some(problem.to_owned());
        }
        let object = BlobId::new(ResourceType::OBJECT, self.objects.mac(number));
        let chunks = self.objects.chunks(number).iter();
        let chunks = chunks.map(|(chunk, _)| BlobId::new(ResourceType::CHUNK, *chunk));
        std::iter::once(object).chain(chunks).find_map(|blob| match self.repository.locate(blob) {
            None => Some(format!("{} {} is missing", blob.resource, blob.mac)),
            Some(place) if !self.verified.exists(place.packfile) => {
                Some(format!("{} {}: packfile {} does not exist", blob.resource, blob.mac, place.packfile))
            }
            Some(_) => None,
        })
    }

    fn walk(
        &mut self,
        snapshot: &Snapshot,
        start: &[u8],
        failures: &mut Failures<'_>,
    ) -> Result<Walked, Error> {
        let walked = self.walk_listings(snapshot, start, Some(Fingerprint::default()), failures)?;
        self.read_objects(snapshot, &walked.new_objects)?;
        Ok(walked)
    }

    fn walk_listings(
        &mut self,
        snapshot: &Snapshot,
        start: &[u8],
        fingerprint: Option<Fingerprint>,
        failures: &mut Failures<'_>,
    ) -> Result<Walked, Error> {
        let mut walked = Walked { is_whole: true, fingerprint, ..Walked::default() };
        let outcome = walk_steps(snapshot, start, &mut |step| {
            let (path, entry) = match step {
                Step::Found { path, entry } => (path, entry),
                Step::Damaged { path, error, recovered } => {
                    walked.is_whole &= recovered;
                    failures.path(&path, &error.to_string());
                    return Ok(());
                }
            };
            if let Some(fingerprint) = &mut walked.fingerprint {
                fingerprint.add(snapshot, &path, entry.mac);
            }
            let entry = entry.entry;
            let kind = entry.info.mode.kind();
            let mut content = None;
            if entry.info.mode.is_regular() {
                if entry.object.is_zero() {
                    failures.path(&path, "its content is not recorded");
                } else {
                    let (object, is_new) = self.objects.number(entry.object);
                    let size = u64::try_from(entry.info.size).unwrap_or(0);
                    content = Some(Content { object, size });
                    walked.new_objects.extend(is_new.then_some(entry.object));
                }
            }
            if path != b"/" && entry.parent_path != path::parent(&path) {
                failures.path(&path, "its entry names another directory");
            }
            walked.paths.push(&path, kind, content);
            Ok(())
        });
        match outcome {
            Err(error) if error.is_damage() => {
                walked.is_whole = false;
                failures.path(start, &error.to_string());
            }
            outcome => outcome?,
        }
        Ok(walked)
    }

    fn read_objects(&mut self, snapshot: &Snapshot, macs: &[Mac]) -> Result<(), Error> {
        for batch in macs.chunks(OBJECTS_PER_BATCH) {
            self.repository.runtime().proceed()?;
            for (object, &mac) in snapshot.objects(batch).into_iter().zip(batch) {
                match object {
                    Err(error) if !error.is_damage() => return Err(error),
                    object => self.objects.read(self.repository, mac, object),
                }
            }
        }
        Ok(())
    }

    /// Numbers of objects that belong to paths; new ones are read.
    fn numbers(
        &mut self,
        snapshot: &Snapshot,
        named: &[(Vec<u8>, Mac)],
    ) -> Result<Vec<(Vec<u8>, ObjectNumber)>, Error> {
        let mut new = Vec::new();
        let mut numbers = Vec::with_capacity(named.len());
        for (path, mac) in named {
            let (number, is_new) = self.objects.number(*mac);
            new.extend(is_new.then_some(*mac));
            numbers.push((path.clone(), number));
        }
        self.read_objects(snapshot, &new)?;
        Ok(numbers)
    }
}
