//! Giving a finished file its name, also where the account may neither rename nor remove.
//!
//! A plain rename never replaces anything, and is what most servers allow. An append-only account
//! denies it, because it could also hide files; a hard link serves then: the final name appears at
//! once and whole, and the temporary one stays as a second name of the same bytes. Without either,
//! the file is made under its final name, and its header comes last: readers know an unfinished file.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use kloset_connector::{ConnectorError, ErrorKind};
use kloset_format::envelope::{HEADER_SIZE, is_unfinished};
use kloset_format::path::parent;

use super::put::other_content;
use super::{SftpStorage, fetch};
use crate::answer::asked;
use crate::channel::Channel;
use crate::mailbox::{Patience, call};
use crate::packet::Request;

/// How names are given here; learned by trying, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Naming {
    /// The temporary name is changed.
    Rename,
    /// A second name is added.
    Link,
    /// There is no temporary name.
    Direct,
}

/// What became of a temporary name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Named {
    /// The final name is there, the temporary one is gone.
    Moved,
    /// The final name is there beside the temporary one.
    Twice,
    /// The server does not give a file another name.
    Denied,
}

impl SftpStorage {
    pub(super) fn naming(&self) -> Naming {
        match self.naming.load(Ordering::Relaxed) {
            0 => Naming::Rename,
            1 => Naming::Link,
            _ => Naming::Direct,
        }
    }

    fn learn(&self, naming: Naming) {
        self.naming.fetch_max(naming as u8, Ordering::Relaxed);
    }

    /// Gives the temporary file the name `path`, which must be new.
    pub(super) fn give_name(
        &self,
        channel: &Channel,
        temporary: &[u8],
        path: &[u8],
        patience: &Patience,
    ) -> Result<Named, ConnectorError> {
        let (from, to) = (temporary.to_vec(), path.to_vec());
        if self.naming() == Naming::Rename {
            let request = Request::Rename { from: from.clone(), to: to.clone() };
            match asked("rename", path).done(call(channel, &request, patience)?) {
                Ok(()) => return Ok(Named::Moved),
                Err(error) if is_denied(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if channel.features().hardlink {
            let request = Request::Hardlink { original: from, link: to };
            match asked("link", path).done(call(channel, &request, patience)?) {
                Ok(()) => {
                    self.learn(Naming::Link);
                    return Ok(Named::Twice);
                }
                Err(error) if is_denied(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Named::Denied)
    }

    /// Makes a file under its final name, its header last. What an earlier attempt left there is
    /// completed if it is a part of the same content.
    pub(super) fn write_in_place(
        &self,
        channel: &Arc<Channel>,
        path: &[u8],
        body: &Bytes,
    ) -> Result<(), ConnectorError> {
        let patience = self.pool.patience();
        let request = Request::Lstat { path: path.to_vec() };
        let found = asked("inspect", path).attributes_if_any(call(channel, &request, &patience)?)?;
        let mut start = 0;
        if found.is_some() {
            let existing = fetch::read_file(&self.pool, path, fetch::FILE_BYTES_MAX)?;
            if existing == *body {
                return Ok(());
            }
            if !is_part(&existing, body) {
                return Err(other_content(path));
            }
            start = existing.len();
        }
        let head = HEADER_SIZE.min(body.len());
        let written = self.write_from(start.max(head), head, found.is_none(), channel, path, body);
        match written {
            Ok(()) => self.learn(Naming::Direct),
            // What is there stays cut short, and nothing refers to it.
            Err(error) if found.is_some() && error.kind == ErrorKind::Permission => {
                return Err(other_content(path).with_source(error));
            }
            Err(error) => return Err(self.explain(error, channel, parent(path), body.len() as u64)),
        }
        Ok(())
    }
}

/// Whether a file is what an attempt to write `body` leaves when it is cut short: the beginning, with or
/// without the header.
fn is_part(existing: &[u8], body: &[u8]) -> bool {
    let (head, rest) = existing.split_at(existing.len().min(HEADER_SIZE));
    let same = |found: &[u8], at: usize| body.get(at..).is_some_and(|wanted| wanted.starts_with(found));
    same(rest, head.len()) && (same(head, 0) || is_unfinished(head))
}

/// Whether the account is not meant to do this, rather than this name being in the way.
pub(super) fn is_denied(error: &ConnectorError) -> bool {
    matches!(error.kind, ErrorKind::Permission | ErrorKind::Unsupported)
}
