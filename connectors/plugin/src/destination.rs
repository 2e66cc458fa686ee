//! A destination behind a package.
//!
//! The protocol knows one stream of records, each file followed by its content. It has no words
//! for hard links (the engine writes copies), for attributes, and for a second visit to a
//! folder: folders are sent with their final mode and time, and when these are set is the
//! package's affair.

mod export;
mod spool;

use std::sync::{Arc, Mutex};

use kloset_connector::{
    Applied, ConnectorContext, ConnectorError, Destination, DestinationInfo, ErrorKind, FileContent,
    FileSink, HardLink, Limitation, Location, Options, Report, Target,
};
use kloset_format::FileInfo;
use plugin_sdk::convert::options_to_wire;
use plugin_sdk::failure::{is_extended, printable};
use plugin_sdk::wire::exporter as wire;
use plugin_sdk::wire::exporter::exporter_client::ExporterClient;

use self::export::{Body, Export};
use self::spool::SpooledFile;
use crate::PluginCommand;
use crate::connection::{Connection, Wire};

/// While one batch waits for its results, the next one is sent.
const BATCHES_AT_ONCE: usize = 2;

/// A destination behind a package. The package is started when it is first needed.
pub struct PluginDestination {
    command: PluginCommand,
    location: Location,
    options: Options,
    context: ConnectorContext,
    running: Mutex<Option<Arc<Running>>>,
}

/// A started package.
struct Running {
    connection: Connection,
    client: ExporterClient<Wire>,
    info: DestinationInfo,
    location: String,
    extended: bool,
    export: Mutex<Option<Arc<Export>>>,
}

impl PluginDestination {
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
        let client = ExporterClient::new(connection.wire());
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
        let info = DestinationInfo {
            kind: if kind.is_empty() { self.location.scheme.clone() } else { kind },
            origin: printable(&answer.origin),
            root: printable(&String::from_utf8_lossy(&answer.root)),
            batches_at_once: BATCHES_AT_ONCE,
        };
        Ok(Running { connection, client, info, location: shown, extended, export: Mutex::new(None) })
    }

    fn export(&self) -> Result<(Arc<Running>, Arc<Export>), ConnectorError> {
        let running = self.running()?;
        let mut slot = running.export.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let export = match slot.as_ref() {
            Some(export) => Arc::clone(export),
            None => {
                let export = Arc::new(Export::begin(&running)?);
                *slot = Some(Arc::clone(&export));
                export
            }
        };
        drop(slot);
        Ok((running, export))
    }

    /// Sends a batch and reports what the package answers.
    fn send_batch(&self, items: Vec<(Target, Body)>, report: Report<'_>) {
        match self.export() {
            Ok((running, export)) => export.batch(&running, items, report),
            Err(error) => {
                for index in 0..items.len() {
                    let location = error.location.as_str();
                    report(index, Err(ConnectorError::new(error.kind, "open", location, &error.message)));
                }
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut client = self.client.clone();
        self.connection.say_goodbye(async move { client.close(wire::CloseRequest {}).await });
    }
}

impl Destination for PluginDestination {
    fn info(&self) -> Result<DestinationInfo, ConnectorError> {
        Ok(self.running()?.info.clone())
    }

    /// The package makes its root when the first record arrives.
    fn prepare(&self) -> Result<(), ConnectorError> {
        self.export().map(drop)
    }

    /// The protocol cannot look; the package replaces what is there or refuses to.
    fn inspect(
        &self,
        paths: &[Vec<u8>],
        report: &(dyn Fn(usize, Result<Option<FileInfo>, ConnectorError>) + Sync),
    ) {
        for index in 0..paths.len() {
            report(index, Ok(None));
        }
    }

    fn directories(&self, targets: &[Target], report: Report<'_>) {
        self.send_batch(targets.iter().map(|target| (target.clone(), Body::None)).collect(), report);
    }

    fn files(&self, files: Vec<FileContent>, report: Report<'_>) {
        let items = files.into_iter().map(|file| (file.target, Body::Pieces(file.pieces)));
        self.send_batch(items.collect(), report);
    }

    fn open_file(&self, target: &Target) -> Result<Box<dyn FileSink>, ConnectorError> {
        let (running, export) = self.export()?;
        Ok(Box::new(SpooledFile::new(running, export, target.clone())?))
    }

    fn nodes(&self, targets: &[Target], report: Report<'_>) {
        self.send_batch(targets.iter().map(|target| (target.clone(), Body::None)).collect(), report);
    }

    fn hard_links(&self, links: &[HardLink], report: Report<'_>) {
        for (index, link) in links.iter().enumerate() {
            let path = String::from_utf8_lossy(&link.path);
            let message = "packages cannot make hard links";
            report(index, Err(ConnectorError::new(ErrorKind::Unsupported, "link", path, message)));
        }
    }

    fn directory_metadata(&self, targets: &[Target], report: Report<'_>) {
        for (index, target) in targets.iter().enumerate() {
            let limitations = if target.xattrs.is_empty() { Vec::new() } else { vec![Limitation::Xattrs] };
            report(index, Ok(Applied { limitations, kept: false }));
        }
    }

    fn finish(&self) -> Result<(), ConnectorError> {
        let running = self.running()?;
        let export = running.export.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        match export {
            Some(export) => export.finish(&running),
            None => Ok(()),
        }
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        let step = format!("start package {}", self.command.package);
        match self.running() {
            Err(error) => report(&step, Err(error)),
            Ok(running) => {
                report(&step, Ok(()));
                let mut client = running.client.clone();
                let ping = async move { client.ping(wire::PingRequest {}).await };
                let limit = running.connection.silence_max();
                report("ping", running.connection.call("ping", &running.location, limit, ping).map(drop));
            }
        }
    }
}
