//! Small files, hundreds in flight: temporary name, content, owner, mode, times, then the name.
//!
//! Three round trips a file whatever its neighbours do: look and open; write, set, close; rename.
//! The rename waits for the answers to the writes, so that a full disk never puts a broken file in
//! the place of a good one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kloset_connector::{ConnectorError, ErrorKind, FileContent, Outcome, Report};

use super::batch::{self, Lost, no_channel};
use super::folders::{Doubts, verify};
use super::metadata::Metadata;
use super::{Shared, in_the_way};
use crate::answer::{asked, is_vague};
use crate::channel::{Channel, Reply};
use crate::mailbox::{Mailbox, call};
use crate::packet::{Attributes, FileSystem, Handle, Request, open};
use crate::source::Reconnect;

/// Files of one batch in flight.
const FILES_MAX: usize = 512;
/// Their bytes.
const BYTES_MAX: usize = 32 << 20;

/// Writes all files.
pub(crate) fn write(shared: &Shared, files: Vec<FileContent>, report: Report<'_>) {
    let mut attempt = |channels: &[Arc<Channel>], left: &[usize]| {
        let Some(first) = channels.first() else { return Lost::all(left.to_vec(), no_channel()) };
        let wanted =
            left.iter().filter_map(|&index| files.get(index)).map(|file| file.target.path.as_slice());
        match verify(shared, first, wanted) {
            Ok(doubts) => Writing::new(shared, &files, channels, report).run(left, &doubts),
            Err(error) => Lost::all(left.to_vec(), error),
        }
    };
    batch::run(shared, files.len(), &mut attempt, &mut |index, error| report(index, Err(error)));
}

#[derive(Clone, Copy)]
enum Step {
    Looked,
    Opened,
    Written,
    Owner,
    Rest,
    Special,
    Closed,
    Renamed,
    Removed,
}

struct State {
    channel: Arc<Channel>,
    path: Vec<u8>,
    temporary: Vec<u8>,
    metadata: Metadata,
    bytes: usize,
    handle: Option<Handle>,
    /// Answers that are due.
    due: usize,
    /// The step that all due answers complete.
    phase: Phase,
    /// A temporary file exists.
    created: bool,
    failure: Option<ConnectorError>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Writing,
    Special,
    Renaming,
    /// Renaming by way of removing, where the server cannot replace.
    Clearing,
    Removing,
    Over,
}

struct Writing<'a> {
    shared: &'a Shared,
    files: &'a [FileContent],
    channels: &'a [Arc<Channel>],
    report: Report<'a>,
    mailbox: Mailbox<(usize, Step)>,
    states: BTreeMap<usize, State>,
    bytes: usize,
    lost: Lost,
}

impl<'a> Writing<'a> {
    fn new(
        shared: &'a Shared,
        files: &'a [FileContent],
        channels: &'a [Arc<Channel>],
        report: Report<'a>,
    ) -> Self {
        let mailbox = Mailbox::new(shared.pool.patience());
        Self {
            shared,
            files,
            channels,
            report,
            mailbox,
            states: BTreeMap::new(),
            bytes: 0,
            lost: Lost::default(),
        }
    }

    fn run(mut self, left: &[usize], doubts: &Doubts) -> Lost {
        let mut waiting = left.iter().copied().peekable();
        loop {
            while self.states.len() < FILES_MAX
                && self.bytes < BYTES_MAX
                && let Some(&index) = waiting.peek()
            {
                let Some(channel) = Reconnect::roomy(self.channels) else { break };
                waiting.next();
                self.start(index, channel, doubts);
            }
            if self.states.is_empty() && waiting.peek().is_none() {
                return self.lost;
            }
            let answer = if self.states.is_empty() {
                self.mailbox.receive_within(Duration::from_millis(5))
            } else {
                self.mailbox.receive().map(Some)
            };
            match answer {
                Ok(Some(((index, step), reply))) => self.take(index, step, reply),
                Ok(None) => {}
                Err(error) => {
                    self.abandon();
                    let items = self.lost.items.into_iter().chain(self.states.into_keys()).chain(waiting);
                    return Lost::all(items.collect(), error);
                }
            }
        }
    }

    /// Interrupted: temporary files go away as far as that needs no waiting.
    fn abandon(&mut self) {
        for state in self.states.values_mut() {
            if let Some(handle) = state.handle.take() {
                state.channel.close(handle);
            }
            if state.created {
                state.channel.send_and_forget(&Request::Remove { path: state.temporary.clone() });
            }
        }
    }

    fn start(&mut self, index: usize, channel: Arc<Channel>, doubts: &Doubts) {
        let Some(file) = self.files.get(index) else { return };
        if let Some(error) = doubts.against(self.shared, "create", &file.target.path) {
            return (self.report)(index, Err(error));
        }
        let path = self.shared.path(&file.target.path);
        let temporary = self.shared.temporary(&path);
        let bytes = file.pieces.iter().map(Bytes::len).sum::<usize>();
        self.bytes += bytes;
        let open = Request::Open {
            path: temporary.clone(),
            flags: open::WRITE | open::CREATE | open::EXCLUSIVE,
            attributes: Attributes::with_permissions(0o600),
        };
        let look = Request::Lstat { path: path.clone() };
        let state = State {
            channel,
            path,
            temporary,
            metadata: Metadata::of(&file.target),
            bytes,
            handle: None,
            due: 0,
            phase: Phase::Opening,
            created: false,
            failure: None,
        };
        self.states.insert(index, state);
        self.send(index, &look, Step::Looked);
        self.send(index, &open, Step::Opened);
    }

    fn send(&mut self, index: usize, request: &Request, step: Step) {
        if let Some(state) = self.states.get_mut(&index) {
            state.due += 1;
            self.mailbox.send(&state.channel, request, (index, step));
        }
    }

    fn take(&mut self, index: usize, step: Step, reply: Reply) {
        let Some(state) = self.states.get_mut(&index) else { return };
        state.due -= 1;
        let result = match step {
            Step::Looked => match asked("inspect", &state.path).attributes_if_any(reply) {
                Ok(Some(found)) if !found.is_regular() => in_the_way("create", &state.path, &found).map(drop),
                result => result.map(drop),
            },
            Step::Opened => asked("create", &state.path).handle(reply).map(|handle| {
                state.handle = Some(handle);
                state.created = true;
            }),
            Step::Written => asked("write", &state.path).done(reply),
            Step::Owner => {
                let answer = asked("set the owner of", &state.path).done(reply);
                state.metadata.owner_answered(answer)
            }
            Step::Rest | Step::Special => asked("set mode and times of", &state.path).done(reply),
            Step::Closed => asked("close", &state.path).done(reply),
            Step::Renamed => {
                let result = asked("rename", &state.path).done(reply);
                state.created = result.is_err();
                match result {
                    // A server without the extension refuses to replace.
                    Err(error) if is_vague(&error) && !state.channel.features().posix_rename => {
                        if state.phase == Phase::Renaming { Ok(()) } else { Err(error) }
                    }
                    result => result,
                }
            }
            Step::Removed => Ok(()),
        };
        if let Err(error) = result {
            state.failure.get_or_insert(error);
        }
        if state.due == 0 {
            self.next_phase(index);
        }
    }

    fn next_phase(&mut self, index: usize) {
        let Some(state) = self.states.get_mut(&index) else { return };
        if state.failure.is_some() && state.phase != Phase::Removing {
            return self.clean_up(index);
        }
        match state.phase {
            Phase::Opening => {
                state.phase = Phase::Writing;
                self.send_content(index);
            }
            Phase::Writing if state.metadata.special.is_some() => {
                state.phase = Phase::Special;
                let attributes = state.metadata.special.take().unwrap_or_default();
                let request = Request::Setstat { path: state.temporary.clone(), attributes };
                self.send(index, &request, Step::Special);
            }
            Phase::Writing | Phase::Special => {
                state.phase = Phase::Renaming;
                self.send_rename(index);
            }
            Phase::Renaming if state.created => {
                state.phase = Phase::Clearing;
                let request = Request::Remove { path: state.path.clone() };
                self.send(index, &request, Step::Removed);
                self.send_rename(index);
            }
            Phase::Renaming | Phase::Clearing | Phase::Removing | Phase::Over => self.finish(index),
        }
    }

    fn send_content(&mut self, index: usize) {
        let Some(file) = self.files.get(index) else { return };
        let Some(state) = self.states.get_mut(&index) else { return };
        let Some(handle) = state.handle.take() else { return };
        let most = state.channel.write_bytes();
        let (owner, rest) = (state.metadata.owner, state.metadata.rest);
        let mut offset = 0u64;
        for piece in &file.pieces {
            let mut piece = piece.clone();
            while !piece.is_empty() {
                let data = piece.split_to(piece.len().min(most));
                let length = data.len() as u64;
                self.send(index, &Request::Write { handle: handle.clone(), offset, data }, Step::Written);
                offset += length;
            }
        }
        if owner.owner.is_some() {
            let request = Request::Fsetstat { handle: handle.clone(), attributes: owner };
            self.send(index, &request, Step::Owner);
        }
        self.send(index, &Request::Fsetstat { handle: handle.clone(), attributes: rest }, Step::Rest);
        self.send(index, &Request::Close { handle }, Step::Closed);
    }

    fn send_rename(&mut self, index: usize) {
        let Some(state) = self.states.get(&index) else { return };
        let (from, to) = (state.temporary.clone(), state.path.clone());
        let request = if state.channel.features().posix_rename {
            Request::PosixRename { from, to }
        } else {
            Request::Rename { from, to }
        };
        self.send(index, &request, Step::Renamed);
    }

    fn clean_up(&mut self, index: usize) {
        let Some(state) = self.states.get_mut(&index) else { return };
        if let Some(handle) = state.handle.take() {
            state.channel.close(handle);
        }
        if state.created && !state.channel.is_lost() {
            state.phase = Phase::Removing;
            let request = Request::Remove { path: state.temporary.clone() };
            self.send(index, &request, Step::Removed);
        } else {
            self.finish(index);
        }
    }

    fn finish(&mut self, index: usize) {
        let Some(mut state) = self.states.remove(&index) else { return };
        state.phase = Phase::Over;
        self.bytes -= state.bytes;
        match state.failure {
            Some(error) if error.is_transient() => {
                self.shared.leave_behind(state.temporary);
                self.lost.note(index, error);
            }
            Some(error) => {
                let error = explain(self.shared, &state.channel, error, state.bytes as u64);
                (self.report)(index, Err(error));
            }
            None => (self.report)(index, Outcome::Ok(state.metadata.applied())),
        }
    }
}

/// Finds the reason behind the word "failure": a full or read-only file system.
pub(crate) fn explain(
    shared: &Shared,
    channel: &Channel,
    error: ConnectorError,
    bytes: u64,
) -> ConnectorError {
    if !is_vague(&error) || !channel.features().statvfs {
        return error;
    }
    let request = Request::Statvfs { path: shared.root.clone() };
    let found = call(channel, &request, &shared.pool.patience())
        .and_then(|reply| asked("examine the file system of", &shared.root).extended(reply));
    let Some(system) = found.ok().and_then(|body| FileSystem::decode(body).ok()) else { return error };
    match system.trouble(bytes) {
        Some((kind, message)) => ConnectorError { kind, message: message.to_owned(), ..error },
        None => error,
    }
}

/// Creates and removes a file in the root.
pub(crate) fn try_writing(shared: &Shared) -> Result<(), ConnectorError> {
    let patience = shared.pool.patience();
    let channel = shared.pool.channel(&patience)?;
    let path = shared.temporary(&shared.path(b"x"));
    let open = Request::Open {
        path: path.clone(),
        flags: open::WRITE | open::CREATE | open::EXCLUSIVE,
        attributes: Attributes::with_permissions(0o600),
    };
    let handle = asked("create", &path).handle(call(&channel, &open, &patience)?)?;
    channel.close(handle);
    let reply = call(&channel, &Request::Remove { path: path.clone() }, &patience)?;
    match asked("remove", &path).done(reply) {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
