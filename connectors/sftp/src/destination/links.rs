//! Symbolic links, other nodes, and hard links.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kloset_connector::{
    Applied, ConnectorError, ErrorKind, HardLink, Limitation, Outcome, Report, Target as Item,
};

use super::batch::{self, Lost, no_channel};
use super::folders::{Doubts, verify};
use super::metadata::{Metadata, is_special_file};
use super::{Shared, in_the_way};
use crate::answer::asked;
use crate::channel::{Channel, Reply};
use crate::mailbox::{Mailbox, Patience, call};
use crate::packet::{Attributes, Request, open};

/// Makes symbolic links. Pipes, devices and sockets have no request: they are counted.
pub(crate) fn make_nodes(shared: &Shared, targets: &[Item], report: Report<'_>) {
    let mut attempt = |channels: &[Arc<Channel>], left: &[usize]| {
        let Some(first) = channels.first() else { return Lost::all(left.to_vec(), no_channel()) };
        let wanted = left.iter().filter_map(|&index| targets.get(index)).map(|target| target.path.as_slice());
        match verify(shared, first, wanted) {
            Ok(doubts) => make_nodes_once(shared, targets, left, channels, &doubts, report),
            Err(error) => Lost::all(left.to_vec(), error),
        }
    };
    batch::run(shared, targets.len(), &mut attempt, &mut |index, error| report(index, Err(error)));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Made,
    Looked,
    Read,
    Replaced,
    Renamed,
    Owner,
    Rest,
}

struct Node {
    channel: Arc<Channel>,
    path: Vec<u8>,
    target: Vec<u8>,
    temporary: Vec<u8>,
    metadata: Metadata,
    due: usize,
    made: Option<ConnectorError>,
    found: Option<Attributes>,
    present: Option<Vec<u8>>,
    dressed: bool,
    failure: Option<ConnectorError>,
}

fn make_nodes_once(
    shared: &Shared,
    targets: &[Item],
    left: &[usize],
    channels: &[Arc<Channel>],
    doubts: &Doubts,
    report: Report<'_>,
) -> Lost {
    let mailbox = Mailbox::new(shared.pool.patience());
    let mut nodes: BTreeMap<usize, Node> = BTreeMap::new();
    for (turn, &index) in left.iter().enumerate() {
        let Some(item) = targets.get(index) else { continue };
        if is_special_file(item.info.mode) {
            report(index, Ok(Applied { limitations: vec![Limitation::SpecialFile], kept: false }));
            continue;
        }
        if let Some(error) = doubts.against(shared, "create", &item.path) {
            report(index, Err(error));
            continue;
        }
        let path = shared.path(&item.path);
        let Some(target) = item.link.clone() else {
            report(index, Err(asked("create", &path).error(ErrorKind::Invalid, "a link without a target")));
            continue;
        };
        let Some(channel) = channels.get(turn % channels.len().max(1)) else { continue };
        let mut node = Node {
            channel: Arc::clone(channel),
            temporary: shared.temporary(&path),
            path,
            target,
            metadata: Metadata::of(item).for_link(),
            due: 0,
            made: None,
            found: None,
            present: None,
            dressed: false,
            failure: None,
        };
        // What is there now shows in the same round trip whether the link could be made.
        let (link, target) = (node.path.clone(), node.target.clone());
        node.send(&mailbox, &Request::Symlink { target, link }, index, Step::Made);
        node.send(&mailbox, &Request::Lstat { path: node.path.clone() }, index, Step::Looked);
        node.send(&mailbox, &Request::Readlink { path: node.path.clone() }, index, Step::Read);
        nodes.insert(index, node);
    }
    let mut lost = Lost::default();
    while !nodes.is_empty() {
        let ((index, step), reply) = match mailbox.receive() {
            Ok(answer) => answer,
            Err(error) => return Lost::all(lost.items.into_iter().chain(nodes.into_keys()).collect(), error),
        };
        let Some(node) = nodes.get_mut(&index) else { continue };
        node.take(step, reply);
        if node.due == 0
            && !node.go_on(&mailbox, index)
            && let Some(node) = nodes.remove(&index)
        {
            match node.failure {
                Some(error) if error.is_transient() => {
                    shared.leave_behind(node.temporary);
                    lost.note(index, error);
                }
                Some(error) => report(index, Err(error)),
                None => {
                    let kept = node.made.is_some() && node.present.as_ref() == Some(&node.target);
                    report(index, Outcome::Ok(Applied { kept, ..node.metadata.applied() }));
                }
            }
        }
    }
    lost
}

impl Node {
    fn send(&mut self, mailbox: &Mailbox<(usize, Step)>, request: &Request, index: usize, step: Step) {
        self.due += 1;
        mailbox.send(&self.channel, request, (index, step));
    }

    fn take(&mut self, step: Step, reply: Reply) {
        self.due -= 1;
        let lost = reply.is_err();
        let result = match step {
            Step::Made => {
                let result = asked("create", &self.path).done(reply);
                match result {
                    Err(error) if !lost => {
                        self.made = Some(error);
                        Ok(())
                    }
                    result => result,
                }
            }
            Step::Looked => {
                asked("inspect", &self.path).attributes_if_any(reply).map(|found| self.found = found)
            }
            Step::Read => match asked("read the link", &self.path).name(reply) {
                Ok(target) => {
                    self.present = Some(target);
                    Ok(())
                }
                Err(error) if error.is_transient() => Err(error),
                Err(_) => Ok(()),
            },
            Step::Replaced => asked("create", &self.path).done(reply),
            Step::Renamed => asked("rename", &self.path).done(reply),
            Step::Owner => {
                let answer = asked("set the owner of", &self.path).done(reply);
                self.metadata.owner_answered(answer)
            }
            Step::Rest => match asked("set the times of", &self.path).done(reply) {
                Err(error) if !error.is_transient() => {
                    self.metadata.limit(Limitation::SymlinkMetadata);
                    Ok(())
                }
                result => result,
            },
        };
        if let Err(error) = result {
            self.failure.get_or_insert(error);
        }
    }

    /// Sends what comes next; `false` if nothing does.
    fn go_on(&mut self, mailbox: &Mailbox<(usize, Step)>, index: usize) -> bool {
        if self.failure.is_some() || self.dressed {
            return false;
        }
        let Some(found) = self.found else {
            let gone = || asked("create", &self.path).error(ErrorKind::Other, "it is gone again");
            self.failure = Some(self.made.take().unwrap_or_else(gone));
            return false;
        };
        if !found.is_symlink() {
            self.failure = in_the_way("create", &self.path, &found).err();
            return false;
        }
        if self.present.as_ref() != Some(&self.target) {
            // Another link is there: it is replaced, never followed.
            let (target, link) = (self.target.clone(), self.temporary.clone());
            self.present = Some(self.target.clone());
            self.made = None;
            self.send(mailbox, &Request::Symlink { target, link }, index, Step::Replaced);
            let (from, to) = (self.temporary.clone(), self.path.clone());
            self.send(mailbox, &Request::PosixRename { from, to }, index, Step::Renamed);
            return true;
        }
        self.dressed = true;
        if !self.channel.features().lsetstat {
            self.metadata.limit(Limitation::SymlinkMetadata);
            return false;
        }
        let (owner, rest) = (self.metadata.owner, self.metadata.rest);
        if owner.owner.is_some() {
            self.send(
                mailbox,
                &Request::Lsetstat { path: self.path.clone(), attributes: owner },
                index,
                Step::Owner,
            );
        }
        if rest.times.is_some() {
            self.send(
                mailbox,
                &Request::Lsetstat { path: self.path.clone(), attributes: rest },
                index,
                Step::Rest,
            );
        }
        self.due > 0
    }
}

/// Makes hard links, or copies where the server cannot.
pub(crate) fn make_hard_links(shared: &Shared, links: &[HardLink], report: Report<'_>) {
    let mut attempt = |channels: &[Arc<Channel>], left: &[usize]| {
        let Some(first) = channels.first() else { return Lost::all(left.to_vec(), no_channel()) };
        let chosen = || left.iter().filter_map(|&index| links.get(index));
        let wanted = chosen().flat_map(|link| [link.path.as_slice(), link.original.as_slice()]);
        let doubts = match verify(shared, first, wanted) {
            Ok(doubts) => doubts,
            Err(error) => return Lost::all(left.to_vec(), error),
        };
        if first.features().hardlink && first.features().posix_rename {
            link_once(shared, links, left, channels, &doubts, report)
        } else {
            copy_once(shared, links, left, first, &doubts, report)
        }
    };
    batch::run(shared, links.len(), &mut attempt, &mut |index, error| report(index, Err(error)));
}

/// Two round trips: look at both; link under a temporary name, rename, and remove what a rename of
/// a file onto itself leaves.
fn link_once(
    shared: &Shared,
    links: &[HardLink],
    left: &[usize],
    channels: &[Arc<Channel>],
    doubts: &Doubts,
    report: Report<'_>,
) -> Lost {
    #[derive(Clone, Copy)]
    enum Step {
        Original,
        Place,
        Linked,
        Renamed,
        Removed,
    }
    let mailbox = Mailbox::new(shared.pool.patience());
    let mut due: BTreeMap<usize, (usize, Option<ConnectorError>, bool)> = BTreeMap::new();
    let mut temporaries: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    let mut lost = Lost::default();
    let channel_of = |index: usize| channels.get(index % channels.len().max(1));
    for &index in left {
        let (Some(link), Some(channel)) = (links.get(index), channel_of(index)) else { continue };
        let doubt = doubts.against(shared, "create", &link.path);
        if let Some(error) = doubt.or_else(|| doubts.against(shared, "link to", &link.original)) {
            report(index, Err(error));
            continue;
        }
        mailbox.send(channel, &Request::Lstat { path: shared.path(&link.original) }, (index, Step::Original));
        mailbox.send(channel, &Request::Lstat { path: shared.path(&link.path) }, (index, Step::Place));
        due.insert(index, (2, None, false));
    }
    while !due.is_empty() {
        let ((index, step), reply) = match mailbox.receive() {
            Ok(answer) => answer,
            Err(error) => return Lost::all(lost.items.into_iter().chain(due.into_keys()).collect(), error),
        };
        let (Some(link), Some(channel)) = (links.get(index), channel_of(index)) else { continue };
        let Some((count, failure, linked)) = due.get_mut(&index) else { continue };
        let (path, original) = (shared.path(&link.path), shared.path(&link.original));
        *count -= 1;
        let result = match step {
            Step::Original => match asked("link to", &original).attributes(reply) {
                Ok(found) if found.is_directory() => in_the_way("link to", &original, &found).map(drop),
                result => result.map(drop),
            },
            Step::Place => match asked("inspect", &path).attributes_if_any(reply) {
                Ok(Some(found)) if !found.is_regular() => in_the_way("create", &path, &found).map(drop),
                result => result.map(drop),
            },
            Step::Linked => asked("link", &path).done(reply),
            Step::Renamed => asked("rename", &path).done(reply),
            Step::Removed => reply.map(drop).map_err(|lost| lost.error("link", crate::answer::shown(&path))),
        };
        if let Err(error) = result {
            failure.get_or_insert(error);
        }
        if *count > 0 {
            continue;
        }
        if failure.is_none() && !*linked {
            *linked = true;
            *count = 3;
            let temporary = shared.temporary(&path);
            temporaries.insert(index, temporary.clone());
            let request = Request::Hardlink { original, link: temporary.clone() };
            mailbox.send(channel, &request, (index, Step::Linked));
            let request = Request::PosixRename { from: temporary.clone(), to: path };
            mailbox.send(channel, &request, (index, Step::Renamed));
            mailbox.send(channel, &Request::Remove { path: temporary }, (index, Step::Removed));
            continue;
        }
        match due.remove(&index).and_then(|(_, failure, _)| failure) {
            Some(error) if error.is_transient() => {
                if let Some(temporary) = temporaries.remove(&index) {
                    shared.leave_behind(temporary);
                }
                lost.note(index, error);
            }
            Some(error) => report(index, Err(error)),
            None => report(index, Ok(Applied::default())),
        }
    }
    lost
}

/// Plain copies, one after another: servers that cannot link are rare.
fn copy_once(
    shared: &Shared,
    links: &[HardLink],
    left: &[usize],
    channel: &Arc<Channel>,
    doubts: &Doubts,
    report: Report<'_>,
) -> Lost {
    let mut lost = Lost::default();
    let patience = shared.pool.patience();
    for &index in left {
        let Some(link) = links.get(index) else { continue };
        let doubt = doubts.against(shared, "create", &link.path);
        if let Some(error) = doubt.or_else(|| doubts.against(shared, "link to", &link.original)) {
            report(index, Err(error));
            continue;
        }
        let result = copy(shared, &shared.path(&link.original), &shared.path(&link.path), channel, &patience);
        match result {
            Err(error) if error.is_transient() => lost.note(index, error),
            result => {
                report(
                    index,
                    result.map(|()| Applied { limitations: vec![Limitation::HardLink], kept: false }),
                );
            }
        }
    }
    lost
}

fn copy(
    shared: &Shared,
    original: &[u8],
    path: &[u8],
    channel: &Channel,
    patience: &Patience,
) -> Result<(), ConnectorError> {
    let lstat = |path: &[u8]| call(channel, &Request::Lstat { path: path.to_vec() }, patience);
    let found = asked("link to", original).attributes(lstat(original)?)?;
    if !found.is_regular() {
        return in_the_way("link to", original, &found).map(drop);
    }
    if let Some(present) = asked("inspect", path).attributes_if_any(lstat(path)?)?
        && !present.is_regular()
    {
        return in_the_way("create", path, &present).map(drop);
    }
    let temporary = shared.temporary(path);
    let result = copy_by_way_of(&temporary, original, path, &found, channel, patience);
    if result.is_err() {
        shared.leave_behind(temporary);
    }
    result
}

fn copy_by_way_of(
    temporary: &[u8],
    original: &[u8],
    path: &[u8],
    found: &Attributes,
    channel: &Channel,
    patience: &Patience,
) -> Result<(), ConnectorError> {
    let from =
        Request::Open { path: original.to_vec(), flags: open::READ, attributes: Attributes::default() };
    let to = Request::Open {
        path: temporary.to_vec(),
        flags: open::WRITE | open::CREATE | open::EXCLUSIVE,
        attributes: Attributes::with_permissions(0o600),
    };
    let from = asked("open", original).handle(call(channel, &from, patience)?)?;
    let to = asked("create", path).handle(call(channel, &to, patience)?)?;
    let length = channel.read_bytes().min(channel.write_bytes() as u32);
    let mut offset = 0u64;
    loop {
        let read = Request::Read { handle: from.clone(), offset, length };
        let Some(data) = asked("read", original).data(call(channel, &read, patience)?)? else { break };
        let bytes = data.len() as u64;
        let write = Request::Write { handle: to.clone(), offset, data: Bytes::clone(&data) };
        asked("write", path).done(call(channel, &write, patience)?)?;
        offset += bytes;
    }
    let attributes = Attributes {
        permissions: found.permissions.map(|mode| mode & 0o7777),
        times: found.times,
        ..Attributes::default()
    };
    let reply = call(channel, &Request::Fsetstat { handle: to.clone(), attributes }, patience)?;
    asked("set mode and times of", path).done(reply)?;
    channel.close(from);
    asked("close", path).done(call(channel, &Request::Close { handle: to }, patience)?)?;
    let _ = call(channel, &Request::Remove { path: path.to_vec() }, patience)?;
    let rename = Request::Rename { from: temporary.to_vec(), to: path.to_vec() };
    asked("rename", path).done(call(channel, &rename, patience)?)
}
