//! Contents: one long call of the connector, many answers.
//!
//! A host of ours gets short contents many to a message; everything else is a stream of pieces
//! for each content.

use std::collections::HashMap;
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use crossbeam_channel::Sender;
use kloset_connector::{ConnectorError, ContentSink, ReadRequest, Source};
use tokio::sync::mpsc;
use tonic::Status;

use crate::failure::{to_message, to_status};
use crate::wire::importer::OpenResponse;
use crate::wire::kloset::{Content, Failure, Wanted};
use crate::{CHUNK_BYTES, SHORT_BYTES_MAX};

/// Pieces of one content that may wait for the host.
const PIECES_WAITING: usize = 2;

type Piece = Result<OpenResponse, Status>;

/// The connector's readers, started with the first content.
pub(super) struct Readers {
    source: Arc<dyn Source>,
    queue: Mutex<Option<Sender<ReadRequest>>>,
    waiting: Arc<Waiting>,
    next: AtomicU64,
}

/// Where a content goes.
enum Answer {
    /// Piece by piece.
    Pieces(mpsc::Sender<Piece>),
    /// In one, with the host's token.
    Whole(u64, mpsc::Sender<Content>),
}

/// Who waits for a content.
#[derive(Default)]
struct Waiting {
    answers: Mutex<HashMap<u64, Answer>>,
    /// Why no content will be read any more.
    lost: Mutex<Option<Status>>,
}

impl Readers {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        Self { source, queue: Mutex::new(None), waiting: Arc::default(), next: AtomicU64::new(0) }
    }

    /// Asks for a content; its pieces arrive one by one.
    pub(super) fn open(&self, path: Vec<u8>, size_hint: u64) -> Result<mpsc::Receiver<Piece>, Status> {
        let (sender, receiver) = mpsc::channel(PIECES_WAITING);
        self.ask(path, size_hint, Answer::Pieces(sender))?;
        Ok(receiver)
    }

    /// Asks for a short content; the answer comes in one.
    pub(super) fn want(&self, wanted: Wanted, answers: &mpsc::Sender<Content>) -> Result<(), Status> {
        self.ask(wanted.path, wanted.size_hint, Answer::Whole(wanted.token, answers.clone()))
    }

    fn ask(&self, path: Vec<u8>, size_hint: u64, answer: Answer) -> Result<(), Status> {
        let token = self.next.fetch_add(1, Ordering::Relaxed);
        guard(&self.waiting.answers).insert(token, answer);
        let sent = self.queue()?.send(ReadRequest { token, path, size_hint });
        if sent.is_err() {
            guard(&self.waiting.answers).remove(&token);
            let lost = guard(&self.waiting.lost).clone();
            return Err(lost.unwrap_or_else(|| Status::unknown("the source has ended")));
        }
        // The readers may have ended between the two steps above.
        if let Some(lost) = guard(&self.waiting.lost).clone() {
            guard(&self.waiting.answers).remove(&token);
            return Err(lost);
        }
        Ok(())
    }

    fn queue(&self) -> Result<Sender<ReadRequest>, Status> {
        let mut queue = guard(&self.queue);
        if let Some(queue) = queue.as_ref() {
            return Ok(queue.clone());
        }
        // Unbounded: the host limits how many contents it has open.
        let (sender, requests) = crossbeam_channel::unbounded();
        let (source, waiting) = (Arc::clone(&self.source), Arc::clone(&self.waiting));
        std::thread::Builder::new()
            .name("read".to_owned())
            .spawn(move || {
                let result = source.read(requests, waiting.as_ref());
                waiting.end(result);
            })
            .map_err(|error| Status::internal(format!("cannot start a thread: {error}")))?;
        *queue = Some(sender.clone());
        Ok(sender)
    }
}

impl Waiting {
    fn end(&self, result: Result<(), ConnectorError>) {
        let status = match &result {
            Ok(()) => Status::unknown("the source has ended"),
            Err(error) => to_status(error),
        };
        *guard(&self.lost) = Some(status.clone());
        for (_, answer) in guard(&self.answers).drain() {
            let failure = || Failure { message: status.message().to_owned(), ..Default::default() };
            match answer {
                Answer::Pieces(sender) => drop(sender.blocking_send(Err(status.clone()))),
                Answer::Whole(token, sender) => {
                    drop(sender.blocking_send(Content {
                        token,
                        failure: Some(failure()),
                        ..Default::default()
                    }));
                }
            }
        }
    }

    fn take(&self, token: u64) -> Option<Answer> {
        guard(&self.answers).remove(&token)
    }
}

impl ContentSink for Waiting {
    fn content(&self, request: ReadRequest, reader: &mut dyn Read) {
        match self.take(request.token) {
            Some(Answer::Pieces(sender)) => send_pieces(&request, reader, &sender),
            Some(Answer::Whole(token, sender)) => drop(sender.blocking_send(whole(token, &request, reader))),
            None => {}
        }
    }

    fn failed(&self, request: ReadRequest, error: ConnectorError) {
        match self.take(request.token) {
            Some(Answer::Pieces(sender)) => drop(sender.blocking_send(Err(to_status(&error)))),
            Some(Answer::Whole(token, sender)) => {
                let failure = Some(to_message(&error));
                drop(sender.blocking_send(Content { token, failure, ..Default::default() }));
            }
            None => {}
        }
    }
}

fn send_pieces(request: &ReadRequest, reader: &mut dyn Read, sender: &mpsc::Sender<Piece>) {
    loop {
        let piece = match read_piece(reader, request.size_hint) {
            Ok(piece) if piece.is_empty() => return,
            Ok(chunk) => Ok(OpenResponse { chunk }),
            Err(error) => Err(to_status(&read_failed(request, error))),
        };
        let last = piece.is_err();
        if sender.blocking_send(piece).is_err() || last {
            return;
        }
    }
}

/// A content in one; only the beginning is read of one that has grown too long.
fn whole(token: u64, request: &ReadRequest, reader: &mut dyn Read) -> Content {
    let mut data =
        Vec::with_capacity(usize::try_from(request.size_hint).unwrap_or(0).min(SHORT_BYTES_MAX) + 1);
    match reader.take(SHORT_BYTES_MAX as u64 + 1).read_to_end(&mut data) {
        Ok(count) if count > SHORT_BYTES_MAX => Content { token, too_long: true, ..Default::default() },
        Ok(_) => Content { token, data: data.into(), ..Default::default() },
        Err(error) => {
            let failure = Some(to_message(&read_failed(request, error)));
            Content { token, failure, ..Default::default() }
        }
    }
}

fn read_failed(request: &ReadRequest, error: std::io::Error) -> ConnectorError {
    ConnectorError::from_io("read", String::from_utf8_lossy(&request.path).into_owned(), error)
}

/// The next piece, as long as a message may be; empty at the end.
fn read_piece(reader: &mut dyn Read, size_hint: u64) -> std::io::Result<Bytes> {
    let limit = usize::try_from(size_hint.saturating_add(1)).unwrap_or(CHUNK_BYTES).clamp(4096, CHUNK_BYTES);
    let mut buffer = BytesMut::zeroed(limit);
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok(buffer.freeze())
}

/// A value in messages; none for an empty one.
pub(super) fn value_chunks(value: Vec<u8>) -> Vec<OpenResponse> {
    let value = Bytes::from(value);
    let starts = (0..value.len()).step_by(CHUNK_BYTES);
    starts
        .map(|start| OpenResponse { chunk: value.slice(start..value.len().min(start + CHUNK_BYTES)) })
        .collect()
}

fn guard<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
