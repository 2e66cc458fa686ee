//! The calls of a host of ours: each is one call of the destination.

use std::sync::Arc;

use bytes::Bytes;
use kloset_connector::{
    ConnectorError, Destination, ErrorKind, FileContent, FileSink, HardLink, Outcome, Target,
};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::Opened;
use super::export::on_thread;
use crate::context::blocking;
use crate::convert::{file_info_to_wire, is_below, outcome_to_wire, target_from_wire};
use crate::failure::to_message;
use crate::wire::kloset::destination_server;
use crate::wire::kloset::{self as wire, Item, Piece, Work};

/// Outcomes that may wait for the host.
const OUTCOMES_WAITING: usize = 1024;
/// Pieces of one large file written at the same time: the line behind the connector may be slow.
const WRITES_AT_ONCE: usize = 8;

/// Serves the destination of the slot.
pub(super) struct Batches {
    pub(super) destination: Arc<Opened>,
}

type Outcomes = ReceiverStream<Result<wire::Outcome, Status>>;
type Sender = mpsc::Sender<Result<wire::Outcome, Status>>;

#[tonic::async_trait]
impl destination_server::Destination for Batches {
    async fn prepare(
        &self,
        _: Request<wire::PrepareRequest>,
    ) -> Result<Response<wire::PrepareResponse>, Status> {
        let destination = self.destination.get()?;
        blocking(move || destination.prepare()).await?;
        Ok(Response::new(wire::PrepareResponse {}))
    }

    type InspectStream = Outcomes;

    async fn inspect(&self, request: Request<wire::InspectRequest>) -> Result<Response<Outcomes>, Status> {
        let destination = self.destination.get()?;
        let paths = request.into_inner().paths;
        if !paths.iter().all(|path| is_below(path)) {
            return Err(outside());
        }
        Ok(answers(move |sender| inspect(destination.as_ref(), &paths, sender)))
    }

    type BatchStream = Outcomes;

    async fn batch(&self, request: Request<Streaming<Item>>) -> Result<Response<Outcomes>, Status> {
        let destination = self.destination.get()?;
        let (work, items) = take_items(request.into_inner()).await?;
        Ok(answers(move |sender| run(destination.as_ref(), work, items, sender)))
    }

    async fn large_file(
        &self,
        request: Request<Streaming<Piece>>,
    ) -> Result<Response<wire::Outcome>, Status> {
        let destination = self.destination.get()?;
        let outcome = large_file(destination, request.into_inner()).await?;
        Ok(Response::new(outcome_to_wire(0, &outcome)))
    }

    async fn finish(
        &self,
        _: Request<wire::FinishRequest>,
    ) -> Result<Response<wire::FinishResponse>, Status> {
        let destination = self.destination.get()?;
        blocking(move || destination.finish()).await?;
        Ok(Response::new(wire::FinishResponse {}))
    }
}

/// Runs work that answers item by item.
fn answers(work: impl FnOnce(&Sender) + Send + 'static) -> Response<Outcomes> {
    let (sender, outcomes) = mpsc::channel(OUTCOMES_WAITING);
    tokio::task::spawn_blocking(move || work(&sender));
    Response::new(ReceiverStream::new(outcomes))
}

fn inspect(destination: &dyn Destination, paths: &[Vec<u8>], sender: &Sender) {
    destination.inspect(paths, &|index, found| {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let answer = match found {
            Ok(info) => {
                wire::Outcome { index, found: info.as_ref().map(file_info_to_wire), ..Default::default() }
            }
            Err(error) => wire::Outcome { index, failure: Some(to_message(&error)), ..Default::default() },
        };
        let _ = sender.blocking_send(Ok(answer));
    });
}

/// One item of a batch.
struct Wanted {
    target: Target,
    original: Vec<u8>,
    pieces: Vec<Bytes>,
}

/// The items of one batch; the host sends no more than it holds in memory itself.
async fn take_items(mut messages: Streaming<Item>) -> Result<(Work, Vec<Wanted>), Status> {
    let mut work = Work::Undefined;
    let mut items: Vec<Wanted> = Vec::new();
    while let Some(message) = messages.message().await? {
        match message.target {
            Some(mut target) => {
                work = Work::try_from(message.work).unwrap_or(Work::Undefined);
                let original = std::mem::take(&mut target.original);
                let target = target_from_wire(target).filter(|_| is_below(&original)).ok_or_else(outside)?;
                items.push(Wanted { target, original, pieces: message.pieces });
            }
            None => match items.last_mut() {
                Some(item) => item.pieces.extend(message.pieces),
                None => return Err(Status::invalid_argument("a content without a file")),
            },
        }
    }
    Ok((work, items))
}

fn run(destination: &dyn Destination, work: Work, items: Vec<Wanted>, sender: &Sender) {
    let report = |index: usize, outcome: Outcome| {
        let _ = sender.blocking_send(Ok(outcome_to_wire(index, &outcome)));
    };
    let targets = |items: Vec<Wanted>| items.into_iter().map(|item| item.target).collect::<Vec<_>>();
    match work {
        Work::Directories => destination.directories(&targets(items), &report),
        Work::Nodes => destination.nodes(&targets(items), &report),
        Work::DirectoryMetadata => destination.directory_metadata(&targets(items), &report),
        Work::Files => {
            let files =
                items.into_iter().map(|item| FileContent { target: item.target, pieces: item.pieces });
            destination.files(files.collect(), &report);
        }
        Work::HardLinks => {
            let links =
                items.into_iter().map(|item| HardLink { path: item.target.path, original: item.original });
            destination.hard_links(&links.collect::<Vec<_>>(), &report);
        }
        Work::Undefined => {
            let _ = sender.blocking_send(Err(Status::unimplemented("unknown kind of work")));
        }
    }
}

/// Writes pieces as they come, several at a time.
async fn large_file(
    destination: Arc<dyn Destination>,
    mut pieces: Streaming<Piece>,
) -> Result<Outcome, Status> {
    let first = pieces.message().await?.and_then(|piece| piece.target).ok_or_else(outside)?;
    let target = target_from_wire(first).ok_or_else(outside)?;
    let shown = String::from_utf8_lossy(&target.path).into_owned();
    let sink = match on_thread(move || destination.open_file(&target)).await? {
        Ok(sink) => Arc::new(sink),
        Err(error) => return Ok(Err(error)),
    };
    let written = write_pieces(&sink, &mut pieces).await;
    // The writers have ended and dropped theirs.
    let sink = Arc::into_inner(sink).ok_or_else(|| Status::internal("the file is still being written"))?;
    match written {
        Ok(true) => on_thread(move || sink.finish()).await,
        Ok(false) => {
            on_thread(move || sink.abandon()).await?;
            Ok(Err(ConnectorError::new(ErrorKind::Interrupted, "write", shown, "abandoned")))
        }
        Err(error) => {
            on_thread(move || sink.abandon()).await?;
            Ok(Err(error))
        }
    }
}

/// Says whether the file is complete.
async fn write_pieces(
    sink: &Arc<Box<dyn FileSink>>,
    pieces: &mut Streaming<Piece>,
) -> Result<bool, ConnectorError> {
    let mut writes: JoinSet<Result<(), ConnectorError>> = JoinSet::new();
    let mut complete = false;
    let mut failure = None;
    while failure.is_none() && !complete {
        // A host that has gone sends an error or an early end: both abandon the file.
        let Ok(Some(piece)) = pieces.message().await else { break };
        complete = piece.complete;
        if !piece.data.is_empty() {
            let sink = Arc::clone(sink);
            writes.spawn_blocking(move || sink.write_at(piece.offset, piece.data));
        }
        if writes.len() >= WRITES_AT_ONCE {
            failure = writes.join_next().await.and_then(failure_of);
        }
    }
    while let Some(ended) = writes.join_next().await {
        failure = failure.or(failure_of(ended));
    }
    failure.map_or(Ok(complete), Err)
}

fn failure_of(ended: Result<Result<(), ConnectorError>, JoinError>) -> Option<ConnectorError> {
    match ended {
        Ok(result) => result.err(),
        Err(_) => Some(ConnectorError::new(ErrorKind::Other, "write", "file", "the connector panicked")),
    }
}

fn outside() -> Status {
    Status::invalid_argument("a path that leads outside, or none")
}
