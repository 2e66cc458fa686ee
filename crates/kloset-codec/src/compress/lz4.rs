//! The LZ4 frame around LZ4 blocks.
//!
//! Written: independent blocks of 4 MiB, content checksum, nothing else; a block that does
//! not shrink is stored. Read: every legal frame without a dictionary.
//!
//! ```text
//! magic u32 | FLG u8 | BD u8 | [content size u64] | HC u8
//! (block size u32, high bit = stored | block | [XXH32])* | 0 u32 | [XXH32 of the content]
//! ```

use super::ContentChecksum;
use crate::CodecError;
use lz4_flex::block::{self, CompressTable, DecompressError};
use twox_hash::XxHash32;

const MAGIC: u32 = 0x184d_2204;
/// Magic, version 1 with independent blocks and content checksum, 4 MiB blocks, header checksum.
const HEADER: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x64, 0x70, 0xb9];
const BLOCK_BYTES_MAX: usize = 4 << 20;
const STORED: u32 = 1 << 31;
/// How far back a linked block may reach.
const WINDOW_BYTES: usize = 64 << 10;
/// The table of 16-bit positions serves inputs below this size.
const SMALL_INPUT_BYTES: usize = u16::MAX as usize;

/// Tables and buffer of one thread.
pub(super) struct Lz4Scratch {
    small: CompressTable,
    large: Option<CompressTable>,
    /// One block, compressed or decompressed; its contents between calls mean nothing.
    block: Vec<u8>,
}

impl Default for Lz4Scratch {
    fn default() -> Self {
        Self { small: CompressTable::small(), large: None, block: Vec::new() }
    }
}

impl Lz4Scratch {
    /// The block buffer with at least `len` bytes, cleared only where it never was in use.
    fn buffer(block: &mut Vec<u8>, len: usize) -> &mut [u8] {
        if block.len() < len {
            block.resize(len, 0);
        }
        block.get_mut(..len).expect("the buffer was just made large enough")
    }
}

/// Appends the frame of `plain` to `out`.
pub(super) fn compress(scratch: &mut Lz4Scratch, plain: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&HEADER);
    for piece in plain.chunks(BLOCK_BYTES_MAX) {
        compress_block(scratch, piece, out);
    }
    out.extend_from_slice(&0u32.to_le_bytes());
    out.extend_from_slice(&checksum(plain).to_le_bytes());
}

fn compress_block(scratch: &mut Lz4Scratch, piece: &[u8], out: &mut Vec<u8>) {
    let table = if piece.len() < SMALL_INPUT_BYTES {
        &mut scratch.small
    } else {
        scratch.large.get_or_insert_with(CompressTable::large)
    };
    let buffer = Lz4Scratch::buffer(&mut scratch.block, block::get_maximum_output_size(piece.len()));
    let compressed = block::compress_into_with_table(piece, buffer, table)
        .ok()
        .and_then(|len| buffer.get(..len))
        .filter(|compressed| compressed.len() < piece.len());
    let (size, bytes) = match compressed {
        Some(compressed) => (compressed.len() as u32, compressed),
        None => (piece.len() as u32 | STORED, piece),
    };
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// What the header of a frame announces.
struct FrameHeader {
    linked_blocks: bool,
    block_checksums: bool,
    content_checksum: bool,
    content_size: Option<u64>,
    block_bytes_max: usize,
}

/// Appends the content of the frame to `out`, which is empty at first.
pub(super) fn decompress(
    scratch: &mut Lz4Scratch,
    frame: &[u8],
    out: &mut Vec<u8>,
    bound: usize,
    content_checksum: ContentChecksum,
) -> Result<(), CodecError> {
    let mut input = Input(frame);
    let header = read_header(&mut input)?;
    if header.content_size.is_some_and(|size| size > bound as u64) {
        return Err(CodecError::TooLarge { bound });
    }
    loop {
        let size = input.u32()?;
        if size == 0 {
            break;
        }
        let bytes = input.take((size & !STORED) as usize)?;
        if bytes.len() > header.block_bytes_max {
            return Err(bad("a block is larger than announced"));
        }
        if header.block_checksums && input.u32()? != checksum(bytes) {
            return Err(bad("wrong checksum of a block"));
        }
        if size & STORED == 0 {
            decompress_block(scratch, &header, bytes, out, bound)?;
        } else if bytes.len() > bound.saturating_sub(out.len()) {
            return Err(CodecError::TooLarge { bound });
        } else {
            out.extend_from_slice(bytes);
        }
    }
    if header.content_checksum {
        let recorded = input.u32()?;
        if content_checksum == ContentChecksum::Compare && recorded != checksum(out) {
            return Err(bad("wrong checksum of the content"));
        }
    }
    if header.content_size.is_some_and(|size| size != out.len() as u64) {
        return Err(bad("wrong content size"));
    }
    if !input.0.is_empty() {
        return Err(bad("bytes after the end"));
    }
    Ok(())
}

fn read_header(input: &mut Input<'_>) -> Result<FrameHeader, CodecError> {
    if input.u32()? != MAGIC {
        return Err(bad("not an LZ4 frame"));
    }
    let descriptor_and_rest = input.0;
    let flags = input.u8()?;
    let block_descriptor = input.u8()?;
    if flags >> 6 != 1 || flags & 0b10 != 0 || block_descriptor & 0b1000_1111 != 0 {
        return Err(bad("unknown flags in the frame header"));
    }
    if flags & 1 != 0 {
        return Err(bad("the frame needs a dictionary"));
    }
    let block_bytes_max = match block_descriptor >> 4 {
        4 => 64 << 10,
        5 => 256 << 10,
        6 => 1 << 20,
        7 => BLOCK_BYTES_MAX,
        _ => return Err(bad("unknown block size in the frame header")),
    };
    let content_size = if flags & 1 << 3 != 0 { Some(input.u64()?) } else { None };
    let descriptor_len = descriptor_and_rest.len() - input.0.len();
    let descriptor = descriptor_and_rest.get(..descriptor_len).ok_or(CodecError::Truncated)?;
    if input.u8()? != (checksum(descriptor) >> 8) as u8 {
        return Err(bad("wrong checksum of the frame header"));
    }
    Ok(FrameHeader {
        linked_blocks: flags & 1 << 5 == 0,
        block_checksums: flags & 1 << 4 != 0,
        content_checksum: flags & 1 << 2 != 0,
        content_size,
        block_bytes_max,
    })
}

fn decompress_block(
    scratch: &mut Lz4Scratch,
    header: &FrameHeader,
    bytes: &[u8],
    out: &mut Vec<u8>,
    bound: usize,
) -> Result<(), CodecError> {
    let room = bound.saturating_sub(out.len());
    // LZ4 expands a byte to at most 255, so a small block needs no large buffer.
    let largest = bytes.len().saturating_mul(255).min(header.block_bytes_max);
    let buffer = Lz4Scratch::buffer(&mut scratch.block, largest.min(room));
    let window = if header.linked_blocks {
        out.get(out.len().saturating_sub(WINDOW_BYTES)..).unwrap_or_default()
    } else {
        &[]
    };
    let result = if window.is_empty() {
        block::decompress_into(bytes, buffer)
    } else {
        block::decompress_into_with_dict(bytes, buffer, window)
    };
    match result {
        Ok(len) => {
            out.extend_from_slice(buffer.get(..len).ok_or(bad("a block is larger than announced"))?);
            Ok(())
        }
        Err(DecompressError::OutputTooSmall { .. }) if room < largest => Err(CodecError::TooLarge { bound }),
        Err(DecompressError::OutputTooSmall { .. }) => Err(bad("a block is larger than announced")),
        Err(_) => Err(bad("damaged block")),
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    XxHash32::oneshot(0, bytes)
}

fn bad(problem: &'static str) -> CodecError {
    CodecError::BadFrame { problem }
}

/// What is still to be read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(CodecError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(CodecError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, CodecError> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, CodecError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, CodecError> {
        self.array().map(u64::from_le_bytes)
    }
}
