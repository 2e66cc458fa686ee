//! A store behind a package.

use std::sync::atomic::Ordering;
use std::sync::mpsc;

use bytes::{Bytes, BytesMut};
use kloset_connector::{
    ConnectorContext, ConnectorError, ErrorKind, Listed, Location, Options, PutMode, RangeRequest, Storage,
    StorageInfo, StoreFile,
};
use plugin_sdk::CHUNK_BYTES;
use plugin_sdk::failure::{is_extended, printable};
use plugin_sdk::wire::store::store_client::StoreClient;
use plugin_sdk::wire::store::{self as wire, ResourceType};
use tonic::Status;

use crate::PluginCommand;
use crate::connection::{Connection, Patience, Wire};

/// A listing is one message of 34 bytes a name; this is thirty million names.
const MESSAGE_BYTES_MAX: usize = 1 << 30;
/// Longest CONFIG.
const CONFIG_BYTES_MAX: usize = 64 << 10;
/// Longest file that is read whole, and longest lock.
const FILE_BYTES_MAX: u64 = 1 << 30;
const LOCK_BYTES_MAX: u64 = 8 << 20;
/// Ranges asked for at the same time: the package may have a slow line behind it.
const RANGES_AT_ONCE: usize = 16;
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
        let connection = Connection::open(command, context)?;
        let shown = location.to_string();
        let client = StoreClient::new(connection.wire()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let init = wire::InitRequest {
            proto: location.scheme.clone(),
            config: command.config(location, options, context),
        };
        let (extended, answer) = {
            let mut client = client.clone();
            let limit = connection.connect_max();
            let answer = connection.call("open", &shown, limit, async move { client.init(init).await })?;
            (command.extended && is_extended(answer.metadata()), answer.into_inner())
        };
        let mode = {
            let mut client = client.clone();
            let mode = async move { client.mode(wire::ModeRequest {}).await };
            connection.call("open", &shown, connection.silence_max(), mode)?.into_inner().mode
        };
        let info = StorageInfo {
            kind: if answer.r#type.is_empty() { location.scheme.clone() } else { printable(&answer.r#type) },
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

/// One whole answer of `Get`, no longer than `limit`.
async fn fetch(
    mut client: StoreClient<Wire>,
    request: wire::GetRequest,
    limit: u64,
    progress: std::sync::Arc<std::sync::atomic::AtomicU64>,
) -> Result<Bytes, Status> {
    let mut chunks = client.get(request).await?.into_inner();
    let mut first: Option<Bytes> = None;
    let mut body = BytesMut::new();
    let mut length = 0;
    while let Some(message) = chunks.message().await? {
        progress.fetch_add(1, Ordering::Relaxed);
        length += message.chunk.len() as u64;
        if length > limit {
            return Err(Status::data_loss(format!("the package sends more than {limit} bytes")));
        }
        match first.take() {
            None if body.is_empty() => first = Some(message.chunk),
            None => body.extend_from_slice(&message.chunk),
            Some(before) => {
                body.extend_from_slice(&before);
                body.extend_from_slice(&message.chunk);
            }
        }
    }
    // A short answer is handed on without copying.
    Ok(first.unwrap_or_else(|| body.freeze()))
}

/// One range of a packfile, exactly as long as asked.
async fn fetch_range(
    client: StoreClient<Wire>,
    request: RangeRequest,
    progress: std::sync::Arc<std::sync::atomic::AtomicU64>,
) -> Result<Bytes, Status> {
    let mut parts: Vec<Bytes> = Vec::new();
    let mut done = 0;
    loop {
        let rest = request.length - done;
        let length = u32::try_from(rest).unwrap_or(u32::MAX);
        let offset = request.offset.checked_add(done).ok_or_else(outside)?;
        let get = wire::GetRequest {
            mac: request.name.to_vec(),
            r#type: resource(request.file),
            range: Some(wire::Range { offset, length }),
        };
        let part = fetch(client.clone(), get, u64::from(length), progress.clone()).await?;
        if part.len() as u64 != u64::from(length) {
            return Err(outside());
        }
        done += part.len() as u64;
        parts.push(part);
        if done == request.length {
            break;
        }
    }
    Ok(match parts.len() {
        1 => parts.swap_remove(0),
        _ => parts.concat().into(),
    })
}

fn outside() -> Status {
    Status::data_loss("the range lies outside of the file")
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
        let names = macs.iter().filter_map(|mac| mac.as_slice().try_into().ok());
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
        let body = fetch(self.client.clone(), request, limit, progress);
        let silence = self.connection.silence_max();
        self.connection.call("read", &self.shown(file, name), silence, body).map(Vec::from)
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        let (sender, answers) = mpsc::channel();
        let mut waiting: std::collections::BTreeSet<usize> = std::collections::BTreeSet::new();
        let mut next = requests.iter().enumerate();
        let mut patience = Patience::new(&self.connection, self.connection.silence_max());
        loop {
            while waiting.len() < RANGES_AT_ONCE
                && let Some((index, request)) = next.next()
            {
                if request.file != StoreFile::Packfile {
                    deliver(index, self.part_of_whole(request));
                    continue;
                }
                waiting.insert(index);
                let (client, request, sender) = (self.client.clone(), *request, sender.clone());
                let range = fetch_range(client, request, self.connection.progress());
                self.connection.runtime().spawn(async move {
                    let _ = sender.send((index, range.await));
                });
            }
            if waiting.is_empty() {
                return;
            }
            match answers.recv_timeout(std::time::Duration::from_millis(100)) {
                Ok((index, result)) => {
                    waiting.remove(&index);
                    let Some(request) = requests.get(index) else { continue };
                    let shown = || self.shown(request.file, &request.name);
                    deliver(
                        index,
                        result.map_err(|status| self.connection.failed(&status, "read", &shown())),
                    );
                }
                Err(_) => {
                    if let Err(error) = patience.check("read", &self.info.location) {
                        let kind = error.kind;
                        let rest = waiting.into_iter().chain(next.map(|(index, _)| index));
                        for index in rest {
                            let location = self.info.location.as_str();
                            deliver(index, Err(ConnectorError::new(kind, "read", location, &error.message)));
                        }
                        return;
                    }
                }
            }
        }
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

impl PluginStorage {
    /// States and locks cannot be read in part.
    fn part_of_whole(&self, request: &RangeRequest) -> Result<Bytes, ConnectorError> {
        let whole = Bytes::from(self.get(request.file, &request.name)?);
        let end = request.offset.checked_add(request.length).filter(|&end| end <= whole.len() as u64);
        let Some(end) = end else {
            let shown = self.shown(request.file, &request.name);
            return Err(ConnectorError::new(
                ErrorKind::Corrupt,
                "read",
                shown,
                "the range lies outside of the file",
            ));
        };
        Ok(whole.slice(request.offset as usize..end as usize))
    }
}
