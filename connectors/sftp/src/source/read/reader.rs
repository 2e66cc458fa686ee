//! The engine's side of a file: readers over what has arrived, and the threads that hold them.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use bytes::{Buf, Bytes};
use crossbeam_channel::Receiver;
use kloset_connector::{ConnectorError, ContentSink, ErrorKind, ReadRequest};

use super::Tag;
use super::job::Kind;
use crate::mailbox::Poster;

/// Something for a worker.
pub(crate) enum Work {
    /// A small file with all its pieces.
    Whole { id: usize, bytes: u64, request: ReadRequest, pieces: Vec<Bytes>, error: Option<ConnectorError> },
    /// A large file that is still coming.
    Stream { id: usize, request: ReadRequest, pieces: Receiver<Piece> },
    /// A file that cannot be opened.
    Failed { id: usize, kind: Kind, bytes: u64, request: ReadRequest, error: ConnectorError },
}

/// A part of a large file.
pub(crate) enum Piece {
    Data(Bytes),
    End,
    Failed(ConnectorError),
}

/// Hands files to the engine until there are no more.
///
/// If the engine panics, the rest is only counted as done: the driver must come to its end before
/// the panic goes on.
pub(crate) fn hand_over(work: &Receiver<Work>, poster: &Poster<Tag>, sink: &dyn ContentSink) {
    let mut panic = None;
    for work in work {
        let done = work.done(poster);
        if panic.is_none() {
            panic = catch_unwind(AssertUnwindSafe(|| work.run(poster, sink))).err();
        }
        drop(done);
    }
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

impl Work {
    fn done<'a>(&self, poster: &'a Poster<Tag>) -> Done<'a> {
        match self {
            Self::Whole { id, bytes, .. } => Done { poster, id: *id, kind: Kind::Small, bytes: *bytes },
            Self::Stream { id, .. } => Done { poster, id: *id, kind: Kind::Large, bytes: 0 },
            Self::Failed { id, kind, bytes, .. } => Done { poster, id: *id, kind: *kind, bytes: *bytes },
        }
    }

    fn run(self, poster: &Poster<Tag>, sink: &dyn ContentSink) {
        match self {
            Self::Whole { request, pieces, error, .. } => {
                sink.content(request, &mut WholeReader { pieces: pieces.into(), error });
            }
            Self::Stream { id, request, pieces } => {
                let path = crate::answer::shown(&request.path);
                let mut reader =
                    StreamReader { id, path, pieces, poster, current: Bytes::new(), over: false };
                sink.content(request, &mut reader);
            }
            Self::Failed { request, error, .. } => sink.failed(request, error),
        }
    }
}

/// Tells the driver that a worker is done with a file.
struct Done<'a> {
    poster: &'a Poster<Tag>,
    id: usize,
    kind: Kind,
    bytes: u64,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.poster.post(Tag::Done { id: self.id, kind: self.kind, bytes: self.bytes });
    }
}

/// A file that is all there.
struct WholeReader {
    pieces: VecDeque<Bytes>,
    error: Option<ConnectorError>,
}

impl Read for WholeReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(piece) = self.pieces.front_mut() {
            if piece.is_empty() {
                self.pieces.pop_front();
                continue;
            }
            return Ok(copy(piece, out));
        }
        self.error.take().map_or(Ok(0), |error| Err(error.into_io()))
    }
}

/// A file that is still coming.
struct StreamReader<'a> {
    id: usize,
    path: String,
    pieces: Receiver<Piece>,
    poster: &'a Poster<Tag>,
    current: Bytes,
    over: bool,
}

impl Read for StreamReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.over {
            match self.pieces.recv() {
                Ok(Piece::Data(data)) => {
                    self.poster.post(Tag::Taken { id: self.id, bytes: data.len() as u64 });
                    self.current = data;
                }
                Ok(Piece::End) => self.over = true,
                Ok(Piece::Failed(error)) => return Err(error.into_io()),
                Err(_) => {
                    let error = ConnectorError::new(
                        ErrorKind::Transient,
                        "read",
                        self.path.clone(),
                        "the connection was lost for good",
                    );
                    return Err(error.into_io());
                }
            }
        }
        Ok(copy(&mut self.current, out))
    }
}

fn copy(from: &mut Bytes, out: &mut [u8]) -> usize {
    let count = from.len().min(out.len());
    let (front, _) = out.split_at_mut(count);
    from.copy_to_slice(front);
    count
}
