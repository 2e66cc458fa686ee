//! Serves a source.
//!
//! Records go out as the scan finds them. A content is read when the host opens it, by the
//! connector's own readers; the attributes' values wait in a table until the host acknowledges
//! their record.

mod read;
mod scan;
mod short;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kloset_connector::{
    ConnectorContext, ConnectorError, Excluded, Location, Options, ScanOptions, Source, SourceInfo,
};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use self::read::Readers;
use self::scan::{Dialect, Kept, ScanSender};
use self::short::Short;
use crate::context::{Slot, blocking, context, first_failure};
use crate::wire::importer as wire;
use crate::wire::importer::importer_server::{Importer, ImporterServer};
use crate::wire::kloset::source_server::SourceServer;

/// Records on their way to the host; each is small, and the connection has a window of its own.
const RECORDS_WAITING: usize = 1024;
/// Records of one message to a host of ours, and messages that may wait for the connection.
const RECORDS_TOGETHER: usize = 256;
const MESSAGES_WAITING: usize = 2;

/// Turns the host's gitignore lines and the source's directory into a rule; `Err` says which line
/// is wrong.
pub type ExcludeRules = fn(&[String], &[u8]) -> Result<Excluded, String>;

type Make =
    dyn Fn(&Location, &Options, &ConnectorContext) -> Result<Arc<dyn Source>, ConnectorError> + Send + Sync;

/// Serves the source that `make` makes until the host goes away. Exclusion is left to the host.
pub fn serve_source<S: Source + 'static>(
    make: impl Fn(&Location, &Options, &ConnectorContext) -> Result<S, ConnectorError> + Send + Sync + 'static,
) -> ExitCode {
    serve(make, |_, _| Ok(Arc::new(|_, _| false)))
}

/// Serves a source that leaves out what `rules` make of the host's exclusion lines.
pub fn serve_source_with_excludes<S: Source + 'static>(
    make: impl Fn(&Location, &Options, &ConnectorContext) -> Result<S, ConnectorError> + Send + Sync + 'static,
    rules: ExcludeRules,
) -> ExitCode {
    serve(make, rules)
}

fn serve<S: Source + 'static>(
    make: impl Fn(&Location, &Options, &ConnectorContext) -> Result<S, ConnectorError> + Send + Sync + 'static,
    rules: ExcludeRules,
) -> ExitCode {
    let make: Arc<Make> = Arc::new(move |location, options, context| {
        make(location, options, context).map(|source| Arc::new(source) as Arc<dyn Source>)
    });
    let opened: Arc<Slot<Opened>> = Arc::new(Slot::empty());
    let short = SourceServer::new(Short { opened: Arc::clone(&opened) });
    let importer = ImporterServer::new(Service { make, rules, opened });
    crate::transport::serve(|server| server.add_service(importer).add_service(short))
}

struct Service {
    make: Arc<Make>,
    rules: ExcludeRules,
    opened: Arc<Slot<Opened>>,
}

/// A source between `Init` and `Close`.
struct Opened {
    source: Arc<dyn Source>,
    scan: ScanOptions,
    kept: Arc<Kept>,
    readers: Readers,
    closed: Arc<AtomicBool>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

impl Service {
    fn open(
        make: &Make,
        rules: ExcludeRules,
        request: wire::InitRequest,
    ) -> Result<(Opened, SourceInfo), ConnectorError> {
        let options = request.options.unwrap_or_default();
        let (location, config) = crate::convert::place(&request.proto, request.config);
        let directory = crate::convert::working_directory(&options);
        let context = context(directory, options.hostname, options.maxconcurrency);
        let closed = Arc::clone(&context.interrupted);
        let source = make(&location, &config, &context)?;
        let info = source.info()?;
        let excluded = rules(&options.excludes, &info.directory).map_err(|reason| {
            ConnectorError::new(kloset_connector::ErrorKind::Invalid, "read", "exclusion rules", reason)
        })?;
        let scan = ScanOptions { excluded, xattr_values: !options.noxattr };
        let readers = Readers::new(Arc::clone(&source));
        Ok((Opened { source, scan, kept: Arc::default(), readers, closed }, info))
    }
}

#[tonic::async_trait]
impl Importer for Service {
    async fn init(
        &self,
        request: Request<wire::InitRequest>,
    ) -> Result<Response<wire::InitResponse>, Status> {
        let (make, rules) = (Arc::clone(&self.make), self.rules);
        let (opened, info) = blocking(move || Self::open(make.as_ref(), rules, request.into_inner())).await?;
        self.opened.set(Arc::new(opened));
        let mut response = Response::new(wire::InitResponse {
            origin: info.origin,
            r#type: info.kind,
            root: info.directory,
            flags: 0,
        });
        crate::failure::announce(response.metadata_mut());
        Ok(response)
    }

    async fn ping(&self, _: Request<wire::PingRequest>) -> Result<Response<wire::PingResponse>, Status> {
        let opened = self.opened.get()?;
        blocking(move || first_failure(|report| opened.source.ping(report))).await?;
        Ok(Response::new(wire::PingResponse {}))
    }

    type ImportStream = ReceiverStream<Result<wire::ImportResponse, Status>>;

    async fn import(
        &self,
        request: Request<tonic::Streaming<wire::ImportRequest>>,
    ) -> Result<Response<Self::ImportStream>, Status> {
        let opened = self.opened.get()?;
        let dialect = Dialect::of(request.metadata());
        let mut acknowledged = request.into_inner();
        let (sender, records) = mpsc::channel(RECORDS_WAITING);
        let scan =
            ScanSender::new(sender.clone(), dialect, Arc::clone(&opened.kept), Arc::clone(&opened.closed));
        let kept = Arc::clone(&opened.kept);
        tokio::task::spawn_blocking(move || {
            let result = opened.source.scan(&opened.scan, &scan);
            scan.finish(result);
        });
        tokio::spawn(async move {
            while let Ok(Some(message)) = acknowledged.message().await {
                if let Some(record) = message.result.and_then(|result| result.header) {
                    kept.forget(&record);
                }
            }
            // The stream of records stays open until the host has acknowledged all of them.
            drop(sender);
        });
        Ok(Response::new(match dialect {
            Dialect::Plain => ReceiverStream::new(records),
            Dialect::Extended => together(records),
        }))
    }

    type OpenStream = Pin<Box<dyn Stream<Item = Result<wire::OpenResponse, Status>> + Send>>;

    async fn open(&self, request: Request<wire::OpenRequest>) -> Result<Response<Self::OpenStream>, Status> {
        let record = request.into_inner().record.ok_or_else(|| Status::invalid_argument("no record"))?;
        let opened = self.opened.get()?;
        if record.is_xattr {
            let value = opened.kept.xattr(&record).ok_or_else(|| Status::not_found("file does not exist"))?;
            let chunks = read::value_chunks(value);
            return Ok(Response::new(Box::pin(tokio_stream::iter(chunks.into_iter().map(Ok)))));
        }
        let told = record.file_info.map(|info| info.size);
        let size = told.or_else(|| opened.kept.size(&record.pathname)).unwrap_or(0);
        let chunks = opened.readers.open(record.pathname, u64::try_from(size).unwrap_or(0))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(chunks))))
    }

    async fn close(&self, _: Request<wire::CloseRequest>) -> Result<Response<wire::CloseResponse>, Status> {
        self.opened.clear();
        Ok(Response::new(wire::CloseResponse {}))
    }
}

/// Sends what is ready in one message, and waits for nothing to fill it.
fn together(
    mut records: mpsc::Receiver<Result<wire::ImportResponse, Status>>,
) -> ReceiverStream<Result<wire::ImportResponse, Status>> {
    let (sender, messages) = mpsc::channel(MESSAGES_WAITING);
    tokio::spawn(async move {
        let mut ready = Vec::new();
        while records.recv_many(&mut ready, RECORDS_TOGETHER).await > 0 {
            let mut together = Vec::with_capacity(ready.len());
            let mut failure = None;
            for record in ready.drain(..) {
                match record {
                    Ok(record) => together.push(record),
                    Err(status) => failure = Some(status),
                }
            }
            let message = wire::ImportResponse { together, ..Default::default() };
            let sent = sender.send(Ok(message)).await.is_ok();
            if let Some(status) = failure {
                let _ = sender.send(Err(status)).await;
                return;
            }
            if !sent {
                return;
            }
        }
    });
    ReceiverStream::new(messages)
}
