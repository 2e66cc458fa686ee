//! Reading parts of many files with everything in flight at once.
//!
//! Ranges are grouped by file; a file is opened once, or once on each channel if much of it is
//! wanted, and all its reads leave as soon as its handle is known, with the close behind them. Two
//! round trips fetch a batch of any size, as long as it fits the window.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kloset_connector::{ConnectorError, ErrorKind};

use crate::answer::asked;
use crate::channel::{Channel, Reply};
use crate::mailbox::{Mailbox, call, wait_for_room};
use crate::packet::{Handle, Request, open};
use crate::pool::Pool;

/// Bytes asked for and not yet arrived, for one call.
const WINDOW_BYTES: u64 = 32 << 20;
/// Files open or being opened for one call.
const OPEN_MAX: usize = 256;
/// A file of which more than this is wanted is read on several channels.
const STRIPE_BYTES: u64 = 2 << 20;
/// What one channel takes of a striped file at a time.
const BLOCK_BYTES: u64 = 1 << 20;
/// No file of a store is longer.
pub(crate) const FILE_BYTES_MAX: u64 = 8 << 30;

/// A part of a file.
pub(crate) struct Wanted {
    pub(crate) path: Arc<Vec<u8>>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Hands out results by index.
type Deliver<'a> = &'a (dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync);

/// Fetches everything in `wanted`; `deliver` is called once for each.
pub(crate) fn fetch(pool: &Pool, wanted: Vec<Wanted>, deliver: Deliver<'_>) {
    let mut batch = Batch::new(wanted, deliver);
    let patience = pool.patience();
    let channels = match pool.channels(&patience) {
        Ok(channels) => channels,
        Err(error) => return batch.fail_all(&error),
    };
    batch.plan(channels);
    let mailbox = Mailbox::new(patience);
    while !batch.is_done() {
        batch.open_files(&mailbox);
        batch.send_reads(&mailbox);
        let answer = if batch.outstanding == 0 {
            // Other calls hold all the handles that the server grants.
            mailbox.receive_within(Duration::from_millis(5))
        } else {
            mailbox.receive().map(Some)
        };
        match answer {
            Ok(Some((tag, reply))) => batch.take(tag, reply),
            Ok(None) => {}
            Err(error) => return batch.fail_all(&error),
        }
    }
}

enum Tag {
    Opened(usize),
    Read { task: usize, index: usize, offset: u64, length: u32 },
}

/// A run of bytes to be asked for.
#[derive(Clone, Copy)]
struct Span {
    index: usize,
    next: u64,
    end: u64,
}

/// One file on one channel.
struct Task {
    path: Arc<Vec<u8>>,
    channel: Arc<Channel>,
    handle: Option<Handle>,
    spans: VecDeque<Span>,
}

/// What has arrived for one range.
#[derive(Default)]
struct Arrived {
    parts: Vec<(u64, Bytes)>,
    bytes: u64,
    delivered: bool,
}

struct Batch<'a> {
    wanted: Vec<Wanted>,
    arrived: Vec<Arrived>,
    deliver: Deliver<'a>,
    undelivered: usize,
    tasks: Vec<Task>,
    to_open: VecDeque<usize>,
    ready: VecDeque<usize>,
    opening: usize,
    outstanding: usize,
    in_flight: u64,
}

impl<'a> Batch<'a> {
    fn new(wanted: Vec<Wanted>, deliver: Deliver<'a>) -> Self {
        let arrived = wanted.iter().map(|_| Arrived::default()).collect();
        let undelivered = wanted.len();
        Self {
            wanted,
            arrived,
            deliver,
            undelivered,
            tasks: Vec::new(),
            to_open: VecDeque::new(),
            ready: VecDeque::new(),
            opening: 0,
            outstanding: 0,
            in_flight: 0,
        }
    }

    fn is_done(&self) -> bool {
        // Answers for handles still being opened are waited for: their handles must be closed.
        self.undelivered == 0 && self.opening == 0
    }

    fn finish(&mut self, index: usize, result: Result<Bytes, ConnectorError>) {
        if let Some(arrived) = self.arrived.get_mut(index)
            && !arrived.delivered
        {
            arrived.delivered = true;
            arrived.parts = Vec::new();
            self.undelivered -= 1;
            (self.deliver)(index, result);
        }
    }

    fn is_finished(&self, index: usize) -> bool {
        self.arrived.get(index).is_none_or(|arrived| arrived.delivered)
    }

    fn fail_all(&mut self, error: &ConnectorError) {
        for index in 0..self.wanted.len() {
            let mut copy = ConnectorError::new(
                error.kind,
                error.operation,
                error.location.clone(),
                error.message.clone(),
            );
            copy.hint.clone_from(&error.hint);
            self.finish(index, Err(copy));
        }
    }

    /// Groups ranges by file and spreads the files over the channels.
    fn plan(&mut self, channels: Vec<Arc<Channel>>) {
        let mut files: Vec<(Arc<Vec<u8>>, Vec<Span>, u64)> = Vec::new();
        let mut known: HashMap<Arc<Vec<u8>>, usize> = HashMap::new();
        for index in 0..self.wanted.len() {
            let Some(wanted) = self.wanted.get(index) else { break };
            let end = wanted.offset.checked_add(wanted.length).filter(|&end| end <= FILE_BYTES_MAX);
            let (path, next, length) = (Arc::clone(&wanted.path), wanted.offset, wanted.length);
            let Some(end) = end else {
                let error = asked("read", &path).error(ErrorKind::Corrupt, "a range outside of any file");
                self.finish(index, Err(error));
                continue;
            };
            if length == 0 {
                self.finish(index, Ok(Bytes::new()));
                continue;
            }
            let at = *known.entry(Arc::clone(&path)).or_insert_with(|| {
                files.push((path, Vec::new(), 0));
                files.len() - 1
            });
            if let Some((_, spans, total)) = files.get_mut(at) {
                spans.push(Span { index, next, end });
                *total += length;
            }
        }
        let mut order = channels;
        order.sort_by_key(|channel| channel.load());
        for (path, spans, total) in files {
            let stripes = (total / STRIPE_BYTES).clamp(1, order.len() as u64) as usize;
            self.plan_file(&path, spans, order.get(..stripes).unwrap_or_default());
            let turn = stripes % order.len().max(1);
            order.rotate_left(turn);
        }
    }

    fn plan_file(&mut self, path: &Arc<Vec<u8>>, spans: Vec<Span>, channels: &[Arc<Channel>]) {
        let mut lanes: Vec<VecDeque<Span>> = channels.iter().map(|_| VecDeque::new()).collect();
        let count = lanes.len();
        let mut turn = 0;
        for mut span in spans {
            while span.next < span.end {
                let end = if count == 1 { span.end } else { span.end.min(span.next + BLOCK_BYTES) };
                if let Some(lane) = lanes.get_mut(turn % count.max(1)) {
                    lane.push_back(Span { end, ..span });
                }
                span.next = end;
                turn += 1;
            }
        }
        for (channel, spans) in channels.iter().zip(lanes) {
            self.add_task(Task { path: Arc::clone(path), channel: Arc::clone(channel), handle: None, spans });
        }
    }

    fn add_task(&mut self, task: Task) {
        if !task.spans.is_empty() {
            self.to_open.push_back(self.tasks.len());
            self.tasks.push(task);
        }
    }

    fn open_files(&mut self, mailbox: &Mailbox<Tag>) {
        while self.opening + self.ready.len() < OPEN_MAX && self.in_flight < WINDOW_BYTES {
            let Some(&number) = self.to_open.front() else { return };
            let Some(task) = self.tasks.get(number) else { return };
            if !task.channel.has_room() && !task.channel.is_lost() {
                return;
            }
            self.to_open.pop_front();
            let request =
                Request::Open { path: task.path.to_vec(), flags: open::READ, attributes: Default::default() };
            mailbox.send(&task.channel, &request, Tag::Opened(number));
            self.opening += 1;
            self.outstanding += 1;
        }
    }

    fn send_reads(&mut self, mailbox: &Mailbox<Tag>) {
        while let Some(&number) = self.ready.front() {
            if self.in_flight >= WINDOW_BYTES {
                return;
            }
            let sent = self.send_read(number, mailbox);
            if !sent {
                self.ready.pop_front();
            }
        }
    }

    /// Sends the next read of a task, or closes its handle if there is none.
    fn send_read(&mut self, number: usize, mailbox: &Mailbox<Tag>) -> bool {
        let Some(task) = self.tasks.get_mut(number) else { return false };
        let Some(handle) = task.handle.clone() else { return false };
        loop {
            let Some(span) = task.spans.front_mut() else {
                task.handle = None;
                task.channel.close(handle);
                return false;
            };
            let finished = self.arrived.get(span.index).is_none_or(|arrived| arrived.delivered);
            if finished || span.next >= span.end {
                task.spans.pop_front();
                continue;
            }
            let length = (span.end - span.next).min(u64::from(task.channel.read_bytes())) as u32;
            let tag = Tag::Read { task: number, index: span.index, offset: span.next, length };
            let request = Request::Read { handle, offset: span.next, length };
            span.next += u64::from(length);
            mailbox.send(&task.channel, &request, tag);
            self.outstanding += 1;
            self.in_flight += u64::from(length);
            return true;
        }
    }

    fn take(&mut self, tag: Tag, reply: Reply) {
        self.outstanding -= 1;
        match tag {
            Tag::Opened(number) => {
                self.opening -= 1;
                self.take_handle(number, reply);
            }
            Tag::Read { task, index, offset, length } => {
                self.in_flight -= u64::from(length);
                self.take_data(task, index, offset, length, reply);
            }
        }
    }

    fn take_handle(&mut self, number: usize, reply: Reply) {
        let Some(task) = self.tasks.get_mut(number) else { return };
        match asked("open", &task.path).handle(reply.clone()) {
            Ok(handle) => {
                task.handle = Some(handle);
                self.ready.push_back(number);
            }
            Err(_) => {
                let path = Arc::clone(&task.path);
                for span in std::mem::take(&mut task.spans) {
                    if let Err(error) = asked("open", &path).handle(reply.clone()) {
                        self.finish(span.index, Err(error));
                    }
                }
            }
        }
    }

    fn take_data(&mut self, number: usize, index: usize, offset: u64, length: u32, reply: Reply) {
        let Some(task) = self.tasks.get(number) else { return };
        let (path, channel) = (Arc::clone(&task.path), Arc::clone(&task.channel));
        if self.is_finished(index) {
            return;
        }
        let data = match asked("read", &path).data(reply) {
            Ok(Some(data)) => data,
            Ok(None) => {
                let error =
                    asked("read", &path).error(ErrorKind::Corrupt, "the file is shorter than expected");
                return self.finish(index, Err(error));
            }
            Err(error) => return self.finish(index, Err(error)),
        };
        let got = data.len() as u64;
        if got == 0 || got > u64::from(length) {
            let error =
                asked("read", &path).error(ErrorKind::Corrupt, "the server sent a wrong amount of data");
            return self.finish(index, Err(error));
        }
        if got < u64::from(length) {
            // Cut short: by the end of the file, which the rest will show, or by the server's whim.
            let rest = Span { index, next: offset + got, end: offset + u64::from(length) };
            self.add_task(Task { path, channel, handle: None, spans: VecDeque::from([rest]) });
        }
        let Some(arrived) = self.arrived.get_mut(index) else { return };
        arrived.bytes += got;
        arrived.parts.push((offset, data));
        if self.wanted.get(index).is_some_and(|wanted| wanted.length == arrived.bytes) {
            let parts = std::mem::take(&mut arrived.parts);
            self.finish(index, Ok(joined(parts)));
        }
    }
}

/// Puts parts in order; a single one is not copied.
fn joined(mut parts: Vec<(u64, Bytes)>) -> Bytes {
    if parts.len() == 1
        && let Some((_, only)) = parts.pop()
    {
        return only;
    }
    parts.sort_unstable_by_key(|&(offset, _)| offset);
    let mut whole = Vec::with_capacity(parts.iter().map(|(_, part)| part.len()).sum());
    parts.iter().for_each(|(_, part)| whole.extend_from_slice(part));
    Bytes::from(whole)
}

/// Reads a whole file of at most `limit` bytes.
pub(crate) fn read_file(pool: &Pool, path: &[u8], limit: u64) -> Result<Vec<u8>, ConnectorError> {
    let patience = pool.patience();
    let channel = pool.channel(&patience)?;
    let request = Request::Open { path: path.to_vec(), flags: open::READ, attributes: Default::default() };
    wait_for_room(&channel, &patience)?;
    let handle = asked("open", path).handle(call(&channel, &request, &patience)?)?;
    // Size, start and close leave together: a small file takes two round trips.
    let mailbox = Mailbox::new(patience);
    let length = channel.read_bytes();
    mailbox.send(&channel, &Request::Fstat { handle: handle.clone() }, false);
    mailbox.send(&channel, &Request::Read { handle: handle.clone(), offset: 0, length }, true);
    channel.close(handle);
    let (mut size, mut start) = (None, None);
    for _ in 0..2 {
        match mailbox.receive()? {
            (false, reply) => size = asked("inspect", path).attributes(reply)?.size,
            (true, reply) => start = asked("read", path).data(reply)?,
        }
    }
    let start = start.unwrap_or_default();
    let size =
        size.ok_or_else(|| asked("inspect", path).error(ErrorKind::Corrupt, "the server tells no size"))?;
    if size > limit {
        return Err(asked("read", path).error(ErrorKind::Corrupt, format!("more than {limit} bytes")));
    }
    if start.len() as u64 >= size {
        return if start.len() as u64 == size {
            Ok(start.into())
        } else {
            Err(asked("read", path).error(ErrorKind::Corrupt, "the file grew while it was read"))
        };
    }
    let rest = Wanted {
        path: Arc::new(path.to_vec()),
        offset: start.len() as u64,
        length: size - start.len() as u64,
    };
    let result = std::sync::Mutex::new(None);
    fetch(pool, vec![rest], &|_, outcome| *crate::mailbox::lock(&result) = Some(outcome));
    let rest = result
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .ok_or_else(|| asked("read", path).error(ErrorKind::Other, "no result"))??;
    let mut whole = Vec::with_capacity(start.len() + rest.len());
    whole.extend_from_slice(&start);
    whole.extend_from_slice(&rest);
    Ok(whole)
}
