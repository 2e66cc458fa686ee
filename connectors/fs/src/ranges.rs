//! Ranged reads: many pieces of many files, each file opened once for a run of pieces.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use kloset_connector::{ConnectorError, ErrorKind, RangeRequest};

use crate::failure::{failed, failed_io, refused};

/// Receives each range's bytes by the index of its request.
pub(crate) type Deliver<'a> = &'a (dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync);

/// One wanted range of one file.
struct Piece<'a> {
    index: usize,
    request: &'a RangeRequest,
}

/// Bytes that one thread takes at a time: enough to make the hand-over free, little enough that
/// the last pieces of a batch still spread over all threads.
const RUN_BYTES: u64 = 1 << 20;

/// Reads all requests on up to `threads` threads. `path_of` names the file of a request.
pub(crate) fn read_ranges(
    requests: &[RangeRequest],
    threads: usize,
    path_of: &(dyn Fn(&RangeRequest) -> PathBuf + Sync),
    deliver: Deliver<'_>,
) {
    let mut pieces: Vec<Piece<'_>> =
        requests.iter().enumerate().map(|(index, request)| Piece { index, request }).collect();
    pieces.sort_by_key(|piece| (piece.request.file as u8, piece.request.name, piece.request.offset));
    let runs = cut_into_runs(&pieces);
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
            read_run(run, path_of, deliver);
        }
    };
    let helpers = threads.min(runs.len()).saturating_sub(1);
    std::thread::scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(work);
        }
        work();
    });
}

/// Neighbouring pieces of one file, up to [`RUN_BYTES`] together.
fn cut_into_runs<'p, 'r>(pieces: &'p [Piece<'r>]) -> Vec<&'p [Piece<'r>]> {
    let mut taken = 0u64;
    pieces
        .chunk_by(|a, b| {
            taken = taken.saturating_add(a.request.length);
            let together =
                a.request.file == b.request.file && a.request.name == b.request.name && taken < RUN_BYTES;
            if !together {
                taken = 0;
            }
            together
        })
        .collect()
}

fn read_run(run: &[Piece<'_>], path_of: &(dyn Fn(&RangeRequest) -> PathBuf + Sync), deliver: Deliver<'_>) {
    let Some(first) = run.first() else { return };
    let path = path_of(first.request);
    match open(&path) {
        Ok((file, size)) => {
            for piece in run {
                let RangeRequest { offset, length, .. } = *piece.request;
                deliver(piece.index, read_range(&file, &path, size, offset, length));
            }
        }
        // Each piece needs an error of its own, and errors cannot be copied: try for each.
        Err(_) => {
            for piece in run {
                let RangeRequest { offset, length, .. } = *piece.request;
                let result =
                    open(&path).and_then(|(file, size)| read_range(&file, &path, size, offset, length));
                deliver(piece.index, result);
            }
        }
    }
}

/// Opens a file and tells its size.
pub(crate) fn open(path: &Path) -> Result<(File, u64), ConnectorError> {
    let file = File::open(path).map_err(|error| failed_io("open", path, error))?;
    let size = file.metadata().map_err(|error| failed_io("open", path, error))?.len();
    Ok((file, size))
}

/// Reads `length` bytes at `offset` of a file of `size` bytes.
pub(crate) fn read_range(
    file: &File,
    path: &Path,
    size: u64,
    offset: u64,
    length: u64,
) -> Result<Bytes, ConnectorError> {
    let past_the_end = || {
        refused(
            ErrorKind::Corrupt,
            "read",
            path,
            format!("{length} bytes at {offset} lie outside of the file's {size} bytes"),
        )
    };
    if offset.checked_add(length).is_none_or(|end| end > size) {
        return Err(past_the_end());
    }
    let wanted = usize::try_from(length).map_err(|_| past_the_end())?;
    let mut buffer: Vec<u8> = Vec::with_capacity(wanted);
    while buffer.len() < wanted {
        let at = offset + buffer.len() as u64;
        let spare = rustix::buffer::spare_capacity(&mut buffer);
        match rustix::io::pread(file, spare, at) {
            Ok(0) => return Err(past_the_end()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed("read", path, error)),
        }
    }
    // The allocator may have given more room than was asked for.
    buffer.truncate(wanted);
    Ok(Bytes::from(buffer))
}
