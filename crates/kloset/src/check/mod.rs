//! Check: reads and verifies everything that snapshots rely on.
//!
//! The trees and listings of a snapshot are read, which tells the blobs it needs and the
//! packfiles that hold them. Every one of these packfiles is read whole, beside or after, so that a flipped bit in
//! an index, in padding or in a trailer is found, too. At the end each path is told right or wrong by
//! what was found about its object and its chunks. Packfiles and objects that several snapshots
//! share are read once.
//!
//! The MAC of a content of several chunks is not computed again: the MAC of the object pins the list
//! of its chunks, and the MAC of each chunk pins its bytes.

mod failures;
mod needs;
pub(crate) mod packfile;
pub(crate) mod trees;
mod verified;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use kloset_format::{Mac, PackfileId, ResourceType, SnapshotId, path};

use crate::vfs::{OBJECTS_PER_BATCH, Step, walk_steps};
use crate::{BlobId, Error, Event, Monitor, Repository, Snapshot};
use failures::Failures;
use needs::{Content, ObjectNumber, Objects, Packfiles, Paths};
use trees::{Fingerprint, Trees, read_trees};
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
    let live: HashSet<PackfileId> = repository.packfiles().into_iter().collect();
    std::thread::scope(|scope| {
        // When everything is checked, everything is read: that need not wait for the walk.
        let reads_all = !options.fast && covers_every_snapshot(repository, targets);
        let ahead = reads_all.then(|| scope.spawn(|| verified.read(&live, monitor)));
        let objects = Objects::default();
        let mut run =
            Run { repository, monitor, verified: &verified, ahead, objects, judged: HashMap::new() };
        for (id, start) in targets {
            repository.runtime().proceed()?;
            let started = Instant::now();
            let mut failures = Failures::new(*id, monitor);
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

struct Run<'a, 's> {
    repository: &'a Arc<Repository>,
    monitor: &'a dyn Monitor,
    verified: &'s Verified<'a>,
    /// Packfiles being read while listings are walked.
    ahead: Option<ScopedJoinHandle<'s, Result<(), Error>>>,
    objects: Objects,
    /// Objects and their chunks that were found wrong or right, once their packfiles were read.
    judged: HashMap<ObjectNumber, Option<String>>,
}

/// What a walk through the listings found.
#[derive(Default)]
struct Walked {
    paths: Paths,
    fingerprint: Fingerprint,
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
        self.verified.read(&packfiles.needed, self.monitor)?;

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
        Ok(())
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
        let walked = self.walk_listings(snapshot, start, failures)?;
        if !is_complete {
            self.read_objects(snapshot, &walked.new_objects)?;
        }
        let entries = walked.paths.len() as u64;
        self.monitor.event(Event::Expected { entries, bytes: 0, complete: true });
        for (path, kind, content) in walked.paths.iter() {
            let problem = content.and_then(|content| self.lost(content.object));
            match problem {
                Some(problem) => failures.path(&path, &problem),
                None if !failures.has_path(&path) => failures.done(&path, kind),
                None => {}
            }
            self.monitor.event(Event::Progress { entries: 1, bytes: 0 });
        }
        Ok(())
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
        let walked = self.walk_listings(snapshot, start, failures)?;
        self.read_objects(snapshot, &walked.new_objects)?;
        Ok(walked)
    }

    fn walk_listings(
        &mut self,
        snapshot: &Snapshot,
        start: &[u8],
        failures: &mut Failures<'_>,
    ) -> Result<Walked, Error> {
        let mut walked = Walked { is_whole: true, ..Walked::default() };
        let outcome = walk_steps(snapshot, start, &mut |step| {
            let (path, entry) = match step {
                Step::Found { path, entry } => (path, entry),
                Step::Damaged { path, error, recovered } => {
                    walked.is_whole &= recovered;
                    failures.path(&path, &error.to_string());
                    return Ok(());
                }
            };
            walked.fingerprint.add(snapshot, &path, entry.mac);
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

    /// What is wrong with an object or its chunks, now that their packfiles were read.
    fn judge(&mut self, number: ObjectNumber, explained: &mut HashSet<BlobId>) -> Option<String> {
        let mac = self.objects.mac(number);
        let object = BlobId::new(ResourceType::OBJECT, mac);
        let judged = match self.judged.get(&number) {
            Some(judged) => judged.clone(),
            None => {
                let judged = self.objects.problem(number).map(str::to_owned).or_else(|| {
                    self.verified.problem(object).or_else(|| {
                        self.objects.chunks(number).iter().find_map(|(chunk, length)| {
                            let blob = BlobId::new(ResourceType::CHUNK, *chunk);
                            let problem = self.verified.problem(blob);
                            let differs = self.verified.length(blob).is_some_and(|found| found != *length);
                            problem.or_else(|| differs.then(|| format!("chunk {chunk} has another length")))
                        })
                    })
                });
                self.judged.insert(number, judged.clone());
                judged
            }
        };
        if judged.is_some() {
            explained.insert(object);
            let chunks = self.objects.chunks(number).iter();
            explained.extend(chunks.map(|(chunk, _)| BlobId::new(ResourceType::CHUNK, *chunk)));
        }
        judged
    }

    fn tell_paths(&mut self, paths: &Paths, explained: &mut HashSet<BlobId>, failures: &mut Failures<'_>) {
        for (path, kind, content) in paths.iter() {
            let problem = content.and_then(|content| {
                self.judge(content.object, explained).or_else(|| {
                    let bytes = self.objects.content_bytes(content.object);
                    (bytes != content.size)
                        .then(|| format!("its content has {bytes} bytes where {} are recorded", content.size))
                })
            });
            match problem {
                Some(problem) => failures.path(&path, &problem),
                None if !failures.has_path(&path) => failures.done(&path, kind),
                None => {}
            }
            self.monitor.event(Event::Progress { entries: 1, bytes: 0 });
        }
    }

    /// Damage that belongs to no path.
    fn tell_the_rest(&self, packfiles: &Packfiles, explained: &HashSet<BlobId>, failures: &mut Failures<'_>) {
        for (blob, problem) in self.verified.bad_blobs(&packfiles.needed) {
            if !explained.contains(&blob) {
                failures.object(blob.mac, &problem);
            }
        }
        let mut needed: Vec<_> = packfiles.needed.iter().copied().collect();
        needed.sort_unstable();
        for packfile in needed {
            for problem in self.verified.packfile_problems(packfile) {
                failures.object(Mac(packfile.0), &format!("packfile {packfile}: {problem}"));
            }
        }
        let mut unstored = 0;
        for blob in &packfiles.missing {
            match blob.resource {
                ResourceType::VFS_ENTRY => unstored += 1,
                resource => failures.object(blob.mac, &format!("{resource} {} is missing", blob.mac)),
            }
        }
        if unstored > 0 {
            // Upstream leaves such entries behind when only an attribute has changed.
            let text = format!("{unstored} entries are not stored by themselves; their listings have them");
            self.monitor.event(Event::Warning(&text));
        }
    }

    /// Damaged entry blobs, by their paths.
    fn entries_by_path(
        &self,
        snapshot: &Snapshot,
        packfiles: &Packfiles,
        explained: &mut HashSet<BlobId>,
        failures: &mut Failures<'_>,
    ) -> Result<(), Error> {
        let bad = self.verified.bad_blobs(&packfiles.needed);
        let mut bad: HashMap<Mac, String> = bad
            .into_iter()
            .filter(|(blob, _)| blob.resource == ResourceType::VFS_ENTRY)
            .map(|(blob, problem)| (blob.mac, problem))
            .collect();
        if bad.is_empty() {
            return Ok(());
        }
        let scanned = snapshot.file_tree().and_then(|tree| {
            tree.scan(&mut |path, mac| {
                if let Some(problem) = bad.remove(&mac) {
                    explained.insert(BlobId::new(ResourceType::VFS_ENTRY, mac));
                    failures.path(path, &problem);
                }
                Ok(())
            })
        });
        // A damaged tree was reported when it was read first.
        scanned.or_else(|error| if error.is_damage() { Ok(()) } else { Err(error) })
    }

    /// Compares file tree and listings; where they differ, path by path.
    fn compare(
        &self,
        snapshot: &Snapshot,
        start: &[u8],
        trees: &Trees,
        walked: &Walked,
        failures: &mut Failures<'_>,
    ) -> Result<(), Error> {
        if !walked.is_whole || trees.files.is_none_or(|files| files == walked.fingerprint) {
            return Ok(());
        }
        let mut in_tree: HashMap<Vec<u8>, Mac> = HashMap::new();
        snapshot.file_tree()?.scan(&mut |key, mac| {
            if path::is_within(key, start) {
                in_tree.insert(key.to_vec(), mac);
            }
            Ok(())
        })?;
        walk_steps(snapshot, start, &mut |step| {
            if let Step::Found { path, entry } = step {
                match in_tree.remove(&path) {
                    Some(mac) if mac == entry.mac => {}
                    Some(_) => failures.path(&path, "listing and file tree have different entries"),
                    None => failures.path(&path, "it is missing in the file tree"),
                }
            }
            Ok(())
        })?;
        for path in in_tree.keys() {
            failures.path(path, "it is missing in the listing of its directory");
        }
        Ok(())
    }
}
