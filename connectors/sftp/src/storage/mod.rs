//! A store in a folder behind SFTP.

mod create;
mod fetch;
mod layout;
mod list;
mod name;
mod put;
mod sweep;
mod upload;

use std::sync::atomic::{AtomicBool, AtomicU8};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kloset_connector::{
    ConnectorContext, ConnectorError, ErrorKind, Listed, Location, Options, PutMode, RangeRequest, Storage,
    StorageInfo, StoreFile,
};

use self::layout::Layout;
use crate::answer::{asked, is_vague};
use crate::channel::Channel;
use crate::mailbox::call;
use crate::packet::{FileSystem, Request};
use crate::pool::Pool;
use crate::target::Target;

/// Largest CONFIG.
const CONFIG_BYTES_MAX: u64 = 64 << 10;
/// Skipping costs less than fetching only from here on: one request more, and no wait.
const GAP_BYTES: u64 = 256 << 10;

/// A store on an SFTP server. Connects on first use, and anew after a loss.
pub struct SftpStorage {
    pool: Pool,
    layout: Layout,
    info: StorageInfo,
    /// Temporary files of failed attempts, to be removed when there is a connection again.
    leftovers: Mutex<Vec<Vec<u8>>>,
    told_no_flush: AtomicBool,
    /// What the server was found to allow, as a `Naming`.
    naming: AtomicU8,
}

impl SftpStorage {
    /// Makes the storage without connecting.
    pub fn new(
        location: &Location,
        options: &Options,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        let target = Target::parse(location, options)?;
        let info = StorageInfo {
            kind: "sftp".to_owned(),
            location: location.to_string(),
            origin: target.origin.clone(),
            root: crate::answer::shown(&target.path),
            writable: true,
            puts_at_once: context.concurrency.map_or(4, |count| count.clamp(1, 4)),
            gets_at_once: context.concurrency.map_or(4, |count| count.clamp(1, 4)),
            gap_bytes: GAP_BYTES,
        };
        let layout = Layout::new(target.path.clone());
        Ok(Self {
            pool: Pool::new(target, context.clone()),
            layout,
            info,
            leftovers: Mutex::default(),
            told_no_flush: AtomicBool::new(false),
            naming: AtomicU8::new(0),
        })
    }

    /// Connects and waits until all wanted channels are open; returns their number. Only
    /// measurements need this.
    pub fn warm_up(&self) -> Result<usize, ConnectorError> {
        self.pool.settle(&self.pool.patience())
    }

    /// Finds the reason behind the word "failure": a full or read-only file system.
    fn explain(&self, error: ConnectorError, channel: &Channel, folder: &[u8], bytes: u64) -> ConnectorError {
        if !is_vague(&error) || !channel.features().statvfs {
            return error;
        }
        let patience = self.pool.patience();
        let request = Request::Statvfs { path: folder.to_vec() };
        let found = call(channel, &request, &patience)
            .and_then(|reply| asked("examine the file system of", folder).extended(reply));
        let Some(system) = found.ok().and_then(|body| FileSystem::decode(body).ok()) else { return error };
        let Some((kind, message)) = system.trouble(bytes) else { return error };
        ConnectorError { kind, message: message.to_owned(), ..error }
    }
}

impl Storage for SftpStorage {
    fn info(&self) -> StorageInfo {
        self.info.clone()
    }

    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        self.create_layout(config)
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        fetch::read_file(&self.pool, &self.layout.config(), CONFIG_BYTES_MAX)
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        list::list_files(&self.pool, &self.layout, file)
    }

    fn put(
        &self,
        file: StoreFile,
        name: &[u8; 32],
        body: Bytes,
        mode: PutMode,
    ) -> Result<(), ConnectorError> {
        self.publish(&self.layout.temporary_folder(file), &self.layout.file(file, name), &body, mode)
    }

    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        fetch::read_file(&self.pool, &self.layout.file(file, name), fetch::FILE_BYTES_MAX)
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        let wanted = requests
            .iter()
            .map(|request| fetch::Wanted {
                path: Arc::new(self.layout.file(request.file, &request.name)),
                offset: request.offset,
                length: request.length,
            })
            .collect();
        fetch::fetch(&self.pool, wanted, deliver);
    }

    fn delete(&self, file: StoreFile, name: &[u8; 32]) -> Result<(), ConnectorError> {
        let path = self.layout.file(file, name);
        let patience = self.pool.patience();
        let channel = self.pool.channel(&patience)?;
        let reply = call(&channel, &Request::Remove { path: path.clone() }, &patience)?;
        match asked("remove", &path).done(reply) {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) if is_vague(&error) => {
                let reply = call(&channel, &Request::Lstat { path: path.clone() }, &patience)?;
                match asked("inspect", &path).attributes_if_any(reply)? {
                    None => Ok(()),
                    Some(_) => Err(self.explain(error, &channel, &self.layout.root, 0)),
                }
            }
            result => result,
        }
    }

    fn temporary_files(
        &self,
        older_than: std::time::Duration,
        remove: bool,
    ) -> Result<Vec<String>, ConnectorError> {
        self.sweep(older_than, remove)
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        self.try_out(report);
    }
}
