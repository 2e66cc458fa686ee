//! A source behind a package.
//!
//! The package sends records in any order; `listings` makes listings of them. Contents are opened
//! one by one from a few threads, each exactly once, and acknowledged when they have been read.

mod content;
mod import;
mod listings;

use std::sync::{Arc, Mutex};

use crossbeam_channel::Receiver;
use kloset_connector::{
    ConnectorContext, ConnectorError, ContentSink, Location, Options, ReadRequest, ScanOptions, ScanSink,
    Source, SourceInfo,
};
use kloset_format::path::clean;
use plugin_sdk::convert::options_to_wire;
use plugin_sdk::failure::{is_extended, printable};
use plugin_sdk::wire::importer as wire;
use plugin_sdk::wire::importer::importer_client::ImporterClient;
use tonic::Status;

use self::import::Session;
use crate::PluginCommand;
use crate::connection::{Connection, Wire};

/// Longest message: a record with the values of its attributes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A source behind a package. The package is started when it is first needed.
pub struct PluginSource {
    command: PluginCommand,
    location: Location,
    options: Options,
    context: ConnectorContext,
    running: Mutex<Option<Arc<Running>>>,
}

/// A started package.
struct Running {
    connection: Connection,
    client: ImporterClient<Wire>,
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
        Ok(Self {
            command: command.clone(),
            location: location.clone(),
            options: options.clone(),
            context: context.clone(),
            running: Mutex::new(None),
        })
    }

    fn running(&self) -> Result<Arc<Running>, ConnectorError> {
        let mut running = self.running.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(running) = running.as_ref() {
            return Ok(Arc::clone(running));
        }
        let started = Arc::new(self.start()?);
        *running = Some(Arc::clone(&started));
        Ok(started)
    }

    fn start(&self) -> Result<Running, ConnectorError> {
        let connection = Connection::open(&self.command, &self.context)?;
        let shown = self.location.to_string();
        let client = ImporterClient::new(connection.wire()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let init = wire::InitRequest {
            options: Some(options_to_wire(&self.context)),
            proto: self.location.scheme.clone(),
            config: self.command.config(&self.location, &self.options, &self.context),
        };
        let mut caller = client.clone();
        let limit = connection.connect_max();
        let answer = connection.call("open", &shown, limit, async move { caller.init(init).await })?;
        let extended = self.command.extended && is_extended(answer.metadata());
        let answer = answer.into_inner();
        let kind = printable(&answer.r#type);
        let info = SourceInfo {
            kind: if kind.is_empty() { self.location.scheme.clone() } else { kind },
            origin: printable(&answer.origin),
            directory: clean(&answer.root),
        };
        Ok(Running { connection, client, info, location: shown, extended, session: Mutex::new(None) })
    }
}

impl Running {
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
        let step = format!("start package {}", self.command.package);
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
