//! One export: from the stream of records to the destination's batches.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kloset_connector::{
    Applied, ConnectorError, Destination, ErrorKind, FileContent, FileSink, Outcome, Report, Target,
};
use kloset_format::path::clean;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tonic::{Status, Streaming};

use crate::convert::file_info_from_wire;
use crate::failure::to_status;
use crate::wire::connectors::{self, Record};
use crate::wire::exporter::export_request::Packet;
use crate::wire::exporter::{ExportRequest, ExportResponse};

/// Results that may wait for the host.
pub(super) const RESULTS_WAITING: usize = 1024;
/// A longer content is written piece by piece.
const WHOLE_BYTES_MAX: usize = 8 << 20;
/// Contents and nodes on their way at the same time.
const WORK_AT_ONCE: usize = 32;

type Results = mpsc::Sender<Result<ExportResponse, Status>>;

/// Takes records until the host has no more.
pub(super) async fn run(
    destination: Arc<dyn Destination>,
    packets: Streaming<ExportRequest>,
    results: Results,
) -> Result<(), Status> {
    let prepared = Arc::clone(&destination);
    on_thread(move || prepared.prepare()).await?.map_err(|error| to_status(&error))?;
    let mut export = Export {
        destination,
        packets,
        results,
        directories: Vec::new(),
        work: JoinSet::new(),
        permits: Arc::new(Semaphore::new(WORK_AT_ONCE)),
    };
    while let Some(packet) = export.next().await? {
        match packet {
            Packet::Record(record) => export.record(record).await?,
            Packet::Chunk(_) => return Err(Status::invalid_argument("a content without a file")),
        }
    }
    export.finish().await
}

struct Export {
    destination: Arc<dyn Destination>,
    packets: Streaming<ExportRequest>,
    results: Results,
    directories: Vec<Target>,
    work: JoinSet<()>,
    permits: Arc<Semaphore>,
}

impl Export {
    async fn next(&mut self) -> Result<Option<Packet>, Status> {
        match self.packets.message().await? {
            None => Ok(None),
            Some(ExportRequest { packet: Some(packet) }) => Ok(Some(packet)),
            Some(_) => Err(Status::invalid_argument("an empty packet")),
        }
    }

    async fn record(&mut self, mut record: Record) -> Result<(), Status> {
        let path = clean(&record.pathname);
        let Some(info) = record.file_info.clone() else {
            let text = format!("invalid record {}: missing fileinfo", String::from_utf8_lossy(&path));
            return Err(Status::invalid_argument(text));
        };
        let info = file_info_from_wire(info, &path);
        let link = info.mode.is_symlink().then(|| std::mem::take(&mut record.target));
        if let Some(target) = &link {
            record.target.clone_from(target);
        }
        let target = Target {
            path: path.strip_prefix(b"/").unwrap_or(&path).to_vec(),
            info,
            xattrs: Vec::new(),
            link,
        };
        if target.info.mode.is_directory() {
            self.directory(target, record).await
        } else if record.has_reader {
            self.file(target, record).await
        } else if target.info.mode.is_regular() {
            let error = ConnectorError::new(
                ErrorKind::Invalid,
                "write",
                String::from_utf8_lossy(&target.path),
                "a file without content",
            );
            answer(&self.results, record, Err(error)).await;
            Ok(())
        } else {
            self.start(record, move |destination| {
                one(|report| destination.nodes(std::slice::from_ref(&target), report))
            })
            .await
        }
    }

    async fn directory(&mut self, target: Target, record: Record) -> Result<(), Status> {
        let destination = Arc::clone(&self.destination);
        let made = target.clone();
        let outcome =
            on_thread(move || one(|report| destination.directories(std::slice::from_ref(&made), report)))
                .await?;
        if outcome.is_ok() {
            self.directories.push(target);
        }
        answer(&self.results, record, outcome).await;
        Ok(())
    }

    /// Runs work for one record beside what follows.
    async fn start(
        &mut self,
        record: Record,
        work: impl FnOnce(&dyn Destination) -> Outcome + Send + 'static,
    ) -> Result<(), Status> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| ended())?;
        let (destination, results) = (Arc::clone(&self.destination), self.results.clone());
        self.work.spawn(async move {
            let outcome = on_thread(move || work(destination.as_ref())).await;
            match outcome {
                Ok(outcome) => answer(&results, record, outcome).await,
                Err(status) => {
                    let _ = results.send(Err(status)).await;
                }
            }
            drop(permit);
        });
        // What has ended is let go, so that the set does not grow.
        while self.work.try_join_next().is_some() {}
        Ok(())
    }

    async fn file(&mut self, target: Target, record: Record) -> Result<(), Status> {
        let mut pieces: Vec<Bytes> = Vec::new();
        let mut length = 0;
        while let Some(piece) = self.piece().await? {
            length += piece.len();
            pieces.push(piece);
            if length > WHOLE_BYTES_MAX {
                return self.large_file(target, record, pieces).await;
            }
        }
        self.start(record, move |destination| {
            one(|report| destination.files(vec![FileContent { target, pieces }], report))
        })
        .await
    }

    /// The next piece of a content; none at its end.
    async fn piece(&mut self) -> Result<Option<Bytes>, Status> {
        match self.next().await? {
            Some(Packet::Chunk(piece)) if piece.is_empty() => Ok(None),
            Some(Packet::Chunk(piece)) => Ok(Some(piece)),
            Some(Packet::Record(_)) | None => Err(Status::invalid_argument("a content without an end")),
        }
    }

    async fn large_file(&mut self, target: Target, record: Record, begin: Vec<Bytes>) -> Result<(), Status> {
        let destination = Arc::clone(&self.destination);
        let opened = on_thread(move || destination.open_file(&target)).await?;
        let (mut sink, mut failure) = match opened {
            Ok(sink) => (Some(sink), None),
            Err(error) => (None, Some(error)),
        };
        let mut offset = 0;
        let mut begin = begin.into_iter();
        loop {
            let piece = match begin.next() {
                Some(piece) => piece,
                None => match self.piece().await {
                    Ok(Some(piece)) => piece,
                    Ok(None) => break,
                    Err(status) => {
                        let _ = on_thread(move || sink.map(FileSink::abandon)).await;
                        return Err(status);
                    }
                },
            };
            // After a failure the rest is taken from the stream and dropped.
            let Some(open) = sink.take() else { continue };
            let at = offset;
            offset += piece.len() as u64;
            let (open, written) = on_thread(move || {
                let written = open.write_at(at, piece);
                (open, written)
            })
            .await?;
            match written {
                Ok(()) => sink = Some(open),
                Err(error) => {
                    failure = Some(error);
                    on_thread(move || open.abandon()).await?;
                }
            }
        }
        let outcome = match (sink, failure) {
            (Some(sink), _) => on_thread(move || sink.finish()).await?,
            (None, Some(error)) => Err(error),
            (None, None) => Err(unanswered()),
        };
        answer(&self.results, record, outcome).await;
        Ok(())
    }

    /// Waits for everything, then sets what directories had to wait for.
    async fn finish(mut self) -> Result<(), Status> {
        while let Some(ended) = self.work.join_next().await {
            ended.map_err(|_| Status::internal("the connector panicked"))?;
        }
        let mut targets = self.directories;
        targets.reverse();
        let destination = self.destination;
        on_thread(move || {
            let failure: Mutex<Option<ConnectorError>> = Mutex::new(None);
            destination.directory_metadata(&targets, &|_, outcome| {
                if let Err(error) = outcome {
                    guard(&failure).get_or_insert(error);
                }
            });
            destination.finish()?;
            match failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
                Some(error) => Err(error),
                None => Ok(()),
            }
        })
        .await?
        .map_err(|error| to_status(&error))
    }
}

/// The outcome of a batch of one.
fn one(work: impl FnOnce(Report<'_>)) -> Outcome {
    let slot: Mutex<Option<Outcome>> = Mutex::new(None);
    work(&|_, outcome| *guard(&slot) = Some(outcome));
    let outcome = slot.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    outcome.unwrap_or_else(|| Err(unanswered()))
}

async fn answer(results: &Results, record: Record, outcome: Result<Applied, ConnectorError>) {
    let error = match outcome {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    let result = connectors::Result { header: Some(record), error };
    let _ = results.send(Ok(ExportResponse { result: Some(result) })).await;
}

pub(super) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Status::internal("the connector panicked"))
}

fn unanswered() -> ConnectorError {
    ConnectorError::new(ErrorKind::Other, "write", "destination", "the connector gave no answer")
}

fn ended() -> Status {
    Status::internal("the export has ended")
}

fn guard<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
