//! Serves a destination.
//!
//! The host sends one record after the other, each file followed by its content. Directories are
//! made at once, files and nodes at the same time as later ones arrive, and directories get their
//! metadata when everything below them has been written. A host of ours calls the destination
//! itself instead, batch by batch.

mod batches;
mod export;

use std::process::ExitCode;
use std::sync::Arc;

use kloset_connector::{ConnectorContext, ConnectorError, Destination, Location, Options};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use self::batches::Batches;
use crate::context::{Slot, blocking, context, first_failure};
use crate::wire::exporter as wire;
use crate::wire::exporter::exporter_server::{Exporter, ExporterServer};
use crate::wire::kloset::destination_server::DestinationServer;

type Make = dyn Fn(&Location, &Options, &ConnectorContext) -> Result<Arc<dyn Destination>, ConnectorError>
    + Send
    + Sync;

/// Serves the destination that `make` makes until the host goes away.
pub fn serve_destination<D: Destination + 'static>(
    make: impl Fn(&Location, &Options, &ConnectorContext) -> Result<D, ConnectorError> + Send + Sync + 'static,
) -> ExitCode {
    let make: Arc<Make> = Arc::new(move |location, options, context| {
        make(location, options, context).map(|destination| Arc::new(destination) as Arc<dyn Destination>)
    });
    let opened: Arc<Opened> = Arc::new(Slot::empty());
    let batches = DestinationServer::new(Batches { destination: Arc::clone(&opened) })
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let exporter = ExporterServer::new(Service { make, destination: opened });
    crate::transport::serve(|server| server.add_service(exporter).add_service(batches))
}

/// The destination between `Init` and `Close`.
type Opened = Slot<dyn Destination>;

/// Longest message: a path with the values of its attributes, or the paths of a batch.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

struct Service {
    make: Arc<Make>,
    destination: Arc<Opened>,
}

#[tonic::async_trait]
impl Exporter for Service {
    async fn init(
        &self,
        request: Request<wire::InitRequest>,
    ) -> Result<Response<wire::InitResponse>, Status> {
        let request = request.into_inner();
        let options = request.options.unwrap_or_default();
        let (location, config) = crate::convert::place(&request.proto, request.config);
        let context =
            context(crate::convert::working_directory(&options), options.hostname, options.maxconcurrency);
        let make = Arc::clone(&self.make);
        let (destination, info) = blocking(move || {
            let destination = make(&location, &config, &context)?;
            let info = destination.info()?;
            Ok((destination, info))
        })
        .await?;
        self.destination.set(destination);
        let mut response = Response::new(wire::InitResponse {
            origin: info.origin,
            r#type: info.kind,
            root: info.root.into_bytes(),
            flags: 0,
            batches_at_once: u32::try_from(info.batches_at_once).unwrap_or(1),
        });
        crate::failure::announce(response.metadata_mut());
        Ok(response)
    }

    async fn ping(&self, _: Request<wire::PingRequest>) -> Result<Response<wire::PingResponse>, Status> {
        let destination = self.destination.get()?;
        blocking(move || first_failure(|report| destination.ping(report))).await?;
        Ok(Response::new(wire::PingResponse {}))
    }

    type ExportStream = ReceiverStream<Result<wire::ExportResponse, Status>>;

    async fn export(
        &self,
        request: Request<tonic::Streaming<wire::ExportRequest>>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        let destination = self.destination.get()?;
        let (sender, results) = tokio::sync::mpsc::channel(export::RESULTS_WAITING);
        let packets = request.into_inner();
        tokio::spawn(async move {
            if let Err(status) = export::run(destination, packets, sender.clone()).await {
                let _ = sender.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(results)))
    }

    async fn close(&self, _: Request<wire::CloseRequest>) -> Result<Response<wire::CloseResponse>, Status> {
        self.destination.clear();
        Ok(Response::new(wire::CloseResponse {}))
    }
}
