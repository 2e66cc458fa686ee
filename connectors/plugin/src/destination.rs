//! A destination behind a package.
//!
//! With a package of ours, each call of the destination is a call of the package (`batches`,
//! `large`). The protocol that all packages speak knows one stream of records, each file followed
//! by its content (`export`, `spool`). It has no words for hard links (the engine writes copies),
//! for attributes, and for a second visit to a folder: folders are sent with their final mode and
//! time, and when these are set is the package's affair.

mod batches;
mod export;
mod large;
mod results;
mod spool;

use std::sync::{Arc, Mutex};

use kloset_connector::{
    Applied, ConnectorContext, ConnectorError, Destination, DestinationInfo, ErrorKind, FileContent,
    FileSink, HardLink, Limitation, Location, Options, Report, Target,
};
use kloset_format::{FileInfo, FileMode, Timestamp};
use plugin_sdk::convert::options_to_wire;
use plugin_sdk::failure::printable;
use plugin_sdk::wire::exporter as wire;
use plugin_sdk::wire::exporter::exporter_client::ExporterClient;
use plugin_sdk::wire::kloset::Work;
use plugin_sdk::wire::kloset::destination_client::DestinationClient;
use tonic::Status;

use self::export::{Body, Export};
use self::large::LargeFile;
use self::spool::SpooledFile;
use crate::PluginCommand;
use crate::connection::{Connection, Wire};
use crate::place::{OnDemand, Place};

/// While one batch waits for its results, the next one is sent.
const BATCHES_AT_ONCE: usize = 2;
/// A package may announce more, but each batch takes memory here.
const BATCHES_AT_ONCE_MAX: usize = 16;

/// A destination behind a package. The package is started when it is first needed.
pub struct PluginDestination {
    package: OnDemand<Running>,
}

/// A started package.
struct Running {
    connection: Connection,
    client: ExporterClient<Wire>,
    /// For packages of ours.
    calls: Option<DestinationClient<Wire>>,
    info: DestinationInfo,
    location: String,
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
        Ok(Self { package: OnDemand::new(Place::new(command, location, options, context)) })
    }

    fn running(&self) -> Result<Arc<Running>, ConnectorError> {
        self.package.get(Running::start)
    }

    /// Does one batch, by whichever words the package understands.
    fn batch(&self, work: Work, items: Vec<(Target, Body)>, report: Report<'_>) {
        let count = items.len();
        let begun = self.running().and_then(|running| match running.calls.clone() {
            Some(calls) => {
                let items = items.into_iter().map(|(target, body)| batches::item(work, &target, body));
                batches::send(&running, calls, items.flatten().collect(), count, report);
                Ok(())
            }
            None => {
                running.export()?.batch(&running, items, report);
                Ok(())
            }
        });
        if let Err(error) = begun {
            fail_all(count, &error, report);
        }
    }
}

impl Running {
    fn start(place: &Place) -> Result<Self, ConnectorError> {
        let connection = place.open()?;
        let client = ExporterClient::new(connection.wire());
        let init = wire::InitRequest {
            options: Some(options_to_wire(&place.context)),
            proto: place.proto(),
            config: place.config(),
        };
        let mut caller = client.clone();
        let (answer, extended) = place.init(&connection, async move { caller.init(init).await })?;
        let calls = extended.then(|| batches::client(connection.wire()));
        let announced = usize::try_from(answer.batches_at_once).unwrap_or(1);
        let info = DestinationInfo {
            kind: place.kind(&answer.r#type),
            origin: printable(&answer.origin),
            root: printable(&String::from_utf8_lossy(&answer.root)),
            batches_at_once: if extended { announced.clamp(1, BATCHES_AT_ONCE_MAX) } else { BATCHES_AT_ONCE },
        };
        Ok(Self { connection, client, calls, info, location: place.shown(), export: Mutex::new(None) })
    }

    fn call<T>(
        &self,
        operation: &'static str,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, ConnectorError> {
        self.connection.call(operation, &self.location, self.connection.silence_max(), answer)
    }

    /// The one stream of records of the plain protocol.
    fn export(&self) -> Result<Arc<Export>, ConnectorError> {
        let mut slot = self.export.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(export) = slot.as_ref() {
            return Ok(Arc::clone(export));
        }
        let export = Arc::new(Export::begin(self)?);
        *slot = Some(Arc::clone(&export));
        Ok(export)
    }
}

/// Reports the same failure for every item.
fn fail_all(count: usize, error: &ConnectorError, report: Report<'_>) {
    for index in 0..count {
        report(index, Err(again(error)));
    }
}

fn again(error: &ConnectorError) -> ConnectorError {
    ConnectorError::new(error.kind, error.operation, error.location.as_str(), error.message.as_str())
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

    /// By the plain protocol, the root is the first record; a package that refuses one that exists
    /// is told of, and not taken for failed.
    fn prepare(&self) -> Result<(), ConnectorError> {
        let running = self.running()?;
        if let Some(calls) = running.calls.clone() {
            return batches::prepare(&running, calls);
        }
        let result = Mutex::new(Ok(()));
        running.export()?.batch(&running, vec![(root(), Body::None)], &|_, outcome| {
            *result.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = outcome.map(drop);
        });
        result.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The plain protocol cannot look; the package replaces what is there or refuses to.
    fn inspect(
        &self,
        paths: &[Vec<u8>],
        report: &(dyn Fn(usize, Result<Option<FileInfo>, ConnectorError>) + Sync),
    ) {
        match self.running().map(|running| (running.calls.clone(), running)) {
            Ok((Some(calls), running)) => batches::inspect(&running, calls, paths, report),
            Ok((None, _)) => (0..paths.len()).for_each(|index| report(index, Ok(None))),
            Err(error) => (0..paths.len()).for_each(|index| report(index, Err(again(&error)))),
        }
    }

    fn directories(&self, targets: &[Target], report: Report<'_>) {
        self.batch(Work::Directories, without_body(targets), report);
    }

    fn files(&self, files: Vec<FileContent>, report: Report<'_>) {
        let items = files.into_iter().map(|file| (file.target, Body::Pieces(file.pieces)));
        self.batch(Work::Files, items.collect(), report);
    }

    fn open_file(&self, target: &Target) -> Result<Box<dyn FileSink>, ConnectorError> {
        let running = self.running()?;
        if let Some(calls) = running.calls.clone() {
            return Ok(Box::new(LargeFile::begin(running, calls, target)?));
        }
        let export = running.export()?;
        Ok(Box::new(SpooledFile::new(running, export, target.clone())?))
    }

    fn nodes(&self, targets: &[Target], report: Report<'_>) {
        self.batch(Work::Nodes, without_body(targets), report);
    }

    fn hard_links(&self, links: &[HardLink], report: Report<'_>) {
        match self.running().map(|running| (running.calls.clone(), running)) {
            Ok((Some(calls), running)) => {
                let items = links.iter().map(batches::link_item).collect();
                batches::send(&running, calls, items, links.len(), report);
            }
            Ok((None, _)) => {
                for (index, link) in links.iter().enumerate() {
                    let path = String::from_utf8_lossy(&link.path);
                    let message = "the package cannot make hard links";
                    report(index, Err(ConnectorError::new(ErrorKind::Unsupported, "link", path, message)));
                }
            }
            Err(error) => fail_all(links.len(), &error, report),
        }
    }

    fn directory_metadata(&self, targets: &[Target], report: Report<'_>) {
        if self.running().is_ok_and(|running| running.calls.is_some()) {
            return self.batch(Work::DirectoryMetadata, without_body(targets), report);
        }
        for (index, target) in targets.iter().enumerate() {
            let limitations = if target.xattrs.is_empty() { Vec::new() } else { vec![Limitation::Xattrs] };
            report(index, Ok(Applied { limitations, kept: false }));
        }
    }

    fn finish(&self) -> Result<(), ConnectorError> {
        let running = self.running()?;
        if let Some(calls) = running.calls.clone() {
            return batches::finish(&running, calls);
        }
        let export = running.export.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        match export {
            Some(export) => export.finish(&running),
            None => Ok(()),
        }
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        let step = self.package.place.start_step();
        match self.running() {
            Err(error) => report(&step, Err(error)),
            Ok(running) => {
                report(&step, Ok(()));
                let mut client = running.client.clone();
                let ping = async move { client.ping(wire::PingRequest {}).await };
                report("ping", running.call("ping", ping).map(drop));
            }
        }
    }
}

fn without_body(targets: &[Target]) -> Vec<(Target, Body)> {
    targets.iter().map(|target| (target.clone(), Body::None)).collect()
}

/// The folder that everything is restored below, until its own attributes are known.
fn root() -> Target {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let info = FileInfo {
        mode: FileMode(FileMode::DIRECTORY | 0o700),
        mod_time: Timestamp {
            seconds: i64::try_from(now.as_secs()).unwrap_or(0),
            nanoseconds: now.subsec_nanos(),
        },
        nlink: 1,
        ..FileInfo::made_up_directory(b"/")
    };
    Target { path: Vec::new(), info, xattrs: Vec::new(), link: None }
}
