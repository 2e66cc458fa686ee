//! Writing a store file so that its name never stands for less than all of it.
//!
//! Order: temporary name, bytes, flush, length compared, close, and only when the server has
//! confirmed each of these, the final name. Large bodies are written over all channels at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use kloset_connector::{ConnectorError, ErrorKind, PutMode};
use kloset_format::path::{join, parent};

use super::layout::temporary_name;
use super::name::{Named, Naming, is_denied};
use super::{SftpStorage, fetch};
use crate::answer::asked;
use crate::channel::{Channel, Reply};
use crate::mailbox::{Mailbox, Patience, call, lock, wait_for_room};
use crate::packet::{Attributes, Handle, Request, open};

/// Bodies above this are spread over the channels.
const STRIPE_BYTES: usize = 1 << 20;
/// Unconfirmed bytes on one channel: twice what OpenSSH's window lets out.
const WINDOW_BYTES: usize = 4 << 20;
/// A file that must not be there yet.
const NEW_FILE: u32 = open::WRITE | open::CREATE | open::EXCLUSIVE;

impl SftpStorage {
    /// Writes `body` under `path` by way of a temporary file in `folder`.
    pub(super) fn publish(
        &self,
        folder: &[u8],
        path: &[u8],
        body: &Bytes,
        mode: PutMode,
    ) -> Result<(), ConnectorError> {
        let patience = self.pool.patience();
        let mut channels = self.pool.channels(&patience)?;
        channels.sort_by_key(|channel| channel.load());
        let Some(first) = channels.first().cloned() else {
            return Err(asked("write", path).error(ErrorKind::Transient, "no channel is open"));
        };
        self.remove_leftovers(&first);
        wait_for_room(&first, &patience)?;
        if self.naming() == Naming::Direct {
            return self.write_in_place(&first, path, body);
        }
        let temporary = join(folder, &temporary_name());
        let result = self
            .write(&channels, &temporary, path, body)
            .map_err(|error| self.explain(error, &first, folder, body.len() as u64))
            .and_then(|()| match mode {
                PutMode::Immutable => self.name_new(&first, &temporary, path, body, &patience),
                PutMode::Replace => self.name_over(&first, &temporary, path, &patience),
            });
        if !matches!(result, Ok(Named::Moved)) {
            self.remove_temporary(&first, temporary);
        }
        match result? {
            Named::Moved | Named::Twice => Ok(()),
            Named::Denied => self.write_in_place(&first, path, body),
        }
    }

    /// Writes `body` from `start` under `path` itself, over one channel.
    pub(super) fn write_from(
        &self,
        start: usize,
        new: bool,
        channel: &Arc<Channel>,
        path: &[u8],
        body: &Bytes,
    ) -> Result<(), ConnectorError> {
        let mut upload = Upload {
            mailbox: Mailbox::new(self.pool.patience()),
            lanes: vec![Lane::new(Arc::clone(channel))],
            path,
            temporary: path,
            flags: if new { NEW_FILE } else { open::WRITE },
            mode: 0o600,
            body,
            next: start,
            outstanding: 0,
            written: start,
        };
        let result = upload.write_all().and_then(|()| upload.flush());
        upload.close_rest();
        result.map(drop)
    }

    /// Writes and flushes the temporary file. Errors speak of `path`, which is what people know.
    fn write(
        &self,
        channels: &[Arc<Channel>],
        temporary: &[u8],
        path: &[u8],
        body: &Bytes,
    ) -> Result<(), ConnectorError> {
        // Where names are given for good, so is the mode: nobody can open the file for writing again,
        // not even we on another channel. The first small file shows what kind of server it is.
        let striped = self.naming() == Naming::Rename && body.len() > STRIPE_BYTES;
        let (lanes, mode) = if striped { (channels.len(), 0o600) } else { (1, 0o400) };
        let lanes = channels.iter().take(lanes).map(|channel| Lane::new(Arc::clone(channel))).collect();
        let mailbox = Mailbox::new(self.pool.patience());
        let mut upload = Upload {
            mailbox,
            lanes,
            path,
            temporary,
            flags: NEW_FILE,
            mode,
            body,
            next: 0,
            outstanding: 0,
            written: 0,
        };
        let result = upload.write_all().and_then(|()| upload.flush());
        upload.close_rest();
        if !result? && !self.told_no_flush.swap(true, Ordering::Relaxed) {
            let server = &self.pool.target().origin;
            self.pool.context().events.warning(&format!(
                "{server} offers no way to flush files to its disk: a power cut there may lose what was just written"
            ));
        }
        Ok(())
    }

    /// Gives the final name; it must be new. An equal file that has it already will do.
    fn name_new(
        &self,
        channel: &Channel,
        temporary: &[u8],
        path: &[u8],
        body: &Bytes,
        patience: &Patience,
    ) -> Result<Named, ConnectorError> {
        let error = match self.give_name(channel, temporary, path, patience) {
            Err(error) if !error.is_transient() => error,
            result => return result,
        };
        let reply = call(channel, &Request::Lstat { path: path.to_vec() }, patience)?;
        match asked("inspect", path).attributes_if_any(reply)? {
            None => Err(self.explain(error, channel, parent(path), 0)),
            Some(found) if found.size.is_some_and(|size| size != body.len() as u64) => {
                Err(other_content(path))
            }
            Some(_) => {
                let existing = fetch::read_file(&self.pool, path, fetch::FILE_BYTES_MAX)?;
                if existing == *body { Ok(Named::Twice) } else { Err(other_content(path)) }
            }
        }
    }

    /// Gives the final name, whatever had it before.
    fn name_over(
        &self,
        channel: &Channel,
        temporary: &[u8],
        path: &[u8],
        patience: &Patience,
    ) -> Result<Named, ConnectorError> {
        let (from, to) = (temporary.to_vec(), path.to_vec());
        if channel.features().posix_rename {
            let request = Request::PosixRename { from: from.clone(), to: to.clone() };
            let reply = call(channel, &request, patience)?;
            match asked("rename", path).done(reply) {
                // Announced, and yet not for this account.
                Err(error) if is_denied(&error) => {}
                result => return result.map(|()| Named::Moved),
            }
        }
        // Without it there is a moment without the file, but never half a file.
        let request = Request::Rename { from, to };
        match self.give_name(channel, temporary, path, patience) {
            Err(error) if self.naming() == Naming::Rename && !error.is_transient() => {}
            // Where names are given for good, the caller must choose a new one.
            Err(error) if !error.is_transient() => {
                return Err(ConnectorError { kind: ErrorKind::AlreadyExists, ..error });
            }
            result => return result,
        }
        let reply = call(channel, &Request::Remove { path: path.to_vec() }, patience)?;
        match asked("remove", path).done(reply) {
            Err(error) if error.kind != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        asked("rename", path).done(call(channel, &request, patience)?).map(|()| Named::Moved)
    }

    /// Removes a temporary file, now or when there is a connection again.
    fn remove_temporary(&self, channel: &Channel, path: Vec<u8>) {
        let request = Request::Remove { path: path.clone() };
        if self.naming() == Naming::Link {
            // It is a second name of a good file, and most likely has to stay: not worth a wait.
            return channel.send_and_forget(&request);
        }
        let removed = call(channel, &request, &self.pool.patience()).is_ok_and(|reply| {
            crate::channel::is_missing(&reply) || asked("remove", &path).done(reply).is_ok()
        });
        // On a live channel the server does not want it removed, and will not want it later.
        if !removed && channel.is_lost() {
            lock(&self.leftovers).push(path);
        }
    }

    fn remove_leftovers(&self, channel: &Channel) {
        for path in std::mem::take(&mut *lock(&self.leftovers)) {
            channel.send_and_forget(&Request::Remove { path });
        }
    }
}

pub(super) fn other_content(path: &[u8]) -> ConnectorError {
    asked("write", path).error(ErrorKind::AlreadyExists, "a file of this name with other content exists")
}

/// One channel's part in an upload.
struct Lane {
    channel: Arc<Channel>,
    handle: Option<Handle>,
    opening: bool,
    unconfirmed: usize,
}

impl Lane {
    fn new(channel: Arc<Channel>) -> Self {
        Self { channel, handle: None, opening: false, unconfirmed: 0 }
    }
}

enum Tag {
    Opened(usize),
    Written { lane: usize, bytes: usize },
    Flushed,
    Inspected,
    Closed,
}

struct Upload<'a> {
    mailbox: Mailbox<Tag>,
    /// The first one creates the file, flushes and closes it.
    lanes: Vec<Lane>,
    path: &'a [u8],
    temporary: &'a [u8],
    flags: u32,
    /// Permissions of the file.
    mode: u32,
    body: &'a Bytes,
    next: usize,
    outstanding: usize,
    written: usize,
}

impl Upload<'_> {
    fn write_all(&mut self) -> Result<(), ConnectorError> {
        self.open(0, self.flags);
        // With one lane the flush follows the last write at once: the channel keeps the order.
        let alone = self.lanes.len() == 1;
        let behind = |upload: &Self| if alone { upload.next } else { upload.written } < upload.body.len();
        while behind(self) || self.lanes.iter().any(|lane| lane.opening) {
            let (tag, reply) = self.receive()?;
            match tag {
                Tag::Opened(lane) => self.take_handle(lane, reply)?,
                Tag::Written { lane, bytes } => {
                    asked("write", self.path).done(reply)?;
                    self.written += bytes;
                    if let Some(lane) = self.lanes.get_mut(lane) {
                        lane.unconfirmed -= bytes;
                    }
                }
                Tag::Flushed | Tag::Inspected | Tag::Closed => {}
            }
            self.send_writes();
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(Tag, Reply), ConnectorError> {
        let answer = self.mailbox.receive()?;
        self.outstanding -= 1;
        Ok(answer)
    }

    fn send(&mut self, lane: usize, request: &Request, tag: Tag) {
        if let Some(lane) = self.lanes.get(lane) {
            self.mailbox.send(&lane.channel, request, tag);
            self.outstanding += 1;
        }
    }

    fn open(&mut self, lane: usize, flags: u32) {
        let attributes = Attributes::with_permissions(self.mode);
        let request = Request::Open { path: self.temporary.to_vec(), flags, attributes };
        self.send(lane, &request, Tag::Opened(lane));
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.opening = true;
        }
    }

    fn take_handle(&mut self, number: usize, reply: Reply) -> Result<(), ConnectorError> {
        let Some(lane) = self.lanes.get_mut(number) else { return Ok(()) };
        lane.opening = false;
        match asked("create", self.path).handle(reply) {
            Ok(handle) => lane.handle = Some(handle),
            // The others can do without it.
            Err(_) if number > 0 => {}
            Err(error) => return Err(error),
        }
        if number == 0 {
            for other in 1..self.lanes.len() {
                self.open(other, open::WRITE);
            }
        }
        Ok(())
    }

    /// Fills every lane's window, the emptiest lane first.
    fn send_writes(&mut self) {
        while self.next < self.body.len() {
            let emptiest = self
                .lanes
                .iter()
                .enumerate()
                .filter(|(_, lane)| lane.handle.is_some() && lane.unconfirmed < WINDOW_BYTES)
                .min_by_key(|(_, lane)| lane.unconfirmed)
                .map(|(number, _)| number);
            let Some(number) = emptiest else { return };
            let Some(lane) = self.lanes.get_mut(number) else { return };
            let Some(handle) = lane.handle.clone() else { return };
            let bytes = lane.channel.write_bytes().min(self.body.len() - self.next);
            lane.unconfirmed += bytes;
            let data = self.body.slice(self.next..self.next + bytes);
            let request = Request::Write { handle, offset: self.next as u64, data };
            self.next += bytes;
            self.send(number, &request, Tag::Written { lane: number, bytes });
        }
    }

    /// Flushes, compares the length and closes, in one round trip; `false` if the server cannot
    /// flush.
    fn flush(&mut self) -> Result<bool, ConnectorError> {
        let Some(first) = self.lanes.first_mut() else { return Ok(false) };
        let Some(handle) = first.handle.take() else { return Ok(false) };
        let mut flushed = first.channel.features().fsync;
        if flushed {
            self.send(0, &Request::Fsync { handle: handle.clone() }, Tag::Flushed);
        }
        self.send(0, &Request::Fstat { handle: handle.clone() }, Tag::Inspected);
        self.send(0, &Request::Close { handle }, Tag::Closed);
        let mut failure = None;
        while self.outstanding > 0 {
            let (tag, reply) = self.receive()?;
            let result = match tag {
                Tag::Flushed => match asked("flush", self.path).done(reply) {
                    Err(error) if error.kind == ErrorKind::Unsupported => {
                        flushed = false;
                        Ok(())
                    }
                    result => result,
                },
                Tag::Inspected => self.compare_length(reply),
                Tag::Closed => asked("close", self.path).done(reply),
                Tag::Written { .. } => asked("write", self.path).done(reply),
                Tag::Opened(_) => Ok(()),
            };
            if let Err(error) = result {
                failure.get_or_insert(error);
            }
        }
        failure.map_or(Ok(flushed), Err)
    }

    fn compare_length(&self, reply: Reply) -> Result<(), ConnectorError> {
        let found = asked("inspect", self.path).attributes(reply)?.size;
        if found == Some(self.body.len() as u64) {
            return Ok(());
        }
        let found = found.map_or_else(|| "an unknown number".to_owned(), |size| size.to_string());
        let message = format!("{found} of {} bytes arrived", self.body.len());
        Err(asked("write", self.path).error(ErrorKind::Corrupt, message))
    }

    /// Leaves nothing open, whatever happened.
    fn close_rest(&mut self) {
        for lane in &mut self.lanes {
            if let Some(handle) = lane.handle.take() {
                lane.channel.close(handle);
            }
        }
        while self.outstanding > 0 {
            let Ok((tag, reply)) = self.receive() else { return };
            let Tag::Opened(number) = tag else { continue };
            if let (Ok(handle), Some(lane)) =
                (asked("create", self.path).handle(reply), self.lanes.get(number))
            {
                lane.channel.close(handle);
            }
        }
    }
}
