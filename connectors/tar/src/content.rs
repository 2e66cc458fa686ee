//! The content of one member: stored runs with zeros between them.

use std::io::{self, Read};

use crate::index::Content;
use crate::sparse::Piece;

/// Reads a content whose stored bytes come from `stored`.
pub(crate) struct ContentReader<'a, R> {
    stored: R,
    pieces: Pieces<'a>,
    current: Option<Piece>,
    position: u64,
    size: u64,
}

enum Pieces<'a> {
    Whole(Option<Piece>),
    Some(std::slice::Iter<'a, Piece>),
}

impl Pieces<'_> {
    fn next(&mut self) -> Option<Piece> {
        match self {
            Self::Whole(piece) => piece.take(),
            Self::Some(pieces) => pieces.next().copied(),
        }
    }
}

impl<'a, R: Read> ContentReader<'a, R> {
    pub(crate) fn new(content: &'a Content, stored: R) -> Self {
        let mut pieces = match &content.pieces {
            None => Pieces::Whole(Some(Piece { offset: 0, length: content.size })),
            Some(pieces) => Pieces::Some(pieces.iter()),
        };
        let current = pieces.next();
        Self { stored, pieces, current, position: 0, size: content.size }
    }
}

impl<R: Read> Read for ContentReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_some_and(|piece| piece.offset + piece.length <= self.position) {
            self.current = self.pieces.next();
        }
        let (zeros, until) = match self.current {
            Some(piece) if self.position >= piece.offset => (false, piece.offset + piece.length),
            Some(piece) => (true, piece.offset),
            None => (true, self.size),
        };
        let length = usize::try_from(until - self.position).unwrap_or(usize::MAX).min(buffer.len());
        let Some(part) = buffer.get_mut(..length).filter(|part| !part.is_empty()) else { return Ok(0) };
        let read = if zeros {
            part.fill(0);
            length
        } else {
            match self.stored.read(part)? {
                0 => {
                    let message = "the archive ends inside of this file";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
                read => read,
            }
        };
        self.position += read as u64;
        Ok(read)
    }
}
