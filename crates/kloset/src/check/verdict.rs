//! The verdict: tells each path right or wrong, once everything was read.

use std::collections::{HashMap, HashSet};

use kloset_format::{Mac, ResourceType, path};

use super::failures::Failures;
use super::needs::{ObjectNumber, Packfiles, Paths};
use super::trees::Trees;
use super::{Run, Walked};
use crate::vfs::{Step, walk_steps};
use crate::{BlobId, Error, Event, Snapshot};

impl Run<'_, '_> {
    /// What is wrong with an object or its chunks, now that their packfiles were read.
    pub(super) fn judge(&mut self, number: ObjectNumber, explained: &mut HashSet<BlobId>) -> Option<String> {
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

    pub(super) fn tell_paths(
        &mut self,
        paths: &Paths,
        explained: &mut HashSet<BlobId>,
        failures: &mut Failures<'_>,
    ) {
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
    pub(super) fn tell_the_rest(
        &self,
        packfiles: &Packfiles,
        explained: &HashSet<BlobId>,
        failures: &mut Failures<'_>,
    ) {
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
    pub(super) fn entries_by_path(
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
    pub(super) fn compare(
        &self,
        snapshot: &Snapshot,
        start: &[u8],
        trees: &Trees,
        walked: &Walked,
        failures: &mut Failures<'_>,
    ) -> Result<(), Error> {
        if !walked.is_whole || trees.files.is_none() || trees.files == walked.fingerprint {
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
