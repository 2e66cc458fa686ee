//! Finding what interrupted writes left behind.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kloset_connector::{ConnectorError, ErrorKind, StoreFile};
use kloset_format::path::join;

use super::SftpStorage;
use super::layout::{is_temporary, temporary_name};
use super::list::list_folders;
use crate::answer::{asked, shown};
use crate::channel::Channel;
use crate::mailbox::{Patience, call};
use crate::packet::Request;

impl SftpStorage {
    /// Temporary files older than `older_than` by the server's clock.
    pub(super) fn sweep(&self, older_than: Duration, remove: bool) -> Result<Vec<String>, ConnectorError> {
        let patience = self.pool.patience();
        let channel = self.pool.channel(&patience)?;
        let now = self.server_time(&channel, &patience);
        let mut folders = vec![self.layout.root.clone()];
        for kind in [StoreFile::Packfile, StoreFile::State] {
            folders.push(self.layout.folder(kind));
            // The reference implementation keeps them beside the final files.
            folders.extend(self.layout.buckets(kind));
        }
        folders.push(self.layout.folder(StoreFile::Lock));
        let mut found = Vec::new();
        list_folders(&self.pool, &folders, &mut |index, entries| {
            for entry in entries {
                let old = entry.attributes.times.is_some_and(|(_, modified)| {
                    now.saturating_sub(u64::from(modified)) >= older_than.as_secs().max(1)
                });
                if let Some(folder) = folders.get(index)
                    && old
                    && entry.attributes.is_regular()
                    && is_temporary(&entry.name)
                {
                    found.push(join(folder, &entry.name));
                }
            }
            Ok(())
        })?;
        found.sort_unstable();
        if remove {
            for path in &found {
                let reply = call(&channel, &Request::Remove { path: path.clone() }, &patience)?;
                match asked("remove", path).done(reply) {
                    Err(error) if error.kind != ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(found.iter().map(|path| shown(path)).collect())
    }

    /// The server's clock, read off a fresh file; our own where none can be written.
    fn server_time(&self, channel: &Channel, patience: &Patience) -> u64 {
        let path = join(&self.layout.root, &temporary_name());
        let seen = self
            .write_probe(channel, &path, patience)
            .and_then(|()| call(channel, &Request::Lstat { path: path.clone() }, patience))
            .and_then(|reply| asked("inspect", &path).attributes(reply));
        let _ = call(channel, &Request::Remove { path }, patience);
        match seen.ok().and_then(|attributes| attributes.times) {
            Some((_, modified)) => u64::from(modified),
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        }
    }
}
