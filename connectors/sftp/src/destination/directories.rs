//! Making folders level by level, looking at paths, and the metadata of folders.

use std::collections::BTreeMap;
use std::sync::Arc;

use kloset_connector::{Applied, ConnectorError, ErrorKind, Outcome, Report, Target as Item};
use kloset_format::FileInfo;
use kloset_format::path::base_name;

use super::batch::{self, Lost, no_channel};
use super::folders::{depth, verify};
use super::metadata::Metadata;
use super::{Shared, in_the_way};
use crate::answer::asked;
use crate::attributes::file_info;
use crate::channel::Channel;
use crate::mailbox::{Mailbox, lock};
use crate::packet::{Attributes, Request};

/// What is at the paths, without following anything.
pub(crate) fn inspect(
    shared: &Shared,
    paths: &[Vec<u8>],
    report: &(dyn Fn(usize, Result<Option<FileInfo>, ConnectorError>) + Sync),
) {
    let mut attempt =
        |channels: &[Arc<Channel>], left: &[usize]| inspect_once(shared, paths, left, channels, report);
    batch::run(shared, paths.len(), &mut attempt, &mut |index, error| report(index, Err(error)));
}

fn inspect_once(
    shared: &Shared,
    paths: &[Vec<u8>],
    left: &[usize],
    channels: &[Arc<Channel>],
    report: &(dyn Fn(usize, Result<Option<FileInfo>, ConnectorError>) + Sync),
) -> Lost {
    let Some(first) = channels.first() else { return Lost::all(left.to_vec(), no_channel()) };
    let wanted = left.iter().filter_map(|&index| paths.get(index)).map(Vec::as_slice);
    let doubts = match verify(shared, first, wanted) {
        Ok(doubts) => doubts,
        Err(error) => return Lost::all(left.to_vec(), error),
    };
    let mailbox = Mailbox::new(shared.pool.patience());
    let mut due: BTreeMap<usize, ()> = BTreeMap::new();
    for (turn, &index) in left.iter().enumerate() {
        let Some(path) = paths.get(index) else { continue };
        match doubts.against(shared, "inspect", path) {
            // What a missing folder would hold is not there.
            Some(error) if error.kind == ErrorKind::NotFound => report(index, Ok(None)),
            Some(error) => report(index, Err(error)),
            None => {
                if let Some(channel) = channels.get(turn % channels.len().max(1)) {
                    mailbox.send(channel, &Request::Lstat { path: shared.path(path) }, index);
                    due.insert(index, ());
                }
            }
        }
    }
    let mut lost = Lost::default();
    while !due.is_empty() {
        let (index, reply) = match mailbox.receive() {
            Ok(answer) => answer,
            Err(error) => return Lost::all(lost.items.into_iter().chain(due.into_keys()).collect(), error),
        };
        due.remove(&index);
        let Some(path) = paths.get(index).map(|path| shared.path(path)) else { continue };
        match asked("inspect", &path).attributes_if_any(reply) {
            Err(error) if error.is_transient() => lost.note(index, error),
            result => {
                report(index, result.map(|found| found.map(|found| file_info(base_name(&path), &found))));
            }
        }
    }
    lost
}

/// Makes folders: one round trip a level, however many there are.
pub(crate) fn make(shared: &Shared, targets: &[Item], report: Report<'_>) {
    let mut attempt =
        |channels: &[Arc<Channel>], left: &[usize]| make_once(shared, targets, left, channels, report);
    batch::run(shared, targets.len(), &mut attempt, &mut |index, error| report(index, Err(error)));
}

fn make_once(
    shared: &Shared,
    targets: &[Item],
    left: &[usize],
    channels: &[Arc<Channel>],
    report: Report<'_>,
) -> Lost {
    let Some(first) = channels.first() else { return Lost::all(left.to_vec(), no_channel()) };
    let mut levels: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &index in left {
        if let Some(target) = targets.get(index) {
            levels.entry(depth(&target.path)).or_default().push(index);
        }
    }
    let mut lost = Lost::default();
    let mut levels = levels.into_values();
    while let Some(level) = levels.next() {
        let wanted =
            level.iter().filter_map(|&index| targets.get(index)).map(|target| target.path.as_slice());
        let result = verify(shared, first, wanted)
            .and_then(|doubts| make_level(shared, targets, &level, channels, &doubts, report, &mut lost));
        if let Err(error) = result {
            // Those of this level that were reported are known by now.
            lost.cause.get_or_insert(error);
            lost.items.extend(levels.flatten());
            return lost;
        }
    }
    lost
}

fn make_level(
    shared: &Shared,
    targets: &[Item],
    level: &[usize],
    channels: &[Arc<Channel>],
    doubts: &super::folders::Doubts,
    report: Report<'_>,
    lost: &mut Lost,
) -> Result<(), ConnectorError> {
    let mailbox = Mailbox::new(shared.pool.patience());
    let mut made: BTreeMap<usize, Option<ConnectorError>> = BTreeMap::new();
    for (turn, &index) in level.iter().enumerate() {
        let Some(target) = targets.get(index) else { continue };
        if let Some(error) = doubts.against(shared, "create", &target.path) {
            report(index, Err(error));
            continue;
        }
        let Some(channel) = channels.get(turn % channels.len().max(1)) else { continue };
        let path = shared.path(&target.path);
        let attributes = Attributes::with_permissions(0o700);
        mailbox.send(channel, &Request::Mkdir { path: path.clone(), attributes }, (index, true));
        mailbox.send(channel, &Request::Lstat { path }, (index, false));
        made.insert(index, None);
    }
    while !made.is_empty() {
        let ((index, making), reply) = match mailbox.receive() {
            Ok(answer) => answer,
            Err(error) => {
                lost.items.extend(made.into_keys());
                return Err(error);
            }
        };
        let Some(target) = targets.get(index) else { continue };
        let path = shared.path(&target.path);
        if making {
            if let Some(slot) = made.get_mut(&index) {
                *slot = asked("create", &path).done(reply).err();
            }
            continue;
        }
        let Some(failure) = made.remove(&index) else { continue };
        match asked("inspect", &path).attributes_if_any(reply) {
            Err(error) if error.is_transient() => lost.note(index, error),
            Err(error) => report(index, Err(error)),
            Ok(Some(found)) if found.is_directory() => {
                lock(&shared.folders).add(&target.path);
                report(index, Ok(Applied { limitations: Vec::new(), kept: failure.is_some() }));
            }
            Ok(Some(found)) => report(index, in_the_way("create", &path, &found)),
            Ok(None) => {
                let vanished = || asked("create", &path).error(ErrorKind::Other, "it is gone again");
                report(index, Err(failure.unwrap_or_else(vanished)));
            }
        }
    }
    Ok(())
}

/// Sets owner, mode and times of folders. All on one channel, which keeps the order: a folder that
/// closes itself to us comes after what is in it.
pub(crate) fn set_metadata(shared: &Shared, targets: &[Item], report: Report<'_>) {
    let mut attempt = |channels: &[Arc<Channel>], left: &[usize]| match channels.first() {
        Some(channel) => set_once(shared, targets, left, channel, report),
        None => Lost::all(left.to_vec(), no_channel()),
    };
    batch::run(shared, targets.len(), &mut attempt, &mut |index, error| report(index, Err(error)));
}

enum Tag {
    Looked(usize),
    Owner(usize),
    Rest(usize),
    Special(usize),
}

fn set_once(
    shared: &Shared,
    targets: &[Item],
    left: &[usize],
    channel: &Arc<Channel>,
    report: Report<'_>,
) -> Lost {
    let wanted = left.iter().filter_map(|&index| targets.get(index)).map(|target| target.path.as_slice());
    let doubts = match verify(shared, channel, wanted) {
        Ok(doubts) => doubts,
        Err(error) => return Lost::all(left.to_vec(), error),
    };
    let mailbox = Mailbox::new(shared.pool.patience());
    let mut states: BTreeMap<usize, Setting> = BTreeMap::new();
    for &index in left {
        let Some(target) = targets.get(index) else { continue };
        if let Some(error) = doubts.against(shared, "set the metadata of", &target.path) {
            report(index, Err(error));
            continue;
        }
        // The root may be a link that the user named.
        let path = shared.path(&target.path);
        let request = if target.path.is_empty() { Request::Stat { path } } else { Request::Lstat { path } };
        mailbox.send(channel, &request, Tag::Looked(index));
        states.insert(index, Setting { metadata: Metadata::of(target), due: 1, failure: None });
    }
    let mut lost = Lost::default();
    // All are looked at before any is changed: a change may close the way to others.
    let mut looked = 0;
    let to_look = states.len();
    let mut order = Vec::new();
    while !states.is_empty() {
        let (tag, reply) = match mailbox.receive() {
            Ok(answer) => answer,
            Err(error) => {
                return Lost::all(lost.items.into_iter().chain(states.into_keys()).collect(), error);
            }
        };
        let (Tag::Looked(index) | Tag::Owner(index) | Tag::Rest(index) | Tag::Special(index)) = tag;
        let (Some(target), Some(state)) = (targets.get(index), states.get_mut(&index)) else { continue };
        let path = shared.path(&target.path);
        state.due -= 1;
        let result = match tag {
            Tag::Looked(_) => {
                looked += 1;
                match asked("inspect", &path).attributes(reply) {
                    Ok(found) if found.is_directory() => {
                        order.push(index);
                        Ok(())
                    }
                    Ok(found) => in_the_way("set the metadata of", &path, &found).map(drop),
                    Err(error) => Err(error),
                }
            }
            Tag::Owner(_) => {
                let answer = asked("set the owner of", &path).done(reply);
                state.metadata.owner_answered(answer)
            }
            Tag::Rest(_) | Tag::Special(_) => asked("set mode and times of", &path).done(reply),
        };
        if let Err(error) = result {
            state.failure.get_or_insert(error);
        }
        if let Tag::Rest(_) = tag
            && let Some(attributes) = state.metadata.special.take()
            && state.failure.is_none()
        {
            mailbox.send(channel, &Request::Setstat { path: path.clone(), attributes }, Tag::Special(index));
            state.due += 1;
        }
        if let Tag::Looked(_) = tag
            && looked == to_look
        {
            order.sort_unstable();
            for &index in &order {
                let (Some(target), Some(state)) = (targets.get(index), states.get_mut(&index)) else {
                    continue;
                };
                state.send(&mailbox, channel, &shared.path(&target.path), index);
            }
        }
        let waits_for_others = matches!(tag, Tag::Looked(_)) && looked < to_look;
        if !waits_for_others || states.get(&index).is_some_and(|state| state.failure.is_some()) {
            settle(&mut states, index, report, &mut lost);
        }
    }
    lost
}

fn settle(states: &mut BTreeMap<usize, Setting>, index: usize, report: Report<'_>, lost: &mut Lost) {
    if states.get(&index).is_some_and(|state| state.due == 0)
        && let Some(state) = states.remove(&index)
    {
        match state.failure {
            Some(error) if error.is_transient() => lost.note(index, error),
            Some(error) => report(index, Err(error)),
            None => report(index, Outcome::Ok(state.metadata.applied())),
        }
    }
}

struct Setting {
    metadata: Metadata,
    due: usize,
    failure: Option<ConnectorError>,
}

impl Setting {
    fn send(&mut self, mailbox: &Mailbox<Tag>, channel: &Channel, path: &[u8], index: usize) {
        if self.metadata.owner.owner.is_some() {
            let attributes = self.metadata.owner;
            mailbox.send(channel, &Request::Setstat { path: path.to_vec(), attributes }, Tag::Owner(index));
            self.due += 1;
        }
        let attributes = self.metadata.rest;
        mailbox.send(channel, &Request::Setstat { path: path.to_vec(), attributes }, Tag::Rest(index));
        self.due += 1;
    }
}
