//! What lies at the destination already, so that a second run goes on where the first one stopped.

use std::collections::HashSet;
use std::sync::OnceLock;

use kloset_connector::{Applied, ConnectorError, Destination, ErrorKind};
use kloset_format::FileInfo;

use super::plan::{Item, parent_of};
use super::{Permissions, Run};
use crate::Error;

/// Directories of the destination by what is known of them.
#[derive(Default)]
pub(super) struct Existing {
    /// Directories that were there before and may hold something. Others that were made are empty.
    found: HashSet<Vec<u8>>,
    /// Directories that could not be made.
    lost: HashSet<Vec<u8>>,
}

impl Existing {
    /// Looks whether the root is there before it is made.
    pub(super) fn before_prepare(destination: &dyn Destination) -> Self {
        let mut existing = Self::default();
        match inspect(destination, &[Vec::new()]).pop() {
            Some(Ok(None)) => {}
            // There is no root to look into yet.
            Some(Err(error)) if error.kind == ErrorKind::NotFound => {}
            _ => {
                existing.found.insert(Vec::new());
            }
        }
        existing
    }

    pub(super) fn lost(&mut self, directory: Vec<u8>) {
        self.lost.insert(directory);
    }

    pub(super) fn is_lost(&self, directory: &[u8]) -> bool {
        !self.lost.is_empty() && self.lost.contains(directory)
    }

    /// Finds out which of these directories are there before they are made. Those inside of a
    /// directory that was just made cannot be.
    pub(super) fn look_for_directories(&mut self, destination: &dyn Destination, items: &[Item]) {
        let mut possible: HashSet<&[u8]> = HashSet::new();
        let mut asked: Vec<Vec<u8>> = Vec::new();
        for item in items {
            let parent = parent_of(&item.target);
            if possible.contains(parent) || self.found.contains(parent) {
                possible.insert(&item.target);
                asked.push(item.target.clone());
            }
        }
        let answers = inspect(destination, &asked);
        for (target, answer) in asked.into_iter().zip(answers) {
            if !matches!(answer, Ok(None)) {
                self.found.insert(target);
            }
        }
    }

    /// Takes out the files that are at the destination as they should be, and counts them as kept.
    pub(super) fn without_kept_files(&self, run: &Run<'_>, files: Vec<Item>) -> Vec<Item> {
        let (asked, mut wanted): (Vec<Item>, Vec<Item>) = files
            .into_iter()
            .partition(|item| !item.has_xattrs && self.found.contains(parent_of(&item.target)));
        let targets: Vec<Vec<u8>> = asked.iter().map(|item| item.target.clone()).collect();
        let answers = inspect(run.destination, &targets);
        for (item, answer) in asked.into_iter().zip(answers) {
            match answer {
                Ok(Some(have)) if is_same(&have, &run.target(&item, Vec::new()).info) => {
                    let bytes = super::plan::size_of_content(&item.info);
                    run.tally.outcome(&item, Ok(Applied { kept: true, ..Applied::default() }), bytes);
                }
                _ => wanted.push(item),
            }
        }
        wanted
    }
}

/// Whether a file at the destination is taken for the one in the snapshot, without reading it: a
/// regular file of the same size, time, mode and owner. A restored file gets its name and its
/// time when its content is complete, so one that was cut short never looks like this.
fn is_same(have: &FileInfo, want: &FileInfo) -> bool {
    let same_time = have.mod_time == want.mod_time
        // A destination that holds whole seconds.
        || (have.mod_time.seconds == want.mod_time.seconds && have.mod_time.nanoseconds == 0);
    have.mode.is_regular()
        && have.mode == want.mode
        && have.size == want.size
        && same_time
        && have.uid == want.uid
        && have.gid == want.gid
}

/// How to leave permissions alone: files get the owner of the root.
pub(super) fn permissions_left(destination: &dyn Destination) -> Result<Permissions, Error> {
    match inspect(destination, &[Vec::new()]).pop() {
        Some(Ok(Some(root))) => Ok(Permissions::Left { uid: root.uid, gid: root.gid }),
        Some(Err(error)) => Err(Error::Destination(error)),
        _ => Ok(Permissions::Left { uid: 0, gid: 0 }),
    }
}

fn inspect(
    destination: &dyn Destination,
    paths: &[Vec<u8>],
) -> Vec<Result<Option<FileInfo>, ConnectorError>> {
    let slots: Vec<OnceLock<Result<Option<FileInfo>, ConnectorError>>> =
        paths.iter().map(|_| OnceLock::new()).collect();
    if !paths.is_empty() {
        destination.inspect(paths, &|at, answer| {
            if let Some(slot) = slots.get(at) {
                let _ = slot.set(answer);
            }
        });
    }
    slots.into_iter().map(|slot| slot.into_inner().unwrap_or(Ok(None))).collect()
}
