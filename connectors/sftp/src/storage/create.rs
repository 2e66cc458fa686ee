//! Making a store's folders, and trying a place out.

use bytes::Bytes;
use kloset_connector::{ConnectorError, ErrorKind, PutMode, StoreFile};
use kloset_format::path::{join, parent};

use super::SftpStorage;
use super::layout::{is_temporary, parse_name, temporary_name};
use super::list::list_folders;
use crate::answer::{asked, shown};
use crate::channel::Channel;
use crate::mailbox::{Mailbox, Patience, call};
use crate::packet::{Attributes, Request, open};

/// Where the steps of a ping are told.
type Steps<'a> = &'a mut dyn FnMut(&str, Result<(), ConnectorError>);

impl SftpStorage {
    pub(super) fn create_layout(&self, config: &[u8]) -> Result<(), ConnectorError> {
        let patience = self.pool.patience();
        let channel = self.pool.channel(&patience)?;
        if self.make_root(&channel, &patience)? {
            self.check_empty()?;
        }
        // One channel: the server makes parents before children, as they are sent.
        let kinds = [StoreFile::Packfile, StoreFile::State, StoreFile::Lock];
        let mut folders: Vec<Vec<u8>> = kinds.iter().map(|&kind| self.layout.folder(kind)).collect();
        for kind in [StoreFile::Packfile, StoreFile::State] {
            folders.extend(self.layout.buckets(kind));
        }
        make_folders(&channel, &folders, self.pool.patience())?;
        let config_path = self.layout.config();
        self.publish(&self.layout.root, &config_path, &Bytes::copy_from_slice(config), PutMode::Immutable)
    }

    /// Makes the root and what is missing above it; says whether it was there before.
    fn make_root(&self, channel: &Channel, patience: &Patience) -> Result<bool, ConnectorError> {
        let root = &self.layout.root;
        let mut chain = vec![root.as_slice()];
        while let Some(&last) = chain.last()
            && last != b"/"
        {
            chain.push(parent(last));
        }
        chain.reverse();
        let mailbox = Mailbox::new(self.pool.patience());
        for (index, path) in chain.iter().enumerate() {
            mailbox.send(channel, &Request::Stat { path: path.to_vec() }, index);
        }
        let mut found = vec![None; chain.len()];
        for _ in 0..chain.len() {
            let (index, reply) = mailbox.receive()?;
            if let (Some(slot), Some(path)) = (found.get_mut(index), chain.get(index)) {
                // A folder above may be closed to us and still let us through.
                *slot = match asked("inspect", path).attributes_if_any(reply) {
                    Err(error) if error.kind == ErrorKind::Permission && index + 1 < chain.len() => {
                        Some(Attributes::with_permissions(0o040_000))
                    }
                    result => result?,
                };
            }
        }
        for (path, attributes) in chain.iter().zip(&found) {
            match attributes {
                Some(found) if found.permissions.is_some() && !found.is_directory() => {
                    return Err(asked("create", path).error(ErrorKind::Invalid, "not a directory"));
                }
                Some(_) => {}
                None => {
                    let mine = *path == root.as_slice();
                    let attributes =
                        if mine { Attributes::with_permissions(0o700) } else { Attributes::default() };
                    let request = Request::Mkdir { path: path.to_vec(), attributes };
                    let made = asked("create", path).done(call(channel, &request, patience)?);
                    made.map_err(|error| self.explain(error, channel, parent(path), 0))?;
                }
            }
        }
        let existed = found.last().is_some_and(Option::is_some);
        if !existed {
            let attributes = Attributes::with_permissions(0o700);
            let reply = call(channel, &Request::Setstat { path: root.clone(), attributes }, patience)?;
            // An account that may not change modes still got the folder with the mode it asked for.
            match asked("set the mode of", root).done(reply) {
                Err(error) if !matches!(error.kind, ErrorKind::Permission | ErrorKind::Unsupported) => {
                    return Err(error);
                }
                _ => {}
            }
        }
        Ok(existed)
    }

    /// An existing folder must hold nothing, or nothing but an unfinished create.
    fn check_empty(&self) -> Result<(), ConnectorError> {
        let root = &self.layout.root;
        let not_empty = || {
            asked("create", root)
                .error(ErrorKind::AlreadyExists, format!("directory {} is not empty", shown(root)))
        };
        let mut folders = Vec::new();
        list_folders(&self.pool, std::slice::from_ref(root), &mut |_, entries| {
            for entry in entries {
                match entry.name.as_slice() {
                    b"." | b".." => {}
                    b"packfiles" | b"states" | b"locks" => folders.push(join(root, &entry.name)),
                    name if is_temporary(name) => {}
                    _ => return Err(not_empty()),
                }
            }
            Ok(())
        })?;
        let mut buckets = Vec::new();
        list_folders(&self.pool, &folders, &mut |index, entries| {
            for entry in entries {
                let Some(folder) = folders.get(index) else { continue };
                match entry.name.as_slice() {
                    b"." | b".." => {}
                    name if name.len() == 2 && !folder.ends_with(b"locks") => {
                        buckets.push(join(folder, name))
                    }
                    name if is_temporary(name) => {}
                    _ => return Err(not_empty()),
                }
            }
            Ok(())
        })?;
        list_folders(&self.pool, &buckets, &mut |_, entries| {
            let strange = |name: &[u8]| !matches!(name, b"." | b"..") && !is_temporary(name);
            if entries.iter().any(|entry| parse_name(&entry.name).is_some() || strange(&entry.name)) {
                return Err(not_empty());
            }
            Ok(())
        })
    }

    /// Steps: connect, path, write, rename.
    pub(super) fn try_out(&self, report: Steps<'_>) {
        let patience = self.pool.patience();
        let channel = match self.pool.channel(&patience) {
            Ok(channel) => {
                report("connect", Ok(()));
                channel
            }
            Err(error) => return report("connect", Err(error)),
        };
        let root = &self.layout.root;
        let path = call(&channel, &Request::Stat { path: root.clone() }, &patience)
            .and_then(|reply| asked("open", root).attributes(reply))
            .and_then(|found| {
                if found.is_directory() {
                    Ok(())
                } else {
                    Err(asked("open", root).error(ErrorKind::Invalid, "not a directory"))
                }
            });
        let good = path.is_ok();
        report("path", path);
        if !good {
            return;
        }
        let (first, second) = (join(root, &temporary_name()), join(root, &temporary_name()));
        let written = self.write_probe(&channel, &first, &patience);
        let good = written.is_ok();
        report("write", written);
        if good {
            // An account that may do neither renames nor links writes files in place.
            report("rename", self.give_name(&channel, &first, &second, &patience).map(drop));
        }
        for path in [first, second] {
            let _ = call(&channel, &Request::Remove { path }, &patience);
        }
    }

    /// Writes a few bytes under a temporary name.
    pub(super) fn write_probe(
        &self,
        channel: &Channel,
        path: &[u8],
        patience: &Patience,
    ) -> Result<(), ConnectorError> {
        let attributes = Attributes::with_permissions(0o600);
        let flags = open::WRITE | open::CREATE | open::EXCLUSIVE;
        let request = Request::Open { path: path.to_vec(), flags, attributes };
        let opened = asked("create", path).handle(call(channel, &request, patience)?);
        let handle = opened.map_err(|error| self.explain(error, channel, parent(path), 0))?;
        let data = Bytes::from_static(b"test");
        let reply = call(channel, &Request::Write { handle: handle.clone(), offset: 0, data }, patience)?;
        let written = asked("write", path).done(reply);
        channel.close(handle);
        written.map_err(|error| self.explain(error, channel, parent(path), 0))
    }
}

/// Makes folders, parents first in the list, all in flight at once; existing ones are fine.
fn make_folders(channel: &Channel, folders: &[Vec<u8>], patience: Patience) -> Result<(), ConnectorError> {
    let mailbox = Mailbox::new(patience);
    for (index, path) in folders.iter().enumerate() {
        let attributes = Attributes::with_permissions(0o755);
        mailbox.send(channel, &Request::Mkdir { path: path.clone(), attributes }, (index, true));
        mailbox.send(channel, &Request::Stat { path: path.clone() }, (index, false));
    }
    let mut failures: Vec<Option<ConnectorError>> = folders.iter().map(|_| None).collect();
    for _ in 0..folders.len() * 2 {
        let ((index, making), reply) = mailbox.receive()?;
        let (Some(path), Some(failure)) = (folders.get(index), failures.get_mut(index)) else { continue };
        if making {
            *failure = asked("create", path).done(reply).err();
        } else if asked("create", path).attributes(reply)?.is_directory() {
            *failure = None;
        }
    }
    failures.into_iter().flatten().next().map_or(Ok(()), Err)
}
