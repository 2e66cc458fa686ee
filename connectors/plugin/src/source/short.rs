//! Short contents of packages of ours: one call for all of them, many to a message.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use kloset_connector::{ConnectorError, ContentSink, ErrorKind, ReadRequest};
use plugin_sdk::SHORT_BYTES_MAX;
use plugin_sdk::failure::from_message;
use plugin_sdk::wire::kloset::source_client::SourceClient;
use plugin_sdk::wire::kloset::{self as wire, Content, Wanted};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::Running;
use super::content::{Lost, read_one};
use crate::connection::{Patience, Wire};

/// Contents on their way; each is short, so that this bounds the memory, too.
const CONTENTS_AT_ONCE: usize = 128;
/// Requests that share a message.
const REQUESTS_TOGETHER: usize = 64;
/// Messages that may wait for the connection.
const MESSAGES_WAITING: usize = 2;
/// How often a wait looks around.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Asks for short contents. The call ends when the last clone is gone and all is answered.
#[derive(Clone)]
pub(super) struct Short {
    wanted: mpsc::UnboundedSender<Wanted>,
    waiting: Arc<Waiting>,
}

/// The answers, for any number of threads.
#[derive(Clone)]
pub(super) struct Answers {
    contents: Receiver<Result<Content, Status>>,
    waiting: Arc<Waiting>,
}

/// What was asked for and is not answered.
#[derive(Default)]
struct Waiting {
    requests: Mutex<HashMap<u64, ReadRequest>>,
    room: Condvar,
}

/// Begins the call.
pub(super) fn begin(
    running: &Running,
    mut calls: SourceClient<Wire>,
) -> Result<(Short, Answers), ConnectorError> {
    let (wanted, requests) = mpsc::unbounded_channel();
    let (sender, messages) = mpsc::channel(MESSAGES_WAITING);
    running.connection.runtime().spawn(send(requests, sender));
    let call = async move { calls.read(ReceiverStream::new(messages)).await };
    let stream = running.call("read", &running.location, call)?.into_inner();
    // Never longer than what is on its way.
    let (answered, contents) = crossbeam_channel::unbounded();
    let progress = running.connection.progress();
    running.connection.runtime().spawn(async move {
        if let Err(status) = receive(stream, &answered, &progress).await {
            let _ = answered.send(Err(status));
        }
    });
    let waiting = Arc::<Waiting>::default();
    Ok((Short { wanted, waiting: Arc::clone(&waiting) }, Answers { contents, waiting }))
}

async fn send(mut requests: mpsc::UnboundedReceiver<Wanted>, sender: mpsc::Sender<wire::ReadRequest>) {
    loop {
        let mut wanted = Vec::new();
        let none = requests.recv_many(&mut wanted, REQUESTS_TOGETHER).await == 0;
        if none || sender.send(wire::ReadRequest { wanted }).await.is_err() {
            return;
        }
    }
}

async fn receive(
    mut stream: Streaming<wire::ReadResponse>,
    answered: &crossbeam_channel::Sender<Result<Content, Status>>,
    progress: &std::sync::atomic::AtomicU64,
) -> Result<(), Status> {
    while let Some(message) = stream.message().await? {
        progress.fetch_add(1, Ordering::Relaxed);
        for content in message.contents {
            let _ = answered.send(Ok(content));
        }
    }
    Ok(())
}

impl Waiting {
    fn guard(&self) -> MutexGuard<'_, HashMap<u64, ReadRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, token: u64) -> Option<ReadRequest> {
        let request = self.guard().remove(&token);
        self.room.notify_one();
        request
    }
}

impl Short {
    /// Whether a content is to be asked for here.
    pub(super) fn takes(&self, request: &ReadRequest) -> bool {
        request.size_hint <= SHORT_BYTES_MAX as u64
    }

    /// Asks for a content; waits while too many are on their way, but not for a lost package.
    pub(super) fn ask(&self, request: ReadRequest, lost: &Lost) {
        let mut requests = self.waiting.guard();
        while requests.len() >= CONTENTS_AT_ONCE && !lost.is_set() {
            let waited = self.waiting.room.wait_timeout(requests, LOOK_EVERY);
            requests = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let wanted =
            Wanted { token: request.token, path: request.path.clone(), size_hint: request.size_hint };
        requests.insert(request.token, request);
        drop(requests);
        // If the call has ended, whoever takes the answers learns of it.
        let _ = self.wanted.send(wanted);
    }
}

impl Answers {
    /// Hands answers to the engine until there will be no more.
    pub(super) fn take_all(&self, running: &Arc<Running>, sink: &dyn ContentSink, lost: &Lost) {
        let mut patience = None;
        while !lost.is_set() {
            let next = self.contents.recv_timeout(LOOK_EVERY);
            let outcome = match next {
                Ok(Ok(content)) => {
                    patience = None;
                    self.hand_on(running, content, sink)
                }
                Ok(Err(status)) => Err(running.connection.failed(&status, "read", &running.location)),
                Err(RecvTimeoutError::Timeout) if self.waiting.guard().is_empty() => {
                    patience = None;
                    Ok(())
                }
                Err(RecvTimeoutError::Timeout) => patience
                    .get_or_insert_with(|| {
                        Patience::new(&running.connection, running.connection.silence_max())
                    })
                    .check("read", &running.location),
                Err(RecvTimeoutError::Disconnected) if self.waiting.guard().is_empty() => return,
                Err(RecvTimeoutError::Disconnected) => Err(unanswered(running)),
            };
            if let Err(error) = outcome {
                lost.set(error);
            }
        }
    }

    fn hand_on(
        &self,
        running: &Arc<Running>,
        content: Content,
        sink: &dyn ContentSink,
    ) -> Result<(), ConnectorError> {
        let Some(request) = self.waiting.take(content.token) else { return Ok(()) };
        if content.too_long {
            return read_one(running, request, sink);
        }
        match content.failure {
            Some(failure) => sink.failed(request, from_message(&failure, "read")),
            None => sink.content(request, &mut content.data.as_ref()),
        }
        Ok(())
    }
}

fn unanswered(running: &Running) -> ConnectorError {
    let message = match running.connection.is_lost() {
        true => running.connection.obituary(),
        false => format!("package {} did not send every content", running.connection.package()),
    };
    ConnectorError::new(ErrorKind::Other, "read", &running.location, message)
}
