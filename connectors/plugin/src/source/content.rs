//! Contents: opened, read to the end, acknowledged.

use std::io::{self, Read};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use bytes::{Buf, Bytes};
use crossbeam_channel::Receiver;
use kloset_connector::{ConnectorError, ContentSink, ErrorKind, ReadRequest};
use plugin_sdk::wire::connectors;
use plugin_sdk::wire::importer::{OpenRequest, OpenResponse};
use tonic::Streaming;

use super::Running;
use super::short::{self, Short};

/// Contents read at the same time: the package may have a slow line behind it.
const READS_AT_ONCE: usize = 8;
/// Threads that hand short contents to the engine.
const ANSWERS_AT_ONCE: usize = 2;

/// A content being read.
pub(super) struct Content {
    running: Arc<Running>,
    shown: String,
    chunks: Streaming<OpenResponse>,
    current: Bytes,
}

impl Content {
    pub(super) fn open(
        running: &Arc<Running>,
        record: connectors::Record,
        shown: &str,
    ) -> Result<Self, ConnectorError> {
        let mut client = running.client.clone();
        let open = async move { client.open(OpenRequest { record: Some(record) }).await };
        let chunks = running.call("open", shown, open)?.into_inner();
        Ok(Self { running: Arc::clone(running), shown: shown.to_owned(), chunks, current: Bytes::new() })
    }

    /// Takes the first piece, so that what cannot be opened fails here.
    fn begin(&mut self) -> Result<(), ConnectorError> {
        self.fill().map(drop)
    }

    /// Whether there is more.
    fn fill(&mut self) -> Result<bool, ConnectorError> {
        while self.current.is_empty() {
            let message = self.running.call("read", &self.shown, self.chunks.message())?;
            match message {
                Some(message) => self.current = message.chunk,
                None => return Ok(false),
            }
            self.running.connection.progress().fetch_add(1, Ordering::Relaxed);
        }
        Ok(true)
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || !self.fill().map_err(ConnectorError::into_io)? {
            return Ok(0);
        }
        let count = buffer.len().min(self.current.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), self.current.get(..count)) {
            to.copy_from_slice(from);
        }
        self.current.advance(count);
        Ok(count)
    }
}

/// Why the whole package is lost, once it is.
#[derive(Default)]
pub(super) struct Lost(Mutex<Option<ConnectorError>>);

impl Lost {
    pub(super) fn set(&self, error: ConnectorError) {
        self.guard().get_or_insert(error);
    }

    pub(super) fn is_set(&self) -> bool {
        self.guard().is_some()
    }

    fn guard(&self) -> std::sync::MutexGuard<'_, Option<ConnectorError>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Reads what is asked for from a few threads.
pub(super) fn read(
    running: &Arc<Running>,
    requests: &Receiver<ReadRequest>,
    sink: &dyn ContentSink,
) -> Result<(), ConnectorError> {
    let lost = Lost::default();
    let (short, answers) = match running.calls.clone() {
        Some(calls) => short::begin(running, calls).map(|(short, answers)| (Some(short), Some(answers)))?,
        None => (None, None),
    };
    let context = running.connection.context();
    let threads = context.concurrency.unwrap_or(READS_AT_ONCE).clamp(1, 64);
    std::thread::scope(|scope| {
        for answers in std::iter::repeat_n(answers, ANSWERS_AT_ONCE).flatten() {
            let lost = &lost;
            scope.spawn(move || answers.take_all(running, sink, lost));
        }
        for short in std::iter::repeat_n(short, threads) {
            let lost = &lost;
            scope.spawn(move || read_requests(running, requests, short.as_ref(), sink, lost));
        }
    });
    if let Some(error) = lost.0.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        return Err(error);
    }
    if let Some(session) = running.session() {
        session.end(running);
    }
    Ok(())
}

/// Takes requests until there are no more, or the package is lost.
fn read_requests(
    running: &Arc<Running>,
    requests: &Receiver<ReadRequest>,
    short: Option<&Short>,
    sink: &dyn ContentSink,
    lost: &Lost,
) {
    while let Ok(request) = requests.recv() {
        match short.filter(|short| short.takes(&request)) {
            Some(short) => short.ask(request, lost),
            None => {
                if let Err(error) = read_one(running, request, sink) {
                    lost.set(error);
                }
            }
        }
        if lost.is_set() {
            return;
        }
    }
}

/// Reads one content; an error means that the whole package is lost.
pub(super) fn read_one(
    running: &Arc<Running>,
    request: ReadRequest,
    sink: &dyn ContentSink,
) -> Result<(), ConnectorError> {
    let path = request.path.clone();
    let shown = String::from_utf8_lossy(&path).into_owned();
    if !running.extended && std::str::from_utf8(&path).is_err() {
        let message = "its name is not UTF-8, which the package cannot take";
        sink.failed(request, ConnectorError::new(ErrorKind::Unsupported, "open", shown, message));
        return Ok(());
    }
    let file_info = running.extended.then(|| connectors::FileInfo {
        size: i64::try_from(request.size_hint).unwrap_or(i64::MAX),
        ..Default::default()
    });
    let record =
        connectors::Record { has_reader: true, pathname: path.clone(), file_info, ..Default::default() };
    let opened = Content::open(running, record, &shown).and_then(|mut content| {
        content.begin()?;
        Ok(content)
    });
    match opened {
        Ok(mut content) => sink.content(request, &mut content),
        Err(error) if error.kind == ErrorKind::Interrupted || running.connection.is_lost() => {
            return Err(error);
        }
        Err(error) => sink.failed(request, error),
    }
    if running.connection.is_lost() {
        let message = running.connection.obituary();
        return Err(ConnectorError::new(ErrorKind::Other, "read", &running.location, message));
    }
    if let Some(session) = running.session() {
        session.was_read(&path);
    }
    Ok(())
}
