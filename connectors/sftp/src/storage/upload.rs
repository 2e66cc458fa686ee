//! One file's way to the server: its bytes over one or several channels, flushed, its length compared.

use std::sync::Arc;

use bytes::Bytes;
use kloset_connector::{ConnectorError, ErrorKind};

use crate::answer::asked;
use crate::channel::{Channel, Reply};
use crate::mailbox::Mailbox;
use crate::packet::{Attributes, Handle, Request, open};

/// Unconfirmed bytes on one channel: twice what OpenSSH's window lets out.
const WINDOW_BYTES: usize = 4 << 20;
/// A file that must not be there yet.
const NEW_FILE: u32 = open::WRITE | open::CREATE | open::EXCLUSIVE;

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

pub(super) enum Tag {
    Opened(usize),
    Written { lane: usize, bytes: usize },
    Flushed,
    Inspected,
    Closed,
}

/// An upload in progress.
pub(super) struct Upload<'a> {
    mailbox: Mailbox<Tag>,
    /// The first one creates the file, flushes and closes it.
    lanes: Vec<Lane>,
    path: &'a [u8],
    temporary: &'a [u8],
    flags: u32,
    /// Permissions of the file.
    mode: u32,
    body: &'a Bytes,
    /// Bytes at the start that are written when all others are confirmed; none once they are sent.
    head: usize,
    next: usize,
    outstanding: usize,
    /// Confirmed bytes.
    written: usize,
}

impl<'a> Upload<'a> {
    /// A new file `temporary` with this content; errors speak of `path`.
    pub(super) fn new(
        mailbox: Mailbox<Tag>,
        channels: &[Arc<Channel>],
        path: &'a [u8],
        temporary: &'a [u8],
        mode: u32,
        body: &'a Bytes,
    ) -> Self {
        let lanes = channels.iter().map(|channel| Lane::new(Arc::clone(channel))).collect();
        let (head, next, outstanding, written) = (0, 0, 0, 0);
        Self {
            mailbox,
            lanes,
            path,
            temporary,
            flags: NEW_FILE,
            mode,
            body,
            head,
            next,
            outstanding,
            written,
        }
    }

    /// The file is there already.
    pub(super) fn into_existing(self) -> Self {
        Self { flags: open::WRITE, ..self }
    }

    /// What comes before `start` is there, but for the first `head` bytes, which come last.
    pub(super) fn starting_at(self, start: usize, head: usize) -> Self {
        Self { head, next: start, written: start.saturating_sub(head), ..self }
    }

    /// Does it all; `false` if the server cannot flush.
    pub(super) fn run(mut self) -> Result<bool, ConnectorError> {
        let result = self.write_all().and_then(|()| self.flush());
        self.close_rest();
        result
    }

    fn write_all(&mut self) -> Result<(), ConnectorError> {
        self.open(0, self.flags);
        // With one lane the flush follows the last write at once: the channel keeps the order.
        let alone = self.lanes.len() == 1;
        let behind = |upload: &Self| {
            upload.head > 0 || if alone { upload.next } else { upload.written } < upload.body.len()
        };
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
                Tag::Flushed => self.note_flush(reply).map(drop)?,
                Tag::Inspected | Tag::Closed => {}
            }
            self.send_writes();
            self.send_head();
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

    /// Sends the first bytes once all others are confirmed, behind a flush of those.
    fn send_head(&mut self) {
        let whole = self.head > 0 && self.written + self.head == self.body.len();
        let Some(lane) = self.lanes.first_mut().filter(|_| whole) else { return };
        let Some(handle) = lane.handle.clone() else { return };
        let head = std::mem::take(&mut self.head);
        lane.unconfirmed += head;
        if lane.channel.features().fsync {
            self.send(0, &Request::Fsync { handle: handle.clone() }, Tag::Flushed);
        }
        let request = Request::Write { handle, offset: 0, data: self.body.slice(..head) };
        self.send(0, &request, Tag::Written { lane: 0, bytes: head });
    }

    /// Whether the server flushed; one that cannot is no failure.
    fn note_flush(&self, reply: Reply) -> Result<bool, ConnectorError> {
        match asked("flush", self.path).done(reply) {
            Err(error) if error.kind == ErrorKind::Unsupported => Ok(false),
            result => result.map(|()| true),
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
                Tag::Flushed => self.note_flush(reply).map(|done| flushed &= done),
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
