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
use super::upload::Upload;
use super::{SftpStorage, fetch};
use crate::answer::asked;
use crate::channel::Channel;
use crate::mailbox::{Mailbox, Patience, call, lock, wait_for_room};
use crate::packet::Request;

/// Bodies above this are spread over the channels.
const STRIPE_BYTES: usize = 1 << 20;

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

    /// Writes `body` from `start` under `path` itself, over one channel; what comes before its first
    /// `head` bytes last, when all else is flushed: until then everybody sees that it is not finished.
    pub(super) fn write_from(
        &self,
        start: usize,
        head: usize,
        new: bool,
        channel: &Arc<Channel>,
        path: &[u8],
        body: &Bytes,
    ) -> Result<(), ConnectorError> {
        let lanes = std::slice::from_ref(channel);
        let upload = Upload::new(Mailbox::new(self.pool.patience()), lanes, path, path, 0o600, body);
        let upload = if new { upload } else { upload.into_existing() };
        upload.starting_at(start, head).run().map(drop)
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
        let lanes = channels.get(..lanes).unwrap_or(channels);
        let mailbox = Mailbox::new(self.pool.patience());
        let flushed = Upload::new(mailbox, lanes, path, temporary, mode, body).run()?;
        if !flushed && !self.told_no_flush.swap(true, Ordering::Relaxed) {
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
