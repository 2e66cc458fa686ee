//! Sparse files: where the pieces of a content lie in the archive, and where in the file.

use std::io::{self, Read};

use crate::file::Stream;
use crate::pax::number;

/// Pieces of one sparse file.
const PIECES_MAX: usize = 1 << 20;
const BLOCK_BYTES: usize = 512;

/// A run of bytes that is in the archive; what lies between runs is zeros.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    /// Start in the file.
    pub(crate) offset: u64,
    /// Length of the run.
    pub(crate) length: u64,
}

/// Checks order, bounds, and that the stored bytes are those that the pieces need.
pub(crate) fn check(pieces: &[Piece], size: u64, stored: u64) -> Result<(), &'static str> {
    let wrong = "its map of holes contradicts itself";
    let mut end = 0u64;
    let mut sum = 0u64;
    for piece in pieces {
        if piece.offset < end {
            return Err(wrong);
        }
        end = piece.offset.checked_add(piece.length).filter(|&end| end <= size).ok_or(wrong)?;
        sum = sum.checked_add(piece.length).ok_or(wrong)?;
    }
    if sum == stored { Ok(()) } else { Err(wrong) }
}

/// The map of GNU's own kind: four pieces in the header, more in blocks that follow it.
pub(crate) fn gnu(header: &tar::GnuHeader, stream: &mut Stream) -> io::Result<Option<(Vec<Piece>, u64)>> {
    let mut pieces = Vec::new();
    let mut add = |entries: &[tar::GnuSparseHeader]| {
        for entry in entries.iter().filter(|entry| !entry.is_empty()) {
            let (Ok(offset), Ok(length)) = (entry.offset(), entry.length()) else { return false };
            pieces.push(Piece { offset, length });
        }
        pieces.len() <= PIECES_MAX
    };
    let mut good = add(&header.sparse);
    let mut more = header.is_extended();
    while more {
        let mut block = tar::GnuExtSparseHeader::new();
        stream.read_exact(block.as_mut_bytes())?;
        more = block.is_extended();
        good = good && add(&block.sparse);
    }
    let size = header.real_size().ok();
    Ok(size.filter(|_| good).map(|size| (pieces, size)))
}

/// A map in one pax record: `offset,length,offset,length…`.
pub(crate) fn comma_list(text: &[u8]) -> Option<Vec<Piece>> {
    let numbers: Option<Vec<u64>> = text.split(|&byte| byte == b',').map(number).collect();
    pieces(&numbers?)
}

fn pieces(numbers: &[u64]) -> Option<Vec<Piece>> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    (rest.is_empty() && pairs.len() <= PIECES_MAX)
        .then(|| pairs.iter().map(|&[offset, length]| Piece { offset, length }).collect())
}

/// A map in front of the data: decimal lines, padded to blocks. Says how many bytes it took.
pub(crate) fn in_data(stream: &mut Stream, stored: u64) -> io::Result<Option<(Vec<Piece>, u64)>> {
    let mut lines = Lines { stream, left: stored, taken: 0, block: Vec::new() };
    let Some(count) = lines.number()?.filter(|&count| count <= PIECES_MAX as u64) else { return Ok(None) };
    let mut numbers = Vec::new();
    for _ in 0..count * 2 {
        let Some(number) = lines.number()? else { return Ok(None) };
        numbers.push(number);
    }
    let taken = lines.taken;
    Ok(pieces(&numbers).map(|pieces| (pieces, taken)))
}

struct Lines<'a> {
    stream: &'a mut Stream,
    left: u64,
    taken: u64,
    /// Bytes of the current block that were not looked at, last one first.
    block: Vec<u8>,
}

impl Lines<'_> {
    fn number(&mut self) -> io::Result<Option<u64>> {
        let mut digits = Vec::new();
        loop {
            match self.byte()? {
                Some(b'\n') => return Ok(number(&digits)),
                Some(byte) if digits.len() < 20 => digits.push(byte),
                _ => return Ok(None),
            }
        }
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        if self.block.is_empty() {
            if self.left < BLOCK_BYTES as u64 {
                return Ok(None);
            }
            self.block.resize(BLOCK_BYTES, 0);
            self.stream.read_exact(&mut self.block)?;
            self.block.reverse();
            self.left -= BLOCK_BYTES as u64;
            self.taken += BLOCK_BYTES as u64;
        }
        Ok(self.block.pop())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_must_be_in_order_and_fit() {
        let piece = |offset, length| Piece { offset, length };
        assert!(check(&[piece(0, 5), piece(10, 5), piece(20, 0)], 20, 10).is_ok());
        for (pieces, size, stored) in [
            (vec![piece(0, 5), piece(4, 5)], 20, 10),
            (vec![piece(0, 25)], 20, 25),
            (vec![piece(0, 5)], 20, 6),
            (vec![piece(u64::MAX, 5)], u64::MAX, 5),
        ] {
            assert!(check(&pieces, size, stored).is_err(), "{pieces:?}");
        }
        assert_eq!(comma_list(b"0,5,10,5"), Some(vec![piece(0, 5), piece(10, 5)]));
        assert_eq!(comma_list(b"0,5,10"), None);
        assert_eq!(comma_list(b"0,x"), None);
    }
}
