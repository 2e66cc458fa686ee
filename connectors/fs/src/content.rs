//! Writing contents: zero runs become holes, large files arrive in any order.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use kloset_connector::{ConnectorError, ErrorKind, FileSink, Outcome, Target};
use rustix::fs::FileType;
use rustix::io::{Errno, Result};

use crate::failure::{failed, refused};
use crate::metadata::Applying;
use crate::place::Temporary;

/// Holes start and end at multiples of this, the block size of common file systems.
const BLOCK_BYTES: usize = 4096;

/// Shorter runs of zeros are written: many small holes make a file slow to read.
const HOLE_BYTES_MIN: usize = 64 << 10;

/// Runs at the edge of a piece probably go on in the next one, so less will do.
const EDGE_HOLE_BYTES_MIN: usize = 16 << 10;

static ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

/// Writes `data` at `offset` of a new file, leaving holes; returns the end of what was written.
pub(crate) fn write_sparse(file: impl AsFd, offset: u64, data: &[u8]) -> Result<u64> {
    let mut written_end = 0;
    let mut start = 0;
    while start < data.len() {
        let (hole, hole_end) = next_hole(data, start, offset);
        if hole > start {
            write_all_at(file.as_fd(), offset + start as u64, &data[start..hole])?;
            written_end = offset + hole as u64;
        }
        start = hole_end;
    }
    Ok(written_end)
}

/// The first run of zero blocks from `start` on that is worth a hole, as start and end; the end of
/// `data` twice if there is none.
fn next_hole(data: &[u8], start: usize, offset: u64) -> (usize, usize) {
    let none = (data.len(), data.len());
    if data.len() - start < EDGE_HOLE_BYTES_MIN {
        return none;
    }
    let misaligned = ((offset + start as u64) % BLOCK_BYTES as u64) as usize;
    let mut at = start + (BLOCK_BYTES - misaligned) % BLOCK_BYTES;
    while at + BLOCK_BYTES <= data.len() {
        let mut end = at;
        while end + BLOCK_BYTES <= data.len() && data[end..end + BLOCK_BYTES] == ZEROS {
            end += BLOCK_BYTES;
        }
        let at_edge = at < BLOCK_BYTES || end + BLOCK_BYTES > data.len();
        let enough = if at_edge { EDGE_HOLE_BYTES_MIN } else { HOLE_BYTES_MIN };
        if end - at >= enough {
            return (at, end);
        }
        at = end + BLOCK_BYTES;
    }
    none
}

fn write_all_at(file: impl AsFd, mut offset: u64, mut data: &[u8]) -> Result<()> {
    while !data.is_empty() {
        match rustix::io::pwrite(file.as_fd(), data, offset) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => {
                offset += written as u64;
                data = data.get(written..).unwrap_or_default();
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A large file under its temporary name.
pub(crate) struct LargeFile {
    file: OwnedFd,
    temporary: Temporary,
    target: Target,
    name: Vec<u8>,
    path: PathBuf,
    /// End of the furthest piece, for files whose size nobody knew.
    end: AtomicU64,
}

impl LargeFile {
    /// Takes over a new, empty file.
    pub(crate) fn new(file: OwnedFd, temporary: Temporary, target: Target, name: &[u8]) -> Self {
        let path = temporary.folder().shown(name);
        Self { file, temporary, target, name: name.to_vec(), path, end: AtomicU64::new(0) }
    }
}

impl FileSink for LargeFile {
    fn write_at(&self, offset: u64, data: Bytes) -> std::result::Result<(), ConnectorError> {
        let end = offset.checked_add(data.len() as u64);
        let fits = |end: u64| u64::try_from(self.target.info.size).is_ok_and(|size| end > size);
        let Some(end) = end.filter(|&end| !fits(end)) else {
            return Err(refused(ErrorKind::Invalid, "write", &self.path, "more bytes than the file has"));
        };
        self.end.fetch_max(end, Ordering::Relaxed);
        write_sparse(&self.file, offset, &data).map_err(|error| failed("write", &self.path, error))?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Outcome {
        let this = *self;
        let size = u64::try_from(this.target.info.size).unwrap_or(this.end.load(Ordering::Relaxed));
        let set = rustix::fs::ftruncate(&this.file, size);
        set.map_err(|error| failed("set size of", &this.path, error))?;
        finish_file(this.file, this.temporary, &this.target, &this.name)
    }

    fn abandon(self: Box<Self>) {
        // Dropping it removes the temporary file.
    }
}

/// Sets what the file should have and gives it its name.
pub(crate) fn finish_file(file: OwnedFd, temporary: Temporary, target: &Target, name: &[u8]) -> Outcome {
    let folder = temporary.share_folder();
    let path = || folder.shown(name);
    let mut applying = Applying::new(&path);
    applying.open_path(file.as_fd(), target, folder.gives_acl);
    temporary.place(name, FileType::RegularFile)?;
    applying.outcome()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(offset: u64, data: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut start = 0;
        while start < data.len() {
            let (hole, end) = next_hole(data, start, offset);
            if hole < end {
                found.push((hole, end));
            }
            start = end;
        }
        found
    }

    #[test]
    fn long_zero_runs_become_aligned_holes() {
        let mut data = vec![1u8; 300_000];
        data[100_000..200_000].fill(0);
        assert_eq!(runs(0, &data), [(102_400, 196_608)]);
        assert_eq!(runs(96, &data), [(102_304, 196_512)], "aligned in the file, not in the piece");
        data[150_000] = 1;
        assert_eq!(runs(0, &data), [], "two runs, each too short");
    }

    #[test]
    fn runs_at_the_edges_may_be_shorter() {
        let mut data = vec![1u8; 200_000];
        data[..20_000].fill(0);
        data[180_000..].fill(0);
        assert_eq!(runs(0, &data), [(0, 16_384), (180_224, 196_608)]);
        assert_eq!(runs(0, &[0u8; 8192]), [], "small files have no holes");
        assert_eq!(runs(0, &[0u8; 65_536]), [(0, 65_536)]);
    }

    #[test]
    fn sparse_writes_leave_the_same_bytes() {
        let temp = tempfile::tempdir().expect("temporary folder");
        for seed in 0..20usize {
            let mut data: Vec<u8> = (0..250_000).map(|i| (i * (seed + 3) % 251) as u8).collect();
            data[seed * 5_000..(seed * 9_000 + 40_000).min(250_000)].fill(0);
            let path = temp.path().join(seed.to_string());
            let file = std::fs::File::create(&path).expect("create");
            let (first, second) = data.split_at(seed * 11_111);
            write_sparse(&file, first.len() as u64, second).expect("write");
            write_sparse(&file, 0, first).expect("write");
            file.set_len(data.len() as u64).expect("size");
            assert!(std::fs::read(&path).expect("read") == data, "seed {seed}");
        }
    }
}
