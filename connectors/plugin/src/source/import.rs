//! One scan: the stream of records, and the acknowledgements that go back.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kloset_connector::{ConnectorError, ErrorKind, ScanOptions, ScanSink, Xattr};
use plugin_sdk::convert::file_info_to_wire;
use plugin_sdk::wire::connectors;
use plugin_sdk::wire::importer::{ImportRequest, ImportResponse};
use tokio::sync::mpsc;
use tonic::Status;

use super::Running;
use super::content::Content;
use super::listings::{Extended, Plain};

/// Messages on their way from the connection to the listings; one may hold hundreds of records.
const MESSAGES_WAITING: usize = 64;
/// After the last record the package has nothing important to say.
const FAREWELL: Duration = Duration::from_secs(10);

/// What one message brought.
type Records = Result<Vec<ImportResponse>, Status>;

/// A scan until all of its records are acknowledged.
pub(super) struct Session {
    acknowledge: Mutex<Option<mpsc::UnboundedSender<ImportRequest>>>,
    /// Regular files that the engine may still want to read. Peers of ours want no acknowledgement.
    unread: Mutex<HashMap<Vec<u8>, connectors::Record>>,
    records: Mutex<Option<mpsc::Receiver<Records>>>,
}

impl Session {
    fn begin(running: &Running) -> Result<Arc<Self>, ConnectorError> {
        let (acknowledge, acknowledged) = mpsc::unbounded_channel();
        let mut client = running.client.clone();
        let requests = tokio_stream::wrappers::UnboundedReceiverStream::new(acknowledged);
        let import = async move { client.import(requests).await };
        let mut stream = running.call("scan", &running.location, import)?.into_inner();
        let (sender, records) = mpsc::channel(MESSAGES_WAITING);
        let progress = running.connection.progress();
        running.connection.runtime().spawn(async move {
            loop {
                let message = stream.message().await;
                progress.fetch_add(1, Ordering::Relaxed);
                let (item, last) = match message {
                    Ok(Some(mut message)) => match std::mem::take(&mut message.together) {
                        together if together.is_empty() => (Ok(vec![message]), false),
                        together => (Ok(together), false),
                    },
                    Ok(None) => return,
                    Err(status) => (Err(status), true),
                };
                if sender.send(item).await.is_err() || last {
                    return;
                }
            }
        });
        Ok(Arc::new(Self {
            acknowledge: Mutex::new(Some(acknowledge)),
            unread: Mutex::default(),
            records: Mutex::new(Some(records)),
        }))
    }

    /// Tells the package that a record is not needed any more.
    pub(super) fn acknowledge(&self, header: connectors::Record) {
        if let Some(sender) = guard(&self.acknowledge).as_ref() {
            let result = connectors::Result { header: Some(header), error: String::new() };
            let _ = sender.send(ImportRequest { result: Some(result) });
        }
    }

    /// Keeps a regular file until it has been read, or until nobody will.
    pub(super) fn keep_unread(&self, path: Vec<u8>, header: connectors::Record) {
        guard(&self.unread).insert(path, header);
    }

    /// The file has been read.
    pub(super) fn was_read(&self, path: &[u8]) {
        let header = guard(&self.unread).remove(path);
        if let Some(header) = header {
            self.acknowledge(header);
        }
    }

    /// Acknowledges what nobody wanted and waits for the end of the stream.
    pub(super) fn end(&self, running: &Running) {
        for (_, header) in guard(&self.unread).drain() {
            self.acknowledge(header);
        }
        *guard(&self.acknowledge) = None;
        let Some(mut records) = guard(&self.records).take() else { return };
        let rest = async move { while records.recv().await.is_some() {} };
        // Upstream ignores what comes after the last record, and so do we.
        let _ = running.connection.runtime().block_on(async { tokio::time::timeout(FAREWELL, rest).await });
    }

    fn next(&self, running: &Running) -> Result<Vec<ImportResponse>, ConnectorError> {
        let mut records = guard(&self.records);
        let Some(records) = records.as_mut() else { return Err(ended_early(running)) };
        let limit = running.connection.silence_max();
        match running.connection.wait("scan", &running.location, limit, records.recv())? {
            None => Err(ended_early(running)),
            Some(records) => {
                records.map_err(|status| running.connection.failed(&status, "scan", &running.location))
            }
        }
    }
}

fn ended_early(running: &Running) -> ConnectorError {
    let message = if running.connection.is_lost() {
        running.connection.obituary()
    } else {
        format!("package {} ended its list of files early", running.connection.package())
    };
    ConnectorError::new(ErrorKind::Other, "scan", &running.location, message)
}

/// Scans and hands listings to the engine.
pub(super) fn scan(
    running: &Arc<Running>,
    options: &ScanOptions,
    sink: &dyn ScanSink,
) -> Result<(), ConnectorError> {
    let session = Session::begin(running)?;
    *running.session.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Arc::clone(&session));
    if running.extended {
        let mut listings = Extended::new(options, sink);
        return receive(running, &session, sink, |message| listings.take(message));
    }
    let mut listings = Plain::new(&running.info.directory);
    receive(running, &session, sink, |message| listings.take(message))?;
    let values = |path: &[u8], name: &[u8], kind| xattr(running, &session, options, path, name, kind);
    listings.deliver(options, sink, &values, &session)
}

/// Takes messages until the last one, or until the engine has given up.
fn receive(
    running: &Running,
    session: &Session,
    sink: &dyn ScanSink,
    mut take: impl FnMut(ImportResponse) -> Result<(), ConnectorError>,
) -> Result<(), ConnectorError> {
    while !sink.stopped() {
        for message in session.next(running)? {
            if message.finished {
                return Ok(());
            }
            take(message)?;
        }
    }
    Ok(())
}

/// Value of an attribute that came as a record of its own; acknowledges it.
fn xattr(
    running: &Arc<Running>,
    session: &Session,
    options: &ScanOptions,
    path: &[u8],
    name: &[u8],
    kind: u32,
) -> Result<Xattr, ConnectorError> {
    let record = connectors::Record {
        has_reader: true,
        pathname: path.to_vec(),
        is_xattr: true,
        xattr_name: name.to_vec(),
        xattr_type: kind,
        ..Default::default()
    };
    let mut value = Vec::new();
    if options.xattr_values {
        let shown = String::from_utf8_lossy(path);
        let mut content = Content::open(running, record.clone(), &shown)?;
        std::io::Read::read_to_end(&mut std::io::Read::take(&mut content, XATTR_BYTES_MAX), &mut value)
            .map_err(|error| ConnectorError::from_io("read", shown.into_owned(), error))?;
    }
    session.acknowledge(record);
    Ok(Xattr { name: name.to_vec(), value })
}

/// No file system holds longer values.
const XATTR_BYTES_MAX: u64 = 16 << 20;

/// What an acknowledgement repeats of a record.
pub(super) fn header(path: &[u8], info: &kloset_format::FileInfo) -> connectors::Record {
    connectors::Record {
        has_reader: info.mode.is_regular(),
        pathname: path.to_vec(),
        file_info: Some(file_info_to_wire(info)),
        ..Default::default()
    }
}

/// What an acknowledgement repeats of a record that told of a failure.
pub(super) fn failed_header(path: &[u8], error: &str) -> connectors::Record {
    connectors::Record { pathname: path.to_vec(), error: error.to_owned(), ..Default::default() }
}

fn guard<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
