//! Serves a storage.

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use kloset_connector::{
    ConnectorContext, ConnectorError, ErrorKind, Location, Options, PutMode, RangeRequest, Storage, StoreFile,
};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::CHUNK_BYTES;
use crate::context::{Slot, bare_context, blocking, first_failure};
use crate::wire::store::store_server::{Store, StoreServer};
use crate::wire::store::{self as wire, ResourceType};

type Make =
    dyn Fn(&Location, &Options, &ConnectorContext) -> Result<Arc<dyn Storage>, ConnectorError> + Send + Sync;

/// Serves the storage that `make` makes until the host goes away.
///
/// `make` is called once per process, with the location and options that the host names; the
/// constructors of the connectors in this workspace fit as they are.
pub fn serve_storage<S: Storage + 'static>(
    make: impl Fn(&Location, &Options, &ConnectorContext) -> Result<S, ConnectorError> + Send + Sync + 'static,
) -> ExitCode {
    let make: Arc<Make> = Arc::new(move |location, options, context| {
        make(location, options, context).map(|storage| Arc::new(storage) as Arc<dyn Storage>)
    });
    let service = StoreServer::new(Service { make, storage: Slot::empty() });
    crate::transport::serve(|server| server.add_service(service))
}

struct Service {
    make: Arc<Make>,
    storage: Slot<dyn Storage>,
}

impl Service {
    /// Runs an operation of the storage where it may block.
    async fn on_storage<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Storage) -> Result<T, ConnectorError> + Send + 'static,
    ) -> Result<T, Status> {
        let storage = self.storage.get()?;
        blocking(move || work(storage.as_ref())).await
    }
}

fn file(number: i32) -> Result<StoreFile, Status> {
    match ResourceType::try_from(number) {
        Ok(ResourceType::ResourcePackfile) => Ok(StoreFile::Packfile),
        Ok(ResourceType::ResourceState) => Ok(StoreFile::State),
        Ok(ResourceType::ResourceLock) => Ok(StoreFile::Lock),
        _ => Err(Status::unimplemented("unsupported operation")),
    }
}

fn name(mac: &[u8]) -> Result<[u8; 32], Status> {
    mac.try_into().map_err(|_| Status::invalid_argument("a name has 32 bytes"))
}

/// One part of a file through the batch call.
fn read_range(storage: &dyn Storage, request: RangeRequest) -> Result<Bytes, ConnectorError> {
    let slot = Mutex::new(None);
    storage.get_ranges(std::slice::from_ref(&request), &|_, result| {
        *slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(result);
    });
    let result = slot.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    result.unwrap_or_else(|| {
        Err(ConnectorError::new(ErrorKind::Other, "read", "range", "the connector gave no answer"))
    })
}

#[tonic::async_trait]
impl Store for Service {
    async fn init(
        &self,
        request: Request<wire::InitRequest>,
    ) -> Result<Response<wire::InitResponse>, Status> {
        let wire::InitRequest { proto, config } = request.into_inner();
        let (location, options) = crate::convert::place(&proto, config);
        let make = Arc::clone(&self.make);
        let storage = blocking(move || make(&location, &options, &bare_context())).await?;
        let info = storage.info();
        self.storage.set(storage);
        let mut response = Response::new(wire::InitResponse {
            origin: info.origin,
            r#type: info.kind,
            root: info.root.into_bytes(),
            flags: 0,
        });
        crate::failure::announce(response.metadata_mut());
        Ok(response)
    }

    async fn create(
        &self,
        request: Request<wire::CreateRequest>,
    ) -> Result<Response<wire::CreateResponse>, Status> {
        let config = request.into_inner().config;
        self.on_storage(move |storage| storage.create(&config)).await?;
        Ok(Response::new(wire::CreateResponse {}))
    }

    async fn open(&self, _: Request<wire::OpenRequest>) -> Result<Response<wire::OpenResponse>, Status> {
        let config = self.on_storage(|storage| storage.read_config()).await?;
        Ok(Response::new(wire::OpenResponse { config }))
    }

    async fn ping(&self, _: Request<wire::PingRequest>) -> Result<Response<wire::PingResponse>, Status> {
        self.on_storage(|storage| first_failure(|report| storage.ping(report))).await?;
        Ok(Response::new(wire::PingResponse {}))
    }

    async fn mode(&self, _: Request<wire::ModeRequest>) -> Result<Response<wire::ModeResponse>, Status> {
        let writable = self.storage.get()?.info().writable;
        Ok(Response::new(wire::ModeResponse { mode: if writable { 6 } else { 4 } }))
    }

    async fn size(&self, _: Request<wire::SizeRequest>) -> Result<Response<wire::SizeResponse>, Status> {
        Ok(Response::new(wire::SizeResponse { size: -1 }))
    }

    async fn list(
        &self,
        request: Request<wire::ListRequest>,
    ) -> Result<Response<wire::ListResponse>, Status> {
        let file = file(request.into_inner().r#type)?;
        let listed = self.on_storage(move |storage| storage.list(file)).await?;
        let macs = listed.into_iter().map(|item| Bytes::copy_from_slice(&item.name)).collect();
        Ok(Response::new(wire::ListResponse { macs }))
    }

    async fn put(
        &self,
        request: Request<Streaming<wire::PutRequest>>,
    ) -> Result<Response<wire::PutResponse>, Status> {
        let mut messages = request.into_inner();
        let Some(first) = messages.message().await? else {
            return Err(Status::invalid_argument("a put without a name"));
        };
        let (file, name) = (file(first.r#type)?, name(&first.mac)?);
        // Only the name counts in the first message.
        let mut body = BytesMut::new();
        while let Some(message) = messages.message().await? {
            body.extend_from_slice(&message.chunk);
        }
        let length = body.len() as i64;
        let mode = if file == StoreFile::Lock { PutMode::Replace } else { PutMode::Immutable };
        self.on_storage(move |storage| storage.put(file, &name, body.freeze(), mode)).await?;
        Ok(Response::new(wire::PutResponse { bytes_written: length }))
    }

    type GetStream = Pin<Box<dyn Stream<Item = Result<wire::GetResponse, Status>> + Send>>;

    async fn get(&self, request: Request<wire::GetRequest>) -> Result<Response<Self::GetStream>, Status> {
        let request = request.into_inner();
        let (file, name) = (file(request.r#type)?, name(&request.mac)?);
        let body = match request.range {
            None => self.on_storage(move |storage| storage.get(file, &name).map(Bytes::from)).await?,
            Some(range) => {
                let request =
                    RangeRequest { file, name, offset: range.offset, length: u64::from(range.length) };
                self.on_storage(move |storage| read_range(storage, request)).await?
            }
        };
        let offsets = (0..body.len()).step_by(CHUNK_BYTES);
        let chunks = tokio_stream::iter(offsets).map(move |start| {
            let chunk = body.slice(start..body.len().min(start + CHUNK_BYTES));
            Ok(wire::GetResponse { chunk })
        });
        Ok(Response::new(Box::pin(chunks)))
    }

    async fn delete(
        &self,
        request: Request<wire::DeleteRequest>,
    ) -> Result<Response<wire::DeleteResponse>, Status> {
        let request = request.into_inner();
        let (file, name) = (file(request.r#type)?, name(&request.mac)?);
        self.on_storage(move |storage| storage.delete(file, &name)).await?;
        Ok(Response::new(wire::DeleteResponse {}))
    }

    async fn close(&self, _: Request<wire::CloseRequest>) -> Result<Response<wire::CloseResponse>, Status> {
        self.storage.clear();
        Ok(Response::new(wire::CloseResponse {}))
    }
}
