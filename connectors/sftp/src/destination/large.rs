//! A large file written in pieces by many threads, over all channels.
//!
//! What the server has not confirmed is kept, so that a lost connection costs only sending it
//! again. Runs of zeros are left out: they become holes.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kloset_connector::{ConnectorError, ErrorKind, FileSink, Outcome, Target as Item};

use super::batch::no_channel;
use super::files::explain;
use super::folders::verify;
use super::metadata::Metadata;
use super::{Shared, in_the_way};
use crate::answer::asked;
use crate::channel::{Channel, Reply};
use crate::mailbox::{call, lock};
use crate::packet::{Attributes, Handle, Request, open};

/// Unconfirmed bytes of one file.
const WINDOW_BYTES: usize = 16 << 20;
/// Runs of zeros shorter than this are written.
const HOLE_BYTES: usize = 64 << 10;

/// A file being written.
pub(crate) struct LargeFile {
    shared: Arc<Shared>,
    item: Item,
    path: Vec<u8>,
    temporary: Vec<u8>,
    progress: Arc<Progress>,
}

/// What the answers change.
#[derive(Default)]
struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lanes: Vec<Lane>,
    unconfirmed: HashMap<u64, (u64, Bytes)>,
    unconfirmed_bytes: usize,
    next_id: u64,
    /// Pieces to be sent again.
    again: Vec<(u64, Bytes)>,
    lost: Option<ConnectorError>,
    failure: Option<ConnectorError>,
}

struct Lane {
    channel: Arc<Channel>,
    handle: Handle,
}

impl LargeFile {
    pub(crate) fn open(shared: &Arc<Shared>, item: &Item) -> Result<Self, ConnectorError> {
        let path = shared.path(&item.path);
        let file = Self {
            shared: Arc::clone(shared),
            item: item.clone(),
            temporary: shared.temporary(&path),
            path,
            progress: Arc::default(),
        };
        shared.retrier.run(|| file.create())?;
        Ok(file)
    }

    fn create(&self) -> Result<(), ConnectorError> {
        let patience = self.shared.pool.patience();
        let channels = self.shared.pool.channels(&patience)?;
        let first = channels.first().ok_or_else(no_channel)?;
        let doubts = verify(&self.shared, first, std::iter::once(self.item.path.as_slice()))?;
        if let Some(error) = doubts.against(&self.shared, "create", &self.item.path) {
            return Err(error);
        }
        self.check_place(first)?;
        let flags = open::WRITE | open::CREATE;
        self.open_lanes(&channels, flags)
    }

    fn check_place(&self, channel: &Channel) -> Result<(), ConnectorError> {
        let request = Request::Lstat { path: self.path.clone() };
        let reply = call(channel, &request, &self.shared.pool.patience())?;
        match asked("inspect", &self.path).attributes_if_any(reply)? {
            Some(found) if !found.is_regular() => in_the_way("create", &self.path, &found).map(drop),
            _ => Ok(()),
        }
    }

    /// Opens the temporary file on every channel; the first must succeed.
    fn open_lanes(&self, channels: &[Arc<Channel>], mut flags: u32) -> Result<(), ConnectorError> {
        let patience = self.shared.pool.patience();
        let mut lanes = Vec::new();
        for channel in channels {
            let attributes = Attributes::with_permissions(0o600);
            let request = Request::Open { path: self.temporary.clone(), flags, attributes };
            let opened = asked("create", &self.path).handle(call(channel, &request, &patience)?);
            match opened {
                Ok(handle) => lanes.push(Lane { channel: Arc::clone(channel), handle }),
                Err(error) if lanes.is_empty() => return Err(explain(&self.shared, channel, error, 0)),
                Err(_) => {}
            }
            flags = open::WRITE;
        }
        lock(&self.progress.state).lanes = lanes;
        Ok(())
    }

    /// Sends one piece by the least busy lane. The lock is released first: a lost channel answers
    /// at once, on this thread.
    fn send(&self, mut state: MutexGuard<'_, State>, offset: u64, data: Bytes) {
        let lanes = state.lanes.iter().filter(|lane| !lane.channel.is_lost());
        let Some(lane) = lanes.min_by_key(|lane| lane.channel.load()) else {
            state.again.push((offset, data));
            state.lost.get_or_insert_with(no_channel);
            return;
        };
        let (channel, handle) = (Arc::clone(&lane.channel), lane.handle.clone());
        let most = channel.write_bytes();
        let mut requests = Vec::new();
        let (mut at, mut rest) = (offset, data);
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(most));
            let id = state.next_id;
            state.next_id += 1;
            state.unconfirmed.insert(id, (at, piece.clone()));
            state.unconfirmed_bytes += piece.len();
            let length = piece.len() as u64;
            requests.push((id, Request::Write { handle: handle.clone(), offset: at, data: piece }));
            at += length;
        }
        drop(state);
        for (id, request) in requests {
            let (progress, path) = (Arc::clone(&self.progress), self.path.clone());
            channel.send(&request, Box::new(move |reply| progress.confirm(id, &path, reply)));
        }
    }

    /// Waits until at most `most` bytes are unconfirmed, sending again what was lost.
    fn wait(&self, most: usize) -> Result<(), ConnectorError> {
        let patience = self.shared.pool.patience();
        let mut wait = self.shared.retrier.policy().first_wait;
        loop {
            let mut state = lock(&self.progress.state);
            if let Some(error) = state.failure.take() {
                return Err(error);
            }
            if let Some(error) = state.lost.take() {
                drop(state);
                self.shared.retrier.pause(&mut wait, Instant::now(), error)?;
                self.resume()?;
                continue;
            }
            if state.unconfirmed_bytes <= most && state.again.is_empty() {
                return Ok(());
            }
            if !patience.lasts() {
                return Err(asked("write", &self.path).error(ErrorKind::Interrupted, "interrupted"));
            }
            let result = self.progress.changed.wait_timeout(state, Duration::from_millis(50));
            drop(result.unwrap_or_else(|poisoned| poisoned.into_inner()));
        }
    }

    /// Opens the temporary file on new channels and sends again what was not confirmed.
    fn resume(&self) -> Result<(), ConnectorError> {
        let result = self.shared.pool.channels(&self.shared.pool.patience()).and_then(|channels| {
            let old = std::mem::take(&mut lock(&self.progress.state).lanes);
            for lane in old {
                lane.channel.close(lane.handle);
            }
            self.open_lanes(&channels, open::WRITE)
        });
        let mut state = lock(&self.progress.state);
        match result {
            Ok(()) => {
                let again = std::mem::take(&mut state.again);
                for (offset, data) in again {
                    self.send(state, offset, data);
                    state = lock(&self.progress.state);
                }
                Ok(())
            }
            Err(error) if error.is_transient() => {
                state.lost.get_or_insert(error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Owner, mode, times, size; then the name.
    fn complete(&self) -> Outcome {
        let (channel, handle) = {
            let state = lock(&self.progress.state);
            let lane = state.lanes.iter().find(|lane| !lane.channel.is_lost()).ok_or_else(no_channel)?;
            (Arc::clone(&lane.channel), lane.handle.clone())
        };
        let patience = self.shared.pool.patience();
        let set =
            |attributes| call(&channel, &Request::Fsetstat { handle: handle.clone(), attributes }, &patience);
        let mut metadata = Metadata::of(&self.item);
        // The end may be a hole.
        let size = u64::try_from(self.item.info.size).ok();
        asked("set the size of", &self.path).done(set(Attributes { size, ..Attributes::default() })?)?;
        if metadata.owner.owner.is_some() {
            let answer = asked("set the owner of", &self.path).done(set(metadata.owner)?);
            metadata.owner_answered(answer)?;
        }
        asked("set mode and times of", &self.path).done(set(metadata.rest)?)?;
        if let Some(special) = metadata.special.take() {
            asked("set the mode of", &self.path).done(set(special)?)?;
        }
        self.close_lanes();
        self.check_place(&channel)?;
        let (from, to) = (self.temporary.clone(), self.path.clone());
        if channel.features().posix_rename {
            let reply = call(&channel, &Request::PosixRename { from, to }, &patience)?;
            asked("rename", &self.path).done(reply)?;
        } else {
            let _ = call(&channel, &Request::Remove { path: to.clone() }, &patience)?;
            let reply = call(&channel, &Request::Rename { from, to }, &patience)?;
            asked("rename", &self.path).done(reply)?;
        }
        Ok(metadata.applied())
    }

    fn close_lanes(&self) {
        for lane in std::mem::take(&mut lock(&self.progress.state).lanes) {
            lane.channel.close(lane.handle);
        }
    }

    fn remove(&self) {
        self.close_lanes();
        let patience = self.shared.pool.patience();
        let removed =
            self.shared.pool.channel(&patience).and_then(|channel| {
                call(&channel, &Request::Remove { path: self.temporary.clone() }, &patience)
            });
        if !matches!(removed, Ok(Ok(_))) {
            self.shared.leave_behind(self.temporary.clone());
        }
    }
}

impl Progress {
    fn confirm(&self, id: u64, path: &[u8], reply: Reply) {
        let mut state = lock(&self.state);
        let Some((offset, data)) = state.unconfirmed.remove(&id) else { return };
        state.unconfirmed_bytes -= data.len();
        match asked("write", path).done(reply) {
            Ok(()) => {}
            Err(error) if error.is_transient() => {
                state.again.push((offset, data));
                state.lost.get_or_insert(error);
            }
            Err(error) => {
                state.failure.get_or_insert(error);
            }
        }
        self.changed.notify_all();
    }
}

impl FileSink for LargeFile {
    fn write_at(&self, offset: u64, data: Bytes) -> Result<(), ConnectorError> {
        for (at, piece) in without_holes(&data) {
            self.wait(WINDOW_BYTES)?;
            self.send(lock(&self.progress.state), offset + at as u64, piece);
        }
        self.wait(WINDOW_BYTES).map_err(|error| self.explained(error))
    }

    fn finish(self: Box<Self>) -> Outcome {
        let mut completed = self.wait(0).and_then(|()| self.complete());
        let mut wait = self.shared.retrier.policy().first_wait;
        let started = Instant::now();
        while let Err(error) = completed {
            if !error.is_transient() {
                let error = self.explained(error);
                self.remove();
                return Err(error);
            }
            self.shared.retrier.pause(&mut wait, started, error)?;
            completed = self.is_named().and_then(|named| match named {
                // The rename took effect; only its answer was lost.
                true => Ok(Metadata::of(&self.item).applied()),
                false => self.resume().and_then(|()| self.wait(0)).and_then(|()| self.complete()),
            });
        }
        completed
    }

    fn abandon(self: Box<Self>) {
        self.remove();
    }
}

impl LargeFile {
    fn explained(&self, error: ConnectorError) -> ConnectorError {
        let patience = self.shared.pool.patience();
        match self.shared.pool.channel(&patience) {
            Ok(channel) => explain(&self.shared, &channel, error, 0),
            Err(_) => error,
        }
    }

    /// Whether the temporary name is gone and the final one has the right size.
    fn is_named(&self) -> Result<bool, ConnectorError> {
        let patience = self.shared.pool.patience();
        let channel = self.shared.pool.channel(&patience)?;
        let look = |path: &[u8]| {
            let reply = call(&channel, &Request::Lstat { path: path.to_vec() }, &patience)?;
            asked("inspect", path).attributes_if_any(reply)
        };
        let size = u64::try_from(self.item.info.size).ok();
        Ok(look(&self.temporary)?.is_none() && look(&self.path)?.is_some_and(|found| found.size == size))
    }
}

/// The parts of `data` that are not long runs of zeros, with their places.
fn without_holes(data: &Bytes) -> Vec<(usize, Bytes)> {
    let mut parts = Vec::new();
    let mut start = None;
    for (number, block) in data.chunks(HOLE_BYTES).enumerate() {
        let at = number * HOLE_BYTES;
        let zeros = block.len() == HOLE_BYTES && block.iter().all(|&byte| byte == 0);
        match (zeros, start) {
            (true, Some(from)) => {
                parts.push((from, data.slice(from..at)));
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    if let Some(from) = start {
        parts.push((from, data.slice(from..)));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_of_zeros_are_left_out() {
        let mut data = vec![1u8; 300_000];
        data.get_mut(70_000..290_000).unwrap().fill(0);
        let data = Bytes::from(data);
        let parts = without_holes(&data);
        assert_eq!(parts.len(), 2);
        let mut whole = vec![0u8; data.len()];
        for (at, part) in parts {
            whole.get_mut(at..at + part.len()).unwrap().copy_from_slice(&part);
        }
        assert_eq!(whole, data);
        assert!(without_holes(&Bytes::from(vec![0; HOLE_BYTES * 3])).is_empty());
    }
}
