//! Which folders below the root are known to be real ones.
//!
//! The protocol follows links in every part of a path but the last. So a path is only used after
//! each folder on the way was looked at without following, parents first.

use std::collections::{BTreeSet, HashSet};

use kloset_connector::{ConnectorError, ErrorKind};

use super::{Shared, in_the_way};
use crate::answer::asked;
use crate::channel::Channel;
use crate::mailbox::{Mailbox, lock};
use crate::packet::Request;

/// Folders that have been seen, relative to the root.
#[derive(Default)]
pub(crate) struct Folders {
    real: HashSet<Vec<u8>>,
}

impl Folders {
    pub(crate) fn add(&mut self, path: &[u8]) {
        self.real.insert(path.to_vec());
    }

    fn knows(&self, path: &[u8]) -> bool {
        path.is_empty() || self.real.contains(path)
    }
}

/// The folder that holds a relative path; empty for the root.
pub(crate) fn holder(path: &[u8]) -> &[u8] {
    path.iter().rposition(|&byte| byte == b'/').and_then(|at| path.get(..at)).unwrap_or_default()
}

/// Number of folders above a relative path.
pub(crate) fn depth(path: &[u8]) -> usize {
    if path.is_empty() { 0 } else { 1 + path.iter().filter(|&&byte| byte == b'/').count() }
}

/// Looks at every folder that leads to `paths` and is not known yet, level by level. The answer for
/// each path: whether all that lead to it are real folders.
pub(crate) fn verify<'p>(
    shared: &Shared,
    channel: &Channel,
    paths: impl Iterator<Item = &'p [u8]>,
) -> Result<Doubts, ConnectorError> {
    let mut unknown: BTreeSet<(usize, &[u8])> = BTreeSet::new();
    {
        let known = lock(&shared.folders);
        for path in paths {
            let mut folder = holder(path);
            while !known.knows(folder) && unknown.insert((depth(folder), folder)) {
                folder = holder(folder);
            }
        }
    }
    let mut doubts = Doubts::default();
    let mut rest = unknown.into_iter().peekable();
    while let Some(&(level, _)) = rest.peek() {
        let mut same = Vec::new();
        while let Some((_, folder)) = rest.next_if(|&(depth, _)| depth == level) {
            same.push(folder);
        }
        verify_level(shared, channel, &same, &mut doubts)?;
    }
    Ok(doubts)
}

fn verify_level(
    shared: &Shared,
    channel: &Channel,
    folders: &[&[u8]],
    doubts: &mut Doubts,
) -> Result<(), ConnectorError> {
    let mailbox = Mailbox::new(shared.pool.patience());
    let mut due = 0;
    for (index, folder) in folders.iter().enumerate() {
        if let Some((kind, message)) = doubts.about(holder(folder)) {
            doubts.add(folder, kind, message);
            continue;
        }
        mailbox.send(channel, &Request::Lstat { path: shared.path(folder) }, index);
        due += 1;
    }
    for _ in 0..due {
        let (index, reply) = mailbox.receive()?;
        let Some(folder) = folders.get(index) else { continue };
        let path = shared.path(folder);
        match asked("inspect", &path).attributes_if_any(reply) {
            Ok(Some(found)) if found.is_directory() => lock(&shared.folders).add(folder),
            Ok(Some(found)) => {
                if let Err(error) = in_the_way("enter", &path, &found) {
                    doubts.add(
                        folder,
                        error.kind,
                        format!("{}: {}", crate::answer::shown(&path), error.message),
                    );
                }
            }
            Ok(None) => doubts.add(
                folder,
                ErrorKind::NotFound,
                format!("the directory {} does not exist", crate::answer::shown(&path)),
            ),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => doubts.add(folder, error.kind, error.message),
        }
    }
    Ok(())
}

/// Folders that nothing may be sent through, and why.
#[derive(Default)]
pub(crate) struct Doubts {
    list: Vec<(Vec<u8>, ErrorKind, String)>,
}

impl Doubts {
    fn add(&mut self, folder: &[u8], kind: ErrorKind, message: String) {
        self.list.push((folder.to_vec(), kind, message));
    }

    fn about(&self, folder: &[u8]) -> Option<(ErrorKind, String)> {
        self.list
            .iter()
            .find(|(path, _, _)| path == folder)
            .map(|(_, kind, message)| (*kind, message.clone()))
    }

    /// Why `path` must not be used.
    pub(crate) fn against(
        &self,
        shared: &Shared,
        operation: &'static str,
        path: &[u8],
    ) -> Option<ConnectorError> {
        if self.list.is_empty() {
            return None;
        }
        self.about(holder(path))
            .map(|(kind, message)| asked(operation, &shared.path(path)).error(kind, message))
    }
}
