//! Large files of packages of ours: one stream each, pieces in any order.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use kloset_connector::{ConnectorError, ErrorKind, FileSink, Outcome, Target};
use plugin_sdk::convert::{outcome_from_wire, target_to_wire};
use plugin_sdk::wire::kloset::{self as wire, Piece};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status};

use super::Running;
use super::batches::{Calls, parts};

/// Pieces on their way to the connection, each up to a megabyte.
const PIECES_WAITING: usize = 2;

/// The call of one file.
type Answer = JoinHandle<Result<Response<wire::Outcome>, Status>>;

/// A large file on its way.
pub(super) struct LargeFile {
    running: Arc<Running>,
    shown: String,
    sender: mpsc::Sender<Piece>,
    answer: Mutex<Option<Answer>>,
}

impl LargeFile {
    /// Begins the stream; whether the file can be made is told later.
    pub(super) fn begin(
        running: Arc<Running>,
        mut calls: Calls,
        target: &Target,
    ) -> Result<Self, ConnectorError> {
        let (sender, pieces) = mpsc::channel(PIECES_WAITING);
        let call = async move { calls.large_file(ReceiverStream::new(pieces)).await };
        let answer = running.connection.runtime().spawn(call);
        let shown = String::from_utf8_lossy(&target.path).into_owned();
        let file = Self { running, shown, sender, answer: Mutex::new(Some(answer)) };
        file.send(Piece { target: Some(target_to_wire(target)), ..Default::default() })?;
        Ok(file)
    }

    fn send(&self, piece: Piece) -> Result<(), ConnectorError> {
        let connection = &self.running.connection;
        let sent =
            connection.wait("write", &self.shown, connection.silence_max(), self.sender.send(piece))?;
        connection.progress().fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // The package has answered before the end: that is a failure, and it says which.
        sent.or_else(|_| self.answer().and(Err(self.unanswered())))
    }

    /// The package's answer; whoever comes second learns only that there was one.
    fn answer(&self) -> Outcome {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(answer) = answer else { return Err(self.unanswered()) };
        let joined = async { answer.await.map_err(|_| Status::internal("the call was given up"))? };
        let connection = &self.running.connection;
        let outcome = connection.call("write", &self.shown, connection.silence_max(), joined)?;
        outcome_from_wire(&outcome.into_inner(), "write")
    }

    fn unanswered(&self) -> ConnectorError {
        let message = "the package gave the file up";
        ConnectorError::new(ErrorKind::Other, "write", self.shown.as_str(), message)
    }
}

impl FileSink for LargeFile {
    fn write_at(&self, offset: u64, data: Bytes) -> Result<(), ConnectorError> {
        parts(offset, data)
            .try_for_each(|(offset, data)| self.send(Piece { offset, data, ..Default::default() }))
    }

    fn finish(self: Box<Self>) -> Outcome {
        self.send(Piece { complete: true, ..Default::default() })?;
        self.answer()
    }

    fn abandon(self: Box<Self>) {
        let Self { running, shown, sender, answer } = *self;
        // The end without `complete`; the package answers when nothing is left of the file.
        drop(sender);
        let answer = answer.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Some(answer) = answer else { return };
        let _ = running.connection.wait("abandon", &shown, running.connection.silence_max(), answer);
    }
}
