//! Listing folders: all of them at once, all or nothing.

use std::sync::Arc;
use std::time::Duration;

use kloset_connector::{ConnectorError, ErrorKind, Listed, StoreFile};
use kloset_format::Timestamp;

use super::layout::{Layout, parse_name};
use crate::answer::asked;
use crate::channel::{Channel, Reply};
use crate::mailbox::Mailbox;
use crate::packet::{Handle, NameEntry, Request};
use crate::pool::Pool;

/// READDIRs in flight per folder: one more than most buckets need.
const AHEAD: usize = 3;
/// More files than this are not a store that we could hold in memory.
const FILES_MAX: usize = 50_000_000;

/// Every file of one kind.
pub(crate) fn list_files(
    pool: &Pool,
    layout: &Layout,
    file: StoreFile,
) -> Result<Vec<Listed>, ConnectorError> {
    let mut found = Vec::new();
    let folders = layout.buckets(file);
    list_folders(pool, &folders, &mut |_, entries| {
        for entry in entries {
            if entry.attributes.permissions.is_some() && !entry.attributes.is_regular() {
                continue;
            }
            let Some(name) = parse_name(&entry.name) else { continue };
            let modified = entry
                .attributes
                .times
                .map(|(_, seconds)| Timestamp { seconds: i64::from(seconds), nanoseconds: 0 });
            found.push(Listed { name, size: entry.attributes.size, modified });
        }
        if found.len() > FILES_MAX {
            return Err(asked("list", &layout.root).error(ErrorKind::Corrupt, "too many files"));
        }
        Ok(())
    })
    .map_err(|error| missing_bucket(error, file))?;
    // A file may lie in a wrong bucket beside its proper copy.
    found.sort_unstable_by_key(|listed| listed.name);
    found.dedup_by_key(|listed| listed.name);
    Ok(found)
}

/// A bucket that is gone is damage: what it held is unknown.
fn missing_bucket(mut error: ConnectorError, file: StoreFile) -> ConnectorError {
    if error.kind == ErrorKind::NotFound && file != StoreFile::Lock {
        error.kind = ErrorKind::Corrupt;
        "a folder of the store is missing".clone_into(&mut error.message);
    }
    error
}

/// What to do with names as they come, by index of their folder.
type Each<'a> = &'a mut dyn FnMut(usize, Vec<NameEntry>) -> Result<(), ConnectorError>;

/// Lists all `folders` at once; the first failure ends it.
pub(crate) fn list_folders(pool: &Pool, folders: &[Vec<u8>], each: Each<'_>) -> Result<(), ConnectorError> {
    let patience = pool.patience();
    let channels = pool.channels(&patience)?;
    let mut listing = Listing {
        mailbox: Mailbox::new(patience),
        channels,
        folders: folders
            .iter()
            .map(|path| Folder { path, channel: None, handle: None, ended: false })
            .collect(),
        next: 0,
        outstanding: 0,
    };
    let result = listing.run(each);
    if result.is_err() {
        listing.close_all();
    }
    result
}

enum Tag {
    Opened(usize),
    Read(usize),
}

struct Folder<'a> {
    path: &'a [u8],
    channel: Option<Arc<Channel>>,
    handle: Option<Handle>,
    ended: bool,
}

struct Listing<'a> {
    mailbox: Mailbox<Tag>,
    channels: Vec<Arc<Channel>>,
    folders: Vec<Folder<'a>>,
    next: usize,
    outstanding: usize,
}

impl Listing<'_> {
    fn run(&mut self, each: Each<'_>) -> Result<(), ConnectorError> {
        loop {
            self.open_more();
            if self.outstanding == 0 && self.next >= self.folders.len() {
                return Ok(());
            }
            let answer = if self.outstanding == 0 {
                self.mailbox.receive_within(Duration::from_millis(5))?
            } else {
                Some(self.mailbox.receive()?)
            };
            let Some((tag, reply)) = answer else { continue };
            self.outstanding -= 1;
            match tag {
                Tag::Opened(index) => self.take_handle(index, reply)?,
                Tag::Read(index) => self.take_names(index, reply, each)?,
            }
        }
    }

    fn open_more(&mut self) {
        while let Some(folder) = self.folders.get_mut(self.next) {
            let index = self.next;
            let Some(channel) = self.channels.get(index % self.channels.len().max(1)) else { return };
            if !channel.has_room() && !channel.is_lost() {
                return;
            }
            folder.channel = Some(Arc::clone(channel));
            self.mailbox.send(channel, &Request::Opendir { path: folder.path.to_vec() }, Tag::Opened(index));
            self.outstanding += 1;
            self.next += 1;
        }
    }

    fn take_handle(&mut self, index: usize, reply: Reply) -> Result<(), ConnectorError> {
        let Some(folder) = self.folders.get_mut(index) else { return Ok(()) };
        folder.handle = Some(asked("list", folder.path).handle(reply)?);
        for _ in 0..AHEAD {
            self.read_more(index);
        }
        Ok(())
    }

    fn read_more(&mut self, index: usize) {
        if let Some(Folder { channel: Some(channel), handle: Some(handle), .. }) = self.folders.get(index) {
            self.mailbox.send(channel, &Request::Readdir { handle: handle.clone() }, Tag::Read(index));
            self.outstanding += 1;
        }
    }

    fn take_names(&mut self, index: usize, reply: Reply, each: Each<'_>) -> Result<(), ConnectorError> {
        let Some(folder) = self.folders.get_mut(index) else { return Ok(()) };
        if folder.ended {
            return Ok(());
        }
        match asked("list", folder.path).names(reply)? {
            Some(entries) => {
                each(index, entries)?;
                self.read_more(index);
            }
            None => {
                folder.ended = true;
                if let (Some(channel), Some(handle)) = (&folder.channel, folder.handle.take()) {
                    channel.close(handle);
                }
            }
        }
        Ok(())
    }

    /// After a failure: nothing stays open on a connection that lives on.
    fn close_all(&mut self) {
        for folder in &mut self.folders {
            if let (Some(channel), Some(handle)) = (&folder.channel, folder.handle.take()) {
                channel.close(handle);
            }
        }
        while self.outstanding > 0 {
            let Ok((tag, reply)) = self.mailbox.receive() else { return };
            self.outstanding -= 1;
            let Tag::Opened(index) = tag else { continue };
            let Some(folder) = self.folders.get(index) else { continue };
            if let (Ok(handle), Some(channel)) = (asked("list", folder.path).handle(reply), &folder.channel) {
                channel.close(handle);
            }
        }
    }
}
