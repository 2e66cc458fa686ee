//! Hard links: of the names of one file, the first is restored with the content, the others after it.
//!
//! Names belong together when device, inode and content are the same and the link count says that
//! there are several. If the first name fails, the next one takes its place.

use std::collections::HashMap;

use kloset_connector::{ErrorKind, HardLink, Limitation};
use kloset_format::Mac;

use super::files::{Writers, Written};
use super::plan::Item;
use super::{ITEMS_PER_BATCH, Run, tally};
use crate::Error;

/// The names that wait for the first one of their file.
#[derive(Default)]
pub(super) struct HardLinks {
    /// Target of the first name, by file.
    first: HashMap<(u64, u64, Mac), usize>,
    groups: Vec<Group>,
}

struct Group {
    original: Vec<u8>,
    others: Vec<Item>,
}

impl HardLinks {
    /// Returns the files to restore with their content, and keeps further names of the same ones.
    pub(super) fn set_apart(&mut self, files: Vec<Item>) -> Vec<Item> {
        let mut restored = Vec::with_capacity(files.len());
        for item in files {
            let info = &item.info;
            if info.nlink < 2 || info.dev == 0 || info.ino == 0 {
                restored.push(item);
                continue;
            }
            let key = (info.dev, info.ino, item.object);
            match self.first.get(&key).and_then(|&at| self.groups.get_mut(at)) {
                Some(group) => group.others.push(item),
                None => {
                    self.first.insert(key, self.groups.len());
                    self.groups.push(Group { original: item.target.clone(), others: Vec::new() });
                    restored.push(item);
                }
            }
        }
        restored
    }

    /// Makes the links, once all files have been written.
    pub(super) fn restore(&mut self, run: &Run<'_>, writers: &Writers<'_>) -> Result<(), Error> {
        let groups = std::mem::take(&mut self.groups);
        let mut links: Vec<(Vec<u8>, Item)> = Vec::new();
        for mut group in groups {
            let mut written = !writers.has_failed(&group.original);
            let mut others = std::mem::take(&mut group.others).into_iter();
            while !written && let Some(next) = others.next() {
                group.original = next.target.clone();
                written = writers.write_now(next)? == Written::Yes;
            }
            links.extend(others.map(|other| (group.original.clone(), other)));
        }
        while !links.is_empty() {
            run.snapshot.repository().runtime().proceed()?;
            let rest = links.split_off(links.len().min(ITEMS_PER_BATCH));
            let batch = std::mem::replace(&mut links, rest);
            Self::link(run, writers, batch)?;
        }
        Ok(())
    }

    fn link(run: &Run<'_>, writers: &Writers<'_>, batch: Vec<(Vec<u8>, Item)>) -> Result<(), Error> {
        let links: Vec<HardLink> = batch
            .iter()
            .map(|(original, item)| HardLink { path: item.target.clone(), original: original.clone() })
            .collect();
        let outcomes = tally::outcomes(links.len(), |report| run.destination.hard_links(&links, report));
        for ((_, item), outcome) in batch.into_iter().zip(outcomes) {
            match outcome {
                Err(error) if error.kind == ErrorKind::Unsupported => {
                    writers.write_copy(item, Limitation::HardLink)?;
                }
                outcome => run.tally.outcome(&item, outcome, 0),
            }
        }
        Ok(())
    }
}
