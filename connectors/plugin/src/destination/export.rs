//! The plain protocol: one stream of records, each file followed by its content.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::sync::mpsc as blocking;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kloset_connector::{ConnectorError, ErrorKind, Report, Target};
use plugin_sdk::CHUNK_BYTES;
use plugin_sdk::convert::file_info_to_wire;
use plugin_sdk::wire::connectors::Record;
use plugin_sdk::wire::exporter::ExportRequest;
use plugin_sdk::wire::exporter::export_request::Packet;
use tokio::sync::mpsc;
use tonic::Status;

use super::results::{Answer, Results, collect, guard, outcome, shown};
use super::{Running, again};
use crate::connection::Patience;

/// Messages on their way to the connection, each up to a megabyte.
const MESSAGES_WAITING: usize = 4;

/// What follows a record.
pub(super) enum Body {
    /// Nothing: a folder, a link, a node.
    None,
    /// A content in memory.
    Pieces(Vec<Bytes>),
    /// A content in a temporary file of that length.
    File(File, u64),
}

/// A stream of records to one package.
pub(super) struct Export {
    /// Whoever holds it sends; the stream is serial.
    sender: Mutex<Option<mpsc::Sender<ExportRequest>>>,
    results: Arc<Mutex<Results>>,
    ended: Mutex<Option<blocking::Receiver<Result<(), Status>>>>,
}

impl Export {
    pub(super) fn begin(running: &Running) -> Result<Self, ConnectorError> {
        let (sender, messages) = mpsc::channel(MESSAGES_WAITING);
        let results = Arc::new(Mutex::new(Results::default()));
        let (say_ended, ended) = blocking::channel();
        let mut client = running.client.clone();
        let collected = Arc::clone(&results);
        let progress = running.connection.progress();
        // A package may send its first header with its first result: the call is not waited for.
        running.connection.runtime().spawn(async move {
            let messages = tokio_stream::wrappers::ReceiverStream::new(messages);
            let outcome = match client.export(messages).await {
                Ok(stream) => collect(stream.into_inner(), &collected, &progress).await,
                Err(status) => Err(status),
            };
            let status = outcome.as_ref().err().cloned();
            {
                let mut results = guard(&collected);
                results.over = Some(status.unwrap_or_else(|| Status::unknown("the export has ended")));
                // Dropping the senders wakes whoever waits.
                results.waiting.clear();
            }
            let _ = say_ended.send(outcome);
        });
        Ok(Self { sender: Mutex::new(Some(sender)), results, ended: Mutex::new(Some(ended)) })
    }

    /// Sends the items one after the other, then waits for their results.
    pub(super) fn batch(&self, running: &Running, items: Vec<(Target, Body)>, report: Report<'_>) {
        let (sender, answers) = blocking::channel();
        let mut targets: Vec<Option<Target>> = Vec::with_capacity(items.len());
        let mut broken: Option<ConnectorError> = None;
        for (index, (target, body)) in items.into_iter().enumerate() {
            let refused = match &broken {
                Some(error) => Err(again(error)),
                None => self.send(running, &target, body, (index, &sender)),
            };
            match refused {
                Ok(()) => targets.push(Some(target)),
                Err(error) => {
                    if error.kind != ErrorKind::Unsupported {
                        broken = Some(again(&error));
                    }
                    report(index, Err(error));
                    targets.push(None);
                }
            }
        }
        drop(sender);
        let mut left = targets.iter().flatten().count();
        let mut patience = Patience::new(&running.connection, running.connection.silence_max());
        while left > 0 {
            let failure = match answers.recv_timeout(Duration::from_millis(100)) {
                Ok((index, text)) => {
                    if let Some(target) = targets.get_mut(index).and_then(Option::take) {
                        left -= 1;
                        report(index, outcome(running, &target, text));
                    }
                    continue;
                }
                Err(blocking::RecvTimeoutError::Timeout) => {
                    match patience.check("write", &running.location) {
                        Ok(()) => continue,
                        Err(error) => error,
                    }
                }
                Err(blocking::RecvTimeoutError::Disconnected) => self.why_over(running),
            };
            for (index, _) in targets.iter_mut().enumerate().filter_map(|(i, t)| Some((i, t.take()?))) {
                report(index, Err(again(&failure)));
            }
            return;
        }
    }

    fn send(
        &self,
        running: &Running,
        target: &Target,
        body: Body,
        (index, answer): (usize, &blocking::Sender<Answer>),
    ) -> Result<(), ConnectorError> {
        let path = [b"/", target.path.as_slice()].concat();
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
        let all_text = text(&path) && target.link.as_deref().is_none_or(text);
        if !all_text {
            return Err(ConnectorError::new(
                ErrorKind::Unsupported,
                "write",
                shown(target),
                "its name is not UTF-8, which the package cannot take",
            ));
        }
        let record = Record {
            has_reader: !matches!(body, Body::None),
            pathname: path.clone(),
            target: target.link.clone().unwrap_or_default(),
            file_info: Some(file_info(target)),
            ..Default::default()
        };
        let mut turn = guard(&self.sender);
        let Some(sender) = turn.as_ref() else { return Err(self.why_over(running)) };
        {
            let mut results = guard(&self.results);
            if results.over.is_none() {
                results.waiting.entry(path).or_default().push((index, answer.clone()));
            }
        }
        let sent = self
            .message(running, sender, Packet::Record(record))
            .and_then(|()| self.send_body(running, sender, body));
        if sent.is_err() {
            // A content without an end cannot be followed by anything.
            *turn = None;
        }
        sent
    }

    fn send_body(
        &self,
        running: &Running,
        sender: &mpsc::Sender<ExportRequest>,
        body: Body,
    ) -> Result<(), ConnectorError> {
        match body {
            Body::None => return Ok(()),
            Body::Pieces(pieces) => {
                for mut piece in pieces {
                    while !piece.is_empty() {
                        let chunk = piece.split_to(piece.len().min(CHUNK_BYTES));
                        self.message(running, sender, Packet::Chunk(chunk))?;
                    }
                }
            }
            Body::File(file, length) => self.send_file(running, sender, &file, length)?,
        }
        self.message(running, sender, Packet::Chunk(Bytes::new()))
    }

    fn send_file(
        &self,
        running: &Running,
        sender: &mpsc::Sender<ExportRequest>,
        file: &File,
        length: u64,
    ) -> Result<(), ConnectorError> {
        let mut offset = 0;
        while offset < length {
            let count = (length - offset).min(CHUNK_BYTES as u64);
            let mut chunk = BytesMut::zeroed(count as usize);
            file.read_exact_at(&mut chunk, offset)
                .map_err(|error| ConnectorError::from_io("read", "temporary file", error))?;
            offset += count;
            self.message(running, sender, Packet::Chunk(chunk.freeze()))?;
        }
        Ok(())
    }

    fn message(
        &self,
        running: &Running,
        sender: &mpsc::Sender<ExportRequest>,
        packet: Packet,
    ) -> Result<(), ConnectorError> {
        let request = ExportRequest { packet: Some(packet) };
        let request = match sender.try_send(request) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(self.why_over(running)),
            Err(mpsc::error::TrySendError::Full(request)) => request,
        };
        let limit = running.connection.silence_max();
        let sent = running.connection.wait("write", &running.location, limit, sender.send(request))?;
        running.connection.progress().fetch_add(1, Ordering::Relaxed);
        sent.map_err(|_| self.why_over(running))
    }

    /// Ends the stream and waits for the package's last word.
    pub(super) fn finish(&self, running: &Running) -> Result<(), ConnectorError> {
        *guard(&self.sender) = None;
        let Some(ended) = guard(&self.ended).take() else { return Ok(()) };
        let mut patience = Patience::new(&running.connection, running.connection.silence_max());
        loop {
            match ended.recv_timeout(Duration::from_millis(100)) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(status)) => {
                    return Err(running.connection.failed(&status, "finish", &running.location));
                }
                Err(blocking::RecvTimeoutError::Timeout) => patience.check("finish", &running.location)?,
                Err(blocking::RecvTimeoutError::Disconnected) => return Err(self.why_over(running)),
            }
        }
    }

    fn why_over(&self, running: &Running) -> ConnectorError {
        let status = guard(&self.results).over.clone();
        let status = status.unwrap_or_else(|| Status::unknown("the package ended the export"));
        running.connection.failed(&status, "write", &running.location)
    }
}

fn file_info(target: &Target) -> plugin_sdk::wire::connectors::FileInfo {
    let mut info = file_info_to_wire(&target.info);
    if info.name.is_empty() {
        info.name = match target.path.rsplit(|&byte| byte == b'/').next() {
            Some(name) if !name.is_empty() => name.to_vec(),
            _ => b"/".to_vec(),
        };
    }
    // The protocol wants text here; numbers count.
    for name in [&mut info.name, &mut info.username, &mut info.groupname] {
        if std::str::from_utf8(name).is_err() {
            *name = String::from_utf8_lossy(name).into_owned().into_bytes();
        }
    }
    info
}
