//! One file being read: which bytes were asked for, which have come, and where it ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use kloset_connector::{ConnectorError, ReadRequest};

use super::Tag;
use super::reader::Piece;
use crate::channel::Channel;
use crate::mailbox::Mailbox;
use crate::packet::{Handle, Request};

/// Bytes of a large file that are asked for or wait for its worker.
const WINDOW_BYTES: u64 = 16 << 20;
/// A small file that grew beyond this is read as a large one.
const SMALL_GROWN_BYTES: u64 = 16 << 20;
/// Asked for beyond the expected end, so that growth and the end show in the same answer.
const BEYOND_BYTES: u64 = 4096;
/// Asked for at a time once a file is longer than expected.
const GROWTH_BYTES: u64 = 4 << 20;

/// How a file is handed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Whole.
    Small,
    /// Piece by piece.
    Large,
}

/// The end of a job.
pub(crate) enum Finished {
    /// All pieces of a small file, and an error in place of what is missing.
    Whole(Vec<Bytes>, Option<ConnectorError>),
    /// The worker has, or will find, the end in its stream.
    Streamed,
}

struct Lane {
    channel: Arc<Channel>,
    handle: Option<Handle>,
    asked_bytes: u64,
}

pub(crate) struct Job {
    pub(crate) request: ReadRequest,
    pub(crate) kind: Kind,
    /// Answers of earlier epochs are void.
    pub(crate) epoch: u32,
    /// Bytes sent to the worker that it has not taken.
    pub(crate) untaken: u64,
    /// Why the file shall not be read, although it may be opened.
    pub(crate) refusal: Option<ConnectorError>,
    lanes: Vec<Lane>,
    /// A file of one READ is closed right behind it, unless it turned out to be longer.
    at_one_go: bool,
    closed: bool,
    next: u64,
    asked_bytes: u64,
    /// Everything before this has come.
    contiguous: u64,
    parts: BTreeMap<u64, Bytes>,
    /// Ranges that came short and are asked for again.
    again: Vec<(u64, u32)>,
    end: Option<u64>,
    error: Option<ConnectorError>,
    whole: Vec<Bytes>,
    stream: Option<Sender<Piece>>,
}

impl Job {
    pub(crate) fn new(request: ReadRequest, kind: Kind) -> Self {
        Self {
            request,
            kind,
            epoch: 0,
            untaken: 0,
            refusal: None,
            lanes: Vec::new(),
            at_one_go: kind == Kind::Small,
            closed: false,
            next: 0,
            asked_bytes: 0,
            contiguous: 0,
            parts: BTreeMap::new(),
            again: Vec::new(),
            end: None,
            error: None,
            whole: Vec::new(),
            stream: None,
        }
    }

    pub(crate) fn add_lane(&mut self, channel: Arc<Channel>) -> usize {
        self.lanes.push(Lane { channel, handle: None, asked_bytes: 0 });
        self.lanes.len() - 1
    }

    pub(crate) fn take_handle(&mut self, lane: usize, handle: Handle) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.handle = Some(handle);
        }
    }

    pub(crate) fn drop_lane(&mut self, lane: usize) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.handle = None;
        }
    }

    pub(crate) fn uses(&self, channel: &Arc<Channel>) -> bool {
        self.lanes.iter().any(|lane| Arc::ptr_eq(&lane.channel, channel))
    }

    pub(crate) fn close_lanes(&mut self) {
        for lane in &mut self.lanes {
            if let Some(handle) = lane.handle.take()
                && !self.closed
            {
                lane.channel.close(handle);
            }
        }
    }

    /// Starts over on other channels, keeping what has come without a gap.
    pub(crate) fn restart(&mut self) {
        self.epoch += 1;
        self.refusal = None;
        self.lanes.clear();
        self.closed = false;
        self.parts.clear();
        self.again.clear();
        self.asked_bytes = 0;
        self.next = self.contiguous;
        self.end = None;
        self.at_one_go &= self.contiguous == 0;
    }

    /// The receiving end for the worker of a large file; `None` if it has it already.
    pub(crate) fn start_stream(&mut self) -> Option<Receiver<Piece>> {
        if self.stream.is_some() {
            return None;
        }
        let (sender, receiver) = crossbeam_channel::unbounded();
        self.stream = Some(sender);
        Some(receiver)
    }

    /// Ends it with an error; gives the request back unless a worker has it.
    pub(crate) fn abort(self, error: ConnectorError) -> Option<(ReadRequest, Kind, ConnectorError)> {
        match &self.stream {
            Some(stream) => {
                let _ = stream.send(Piece::Failed(error));
                None
            }
            None => Some((self.request, self.kind, error)),
        }
    }

    /// Sends the reads that the window has room for.
    pub(crate) fn ask(&mut self, id: usize, mailbox: &Mailbox<Tag>) {
        if self.closed || self.error.is_some() || self.end.is_some_and(|end| self.contiguous >= end) {
            return;
        }
        if self.at_one_go && self.ask_at_once(id, mailbox) {
            return;
        }
        while let Some((offset, length)) = self.again.pop() {
            if !self.send_read(id, mailbox, offset, length) {
                self.again.push((offset, length));
                return;
            }
        }
        while self.asked_bytes + self.untaken < WINDOW_BYTES {
            let Some(lane) = self.idlest() else { return };
            let most = self.lanes.get(lane).map_or(1, |lane| u64::from(lane.channel.read_bytes()));
            let limit = match self.end {
                Some(end) => end,
                None if self.contiguous > self.request.size_hint => {
                    self.contiguous.saturating_add(GROWTH_BYTES)
                }
                None => self.request.size_hint.saturating_add(BEYOND_BYTES),
            };
            if self.next >= limit {
                return;
            }
            let length = (limit - self.next).min(most) as u32;
            if !self.send_read(id, mailbox, self.next, length) {
                return;
            }
            self.next += u64::from(length);
        }
    }

    /// One READ for all of a small file and the CLOSE behind it.
    fn ask_at_once(&mut self, id: usize, mailbox: &Mailbox<Tag>) -> bool {
        let Some(lane) = self.lanes.first() else { return true };
        let wanted = self.request.size_hint + BEYOND_BYTES;
        if wanted > u64::from(lane.channel.read_bytes()) {
            self.at_one_go = false;
            return false;
        }
        let (channel, handle) = (Arc::clone(&lane.channel), lane.handle.clone());
        let Some(handle) = handle else { return true };
        self.send_read(id, mailbox, 0, wanted as u32);
        self.next = wanted;
        channel.close(handle);
        self.closed = true;
        true
    }

    fn idlest(&self) -> Option<usize> {
        self.lanes
            .iter()
            .enumerate()
            .filter(|(_, lane)| lane.handle.is_some())
            .min_by_key(|(_, lane)| lane.asked_bytes)
            .map(|(number, _)| number)
    }

    fn send_read(&mut self, id: usize, mailbox: &Mailbox<Tag>, offset: u64, length: u32) -> bool {
        let Some(number) = self.idlest() else { return false };
        let Some(lane) = self.lanes.get_mut(number) else { return false };
        let Some(handle) = lane.handle.clone() else { return false };
        lane.asked_bytes += u64::from(length);
        self.asked_bytes += u64::from(length);
        let tag = Tag::Read { id, epoch: self.epoch, lane: number, offset, length };
        mailbox.send(&lane.channel, &Request::Read { handle, offset, length }, tag);
        true
    }

    /// Takes the answer to one read; `None` is the end of the file.
    pub(crate) fn take_data(
        &mut self,
        lane: usize,
        offset: u64,
        length: u32,
        answer: Result<Option<Bytes>, ConnectorError>,
    ) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.asked_bytes -= u64::from(length);
        }
        self.asked_bytes -= u64::from(length);
        match answer {
            Ok(Some(data)) if !data.is_empty() && data.len() <= length as usize => {
                let got = data.len() as u32;
                let reached = offset + u64::from(got);
                self.parts.insert(offset, data);
                if got < length {
                    // A regular file comes short only at its end. An end where none was expected is
                    // asked for again: pseudo files give what they please.
                    if reached == self.request.size_hint {
                        self.ends_at(reached);
                    } else {
                        self.again.push((reached, length - got));
                    }
                }
            }
            Ok(_) => self.ends_at(offset),
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
        self.pass_on();
        if self.closed && self.error.is_none() && self.end.is_none() {
            // Longer, or shorter, than one read showed: another look, with the handle kept.
            self.restart_slowly();
        }
    }

    fn ends_at(&mut self, end: u64) {
        self.end = Some(self.end.map_or(end, |known| known.min(end)));
    }

    fn restart_slowly(&mut self) {
        self.restart();
        self.at_one_go = false;
    }

    /// Whether the job has no channel and needs one.
    pub(crate) fn needs_opening(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Moves what has come without a gap towards its reader.
    fn pass_on(&mut self) {
        while self.end.is_none_or(|end| self.contiguous < end)
            && let Some(part) = self.parts.remove(&self.contiguous)
        {
            self.contiguous += part.len() as u64;
            match &self.stream {
                Some(stream) => {
                    self.untaken += part.len() as u64;
                    let _ = stream.send(Piece::Data(part));
                }
                None => self.whole.push(part),
            }
        }
    }

    /// Whether a small file has become too long to be kept whole.
    pub(crate) fn is_outgrown(&self) -> bool {
        self.kind == Kind::Small && self.contiguous > SMALL_GROWN_BYTES
    }

    /// Makes a large file of a small one; what has come is passed on.
    pub(crate) fn outgrow(&mut self) -> Option<Receiver<Piece>> {
        self.kind = Kind::Large;
        let receiver = self.start_stream()?;
        for part in std::mem::take(&mut self.whole) {
            self.untaken += part.len() as u64;
            if let Some(stream) = &self.stream {
                let _ = stream.send(Piece::Data(part));
            }
        }
        Some(receiver)
    }

    /// What the job has come to, once it is over.
    pub(crate) fn take_finished(&mut self) -> Option<Finished> {
        let complete = self.end.is_some_and(|end| self.contiguous >= end);
        if !complete && self.error.is_none() {
            return None;
        }
        let error = self.error.take();
        match self.stream.take() {
            Some(stream) => {
                let _ = stream.send(error.map_or(Piece::End, Piece::Failed));
                Some(Finished::Streamed)
            }
            None => Some(Finished::Whole(std::mem::take(&mut self.whole), error)),
        }
    }
}
