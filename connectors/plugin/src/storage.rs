//! A store behind a package.

mod ranges;

use std::sync::atomic::Ordering;

use bytes::Bytes;
use kloset_connector::{
    ConnectorContext, ConnectorError, ErrorKind, Listed, Location, Options, PutMode, RangeRequest, Storage,
    StorageInfo, StoreFile,
};
use plugin_sdk::CHUNK_BYTES;
use plugin_sdk::failure::printable;
use plugin_sdk::wire::store::store_client::StoreClient;
use plugin_sdk::wire::store::{self as wire, ResourceType};
use tonic::Status;

use crate::PluginCommand;
use crate::connection::{Connection, Wire};
use crate::place::Place;

/// A listing is one message of 34 bytes a name; this is thirty million names.
const MESSAGE_BYTES_MAX: usize = 1 << 30;
/// Longest CONFIG.
const CONFIG_BYTES_MAX: usize = 64 << 10;
/// Longest file that is read whole, and longest lock.
const FILE_BYTES_MAX: u64 = 1 << 30;
const LOCK_BYTES_MAX: u64 = 8 << 20;
/// Fetching along what lies between is cheaper than another request over an unknown line.
const GAP_BYTES: u64 = 256 << 10;
/// Uploads and batches of ranges at the same time.
const CALLS_AT_ONCE: usize = 4;

/// A store behind a package.
pub struct PluginStorage {
    connection: Connection,
    client: StoreClient<Wire>,
    info: StorageInfo,
    /// The package is one of ours: it refuses to replace files and tells errors apart.
    extended: bool,
}

impl PluginStorage {
    /// Starts the package and names the store to it.
    pub fn new(
        command: &PluginCommand,
        location: &Location,
        options: &Options,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        let place = Place::new(command, location, options, context);
        let connection = place.open()?;
        let client = StoreClient::new(connection.wire()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let init = wire::InitRequest { proto: place.proto(), config: place.config() };
        let mut caller = client.clone();
        let (answer, extended) = place.init(&connection, async move { caller.init(init).await })?;
        let shown = place.shown();
        let mode = {
            let mut client = client.clone();
            let mode = async move { client.mode(wire::ModeRequest {}).await };
            connection.call("open", &shown, connection.silence_max(), mode)?.into_inner().mode
        };
        let info = StorageInfo {
            kind: place.kind(&answer.r#type),
            location: shown,
            origin: printable(&answer.origin),
            root: printable(&String::from_utf8_lossy(&answer.root)),
            writable: mode & 2 != 0,
            puts_at_once: CALLS_AT_ONCE,
            gets_at_once: CALLS_AT_ONCE,
            gap_bytes: GAP_BYTES,
        };
        Ok(Self { connection, client, info, extended })
    }

    fn call<T>(
        &self,
        operation: &'static str,
        location: &str,
        answer: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, ConnectorError> {
        let limit = self.connection.silence_max();
        self.connection.call(operation, location, limit, answer).map(tonic::Response::into_inner)
    }

    fn shown(&self, file: StoreFile, name: &[u8; 32]) -> String {
        let folder = match file {
            StoreFile::Packfile => "packfile",
            StoreFile::State => "state",
            StoreFile::Lock => "lock",
        };
        format!("{folder} {} in {}", kloset_format::Mac(*name), self.info.location)
    }

    /// Refuses to replace a file where the package would not refuse it.
    fn guard_existing(
        &self,
        file: StoreFile,
        name: &[u8; 32],
        body: &Bytes,
    ) -> Result<Option<()>, ConnectorError> {
        if self.extended {
            return Ok(None);
        }
        match self.get(file, name) {
            Ok(existing) if existing == *body => Ok(Some(())),
            Ok(_) => Err(ConnectorError::new(
                ErrorKind::AlreadyExists,
                "write",
                self.shown(file, name),
                "another content is there under this name",
            )),
            Err(error) if self.connection.is_lost() || error.kind == ErrorKind::Interrupted => Err(error),
            // The protocol does not tell "not found" from other failures: the put will tell.
            Err(_) => Ok(None),
        }
    }
}

fn resource(file: StoreFile) -> i32 {
    let resource = match file {
        StoreFile::Packfile => ResourceType::ResourcePackfile,
        StoreFile::State => ResourceType::ResourceState,
        StoreFile::Lock => ResourceType::ResourceLock,
    };
    resource as i32
}

impl Storage for PluginStorage {
    fn info(&self) -> StorageInfo {
        self.info.clone()
    }

    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        let (mut client, config) = (self.client.clone(), config.to_vec());
        let create = async move { client.create(wire::CreateRequest { config }).await };
        self.call("create", &self.info.location, create).map(drop)
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        let mut client = self.client.clone();
        let open = async move { client.open(wire::OpenRequest {}).await };
        let config = self.call("open", &self.info.location, open)?.config;
        if config.len() > CONFIG_BYTES_MAX {
            let message = format!("a configuration of {} bytes", config.len());
            return Err(ConnectorError::new(ErrorKind::Corrupt, "open", &self.info.location, message));
        }
        Ok(config)
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        let mut client = self.client.clone();
        let list = async move { client.list(wire::ListRequest { r#type: resource(file) }).await };
        let macs = self.call("list", &self.info.location, list)?.macs;
        let names = macs.iter().filter_map(|mac| mac.as_ref().try_into().ok());
        Ok(names.map(|name| Listed { name, size: None, modified: None }).collect())
    }

    fn put(
        &self,
        file: StoreFile,
        name: &[u8; 32],
        body: Bytes,
        mode: PutMode,
    ) -> Result<(), ConnectorError> {
        if mode == PutMode::Immutable && self.guard_existing(file, name, &body)?.is_some() {
            return Ok(());
        }
        let shown = self.shown(file, name);
        let length = body.len();
        let first = wire::PutRequest { mac: name.to_vec(), r#type: resource(file), chunk: Bytes::new() };
        let progress = self.connection.progress();
        let chunks = (0..length).step_by(CHUNK_BYTES).map(move |start| {
            progress.fetch_add(1, Ordering::Relaxed);
            let chunk = body.slice(start..length.min(start + CHUNK_BYTES));
            wire::PutRequest { chunk, ..Default::default() }
        });
        let messages = tokio_stream::iter(std::iter::once(first).chain(chunks));
        let mut client = self.client.clone();
        let written = self.call("write", &shown, async move { client.put(messages).await })?.bytes_written;
        if written != length as i64 {
            let message = format!("the package wrote {written} bytes of {length}");
            return Err(ConnectorError::new(ErrorKind::Corrupt, "write", shown, message));
        }
        Ok(())
    }

    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        let limit = if file == StoreFile::Lock { LOCK_BYTES_MAX } else { FILE_BYTES_MAX };
        let request = wire::GetRequest { mac: name.to_vec(), r#type: resource(file), range: None };
        let progress = self.connection.progress();
        let body = ranges::fetch(self.client.clone(), request, limit, progress);
        let silence = self.connection.silence_max();
        self.connection.call("read", &self.shown(file, name), silence, body).map(Vec::from)
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        ranges::get(self, requests, deliver);
    }

    fn delete(&self, file: StoreFile, name: &[u8; 32]) -> Result<(), ConnectorError> {
        let mut client = self.client.clone();
        let request = wire::DeleteRequest { mac: name.to_vec(), r#type: resource(file) };
        let delete = async move { client.delete(request).await };
        match self.call("remove", &self.shown(file, name), delete) {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            // The protocol does not tell why: a name that is not listed is gone.
            Err(error) if !self.connection.is_lost() && error.kind != ErrorKind::Interrupted => {
                match self.list(file) {
                    Ok(listed) if listed.iter().all(|item| item.name != *name) => Ok(()),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        report(&format!("start package {}", self.connection.package()), Ok(()));
        let mut client = self.client.clone();
        let ping = async move { client.ping(wire::PingRequest {}).await };
        report("ping", self.call("ping", &self.info.location, ping).map(drop));
    }
}

impl Drop for PluginStorage {
    fn drop(&mut self) {
        let mut client = self.client.clone();
        self.connection.say_goodbye(async move { client.close(wire::CloseRequest {}).await });
    }
}
