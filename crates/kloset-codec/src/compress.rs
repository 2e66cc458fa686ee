//! Compression of one item: an LZ4 frame or a GZIP member, as CONFIG says.

mod lz4;

use crate::CodecError;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{self, Read, Write};

/// A compression that CONFIG can name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// One LZ4 frame.
    Lz4,
    /// One RFC 1952 member.
    Gzip,
}

impl Compression {
    /// Finds the compression that CONFIG calls `name`, in either case.
    pub fn from_config(name: &str) -> Option<Self> {
        [Self::Lz4, Self::Gzip].into_iter().find(|c| c.name().eq_ignore_ascii_case(name))
    }

    /// The name in CONFIG.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lz4 => "LZ4",
            Self::Gzip => "GZIP",
        }
    }
}

/// Tables and buffers that one thread reuses from item to item.
#[derive(Default)]
pub struct CompressScratch {
    lz4: lz4::Lz4Scratch,
}

/// Appends the compressed form of `plain` to `out`.
pub fn compress(compression: Compression, scratch: &mut CompressScratch, plain: &[u8], out: &mut Vec<u8>) {
    match compression {
        Compression::Lz4 => lz4::compress(&mut scratch.lz4, plain, out),
        Compression::Gzip => gzip(plain, out),
    }
}

/// Whether the checksum of the content that a compressed form carries is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContentChecksum {
    /// Compared: nothing else vouches for the plain bytes.
    Compare,
    /// Skipped: the caller compares a MAC of the plain bytes, which says more and costs less.
    MacFollows,
}

/// Appends the plain form of `compressed` to `out`; stops with an error before `bound` bytes are exceeded.
///
/// `out` must be empty: it doubles as the window of linked blocks.
pub fn decompress(
    compression: Compression,
    scratch: &mut CompressScratch,
    compressed: &[u8],
    out: &mut Vec<u8>,
    bound: usize,
    content_checksum: ContentChecksum,
) -> Result<(), CodecError> {
    match compression {
        Compression::Lz4 => lz4::decompress(&mut scratch.lz4, compressed, out, bound, content_checksum),
        Compression::Gzip => gunzip(compressed, out, bound),
    }
}

fn gzip(plain: &[u8], out: &mut Vec<u8>) {
    let mut encoder = GzEncoder::new(out, flate2::Compression::default());
    encoder.write_all(plain).and_then(|()| encoder.try_finish()).expect("writing to a Vec does not fail");
}

fn gunzip(compressed: &[u8], out: &mut Vec<u8>, bound: usize) -> Result<(), CodecError> {
    let mut decoder = GzDecoder::new(compressed);
    // One byte beyond the bound tells a full buffer from one that is too small.
    let limit = (bound as u64).saturating_add(1);
    let produced = decoder.by_ref().take(limit).read_to_end(out).map_err(|e| gzip_error(&e))?;
    if produced > bound {
        return Err(CodecError::TooLarge { bound });
    }
    if !decoder.get_ref().is_empty() {
        return Err(CodecError::BadFrame { problem: "bytes after the end" });
    }
    Ok(())
}

fn gzip_error(error: &io::Error) -> CodecError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => CodecError::Truncated,
        _ => CodecError::BadFrame { problem: "not valid gzip data" },
    }
}
