//! A source behind a package.
//!
//! The package sends records in any order; `listings` makes listings of them. Contents are opened
//! one by one from a few threads, each exactly once, and acknowledged when they have been read.

mod content;
mod import;
mod listings;
mod short;

use std::sync::{Arc, Mutex};

use crossbeam_channel::Receiver;
use kloset_connector::{
    ConnectorContext, ConnectorError, ContentSink, Location, Options, ReadRequest, ScanOptions, ScanSink,
    Source, SourceInfo,
};
use kloset_format::path::clean;
use plugin_sdk::convert::options_to_wire;
use plugin_sdk::failure::printable;
use plugin_sdk::wire::importer as wire;
use plugin_sdk::wire::importer::importer_client::ImporterClient;
use plugin_sdk::wire::kloset::source_client::SourceClient;
use tonic::Status;

use self::import::Session;
use crate::PluginCommand;
use crate::connection::{Connection, Wire};
use crate::place::{OnDemand, Place};

/// Longest message: a record with the values of its attributes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A source behind a package. The package is started when it is first needed.
pub struct PluginSource {
    package: OnDemand<Running>,
}

/// A started package.
struct Running {
    connection: Connection,
    client: ImporterClient<Wire>,
    /// For packages of ours.
    calls: Option<SourceClient<Wire>>,
    info: SourceInfo,
    location: String,
    extended: bool,
    /// The scan whose records are not all acknowledged.
    session: Mutex<Option<Arc<Session>>>,
}

impl PluginSource {
    /// Remembers what to start.
    pub fn new(
        command: &PluginCommand,
        location: &Location,
        options: &Options,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        Ok(Self { package: OnDemand::new(Place::new(command, location, options, context)) })
    }

    fn running(&self) -> Result<Arc<Running>, ConnectorError> {
        self.package.get(Running::start)
    }
}

impl Running {
    fn start(place: &Place) -> Result<Self, ConnectorError> {
        let connection = place.open()?;
        let client = ImporterClient::new(connection.wire()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let init = wire::InitRequest {
            options: Some(options_to_wire(&place.context)),
            proto: place.proto(),
            config: place.config(),
        };
        let mut caller = client.clone();
        let (answer, extended) = place.init(&connection, async move { caller.init(init).await })?;
        let info = SourceInfo {
            kind: place.kind(&answer.r#type),
            origin: printable(&answer.origin),
            directory: clean(&answer.root),
        };
        let calls = extended
            .then(|| SourceClient::new(connection.wire()).max_decoding_message_size(MESSAGE_BYTES_MAX));
        let location = place.shown();
        Ok(Self { connection, client, calls, info, location, extended, session: Mutex::new(None) })
    }

    fn call<T>(
        &self,
        operation: &'static str,
        location: &str,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, ConnectorError> {
        self.connection.call(operation, location, self.connection.silence_max(), answer)
    }

    fn session(&self) -> Option<Arc<Session>> {
        self.session.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut client = self.client.clone();
        self.connection.say_goodbye(async move { client.close(wire::CloseRequest {}).await });
    }
}

impl Source for PluginSource {
    fn info(&self) -> Result<SourceInfo, ConnectorError> {
        Ok(self.running()?.info.clone())
    }

    fn scan(&self, options: &ScanOptions, sink: &dyn ScanSink) -> Result<(), ConnectorError> {
        import::scan(&self.running()?, options, sink)
    }

    fn read(&self, requests: Receiver<ReadRequest>, sink: &dyn ContentSink) -> Result<(), ConnectorError> {
        content::read(&self.running()?, &requests, sink)
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        let step = self.package.place.start_step();
        match self.running() {
            Err(error) => report(&step, Err(error)),
            Ok(running) => {
                report(&step, Ok(()));
                let mut client = running.client.clone();
                let ping = async move { client.ping(wire::PingRequest {}).await };
                report("ping", running.call("ping", &running.location, ping).map(drop));
            }
        }
    }
}
