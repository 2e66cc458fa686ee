//! Files larger than a batch: cut into pieces that several workers write, those of several files by
//! turns.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use kloset_connector::FileSink;
use kloset_format::object::ChunkRecord;

use super::files::{FilePlan, Job, Writers};
use super::is_local;
use crate::Error;
use crate::guard::guard;
use crate::repository::DecodeOn;
use crate::vfs::read_chunks;

/// Some chunks of a file, and where the first one begins in it.
type Piece = (Range<usize>, u64);

/// A file that several workers write.
pub(super) struct LargeFile {
    plan: FilePlan,
    sink: RwLock<Option<Box<dyn FileSink>>>,
    pieces_left: AtomicUsize,
    pub(super) failure: Mutex<Option<String>>,
}

impl Writers<'_> {
    /// Writes large files, their pieces by turns: workers seldom wait for each other at the same file.
    pub(super) fn write_large(
        &self,
        plans: Vec<FilePlan>,
        submit: &dyn Fn(Job) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let files: Vec<_> = plans.into_iter().filter_map(|plan| self.open_large(plan)).collect();
        let rounds = files.iter().map(|(_, pieces)| pieces.len()).max().unwrap_or(0);
        let mut turns = (0..rounds).flat_map(|round| {
            files.iter().filter_map(move |(file, pieces)| Some((file, pieces.get(round)?)))
        });
        while let Some((file, (chunks, offset))) = turns.next() {
            let job = Job::Piece { file: Arc::clone(file), chunks: chunks.clone(), offset: *offset };
            if let Err(error) = submit(job) {
                // The pieces that nobody will write are over, too.
                for (file, _) in std::iter::once((file, &(chunks.clone(), *offset))).chain(turns) {
                    guard(&file.failure).get_or_insert_with(|| error.to_string());
                    self.piece_is_over(file);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Opens a large file and cuts it into pieces; `None` if it failed and was reported.
    fn open_large(&self, plan: FilePlan) -> Option<(Arc<LargeFile>, Vec<Piece>)> {
        let sink = match self.run.destination.open_file(&plan.target) {
            Ok(sink) => sink,
            Err(error) => {
                self.settle(&plan, Err(error));
                return None;
            }
        };
        let pieces = pieces(&plan.object.chunks, self.batch_bytes);
        let file = LargeFile {
            plan,
            sink: RwLock::new(Some(sink)),
            pieces_left: AtomicUsize::new(pieces.len()),
            failure: Mutex::default(),
        };
        Some((Arc::new(file), pieces))
    }

    /// Fetches and writes some chunks of a large file; an `Err` is why the file fails.
    pub(super) fn write_piece(
        &self,
        file: &LargeFile,
        chunks: Range<usize>,
        offset: u64,
    ) -> Result<(), String> {
        let chunks = file.plan.object.chunks.get(chunks).unwrap_or_default();
        let mut offset = offset;
        for chunk in read_chunks(self.run.snapshot.repository(), chunks, DecodeOn::Caller) {
            let bytes = match chunk {
                Ok(bytes) => Bytes::from(bytes),
                Err(error) => {
                    let reason = error.to_string();
                    if !is_local(&error) {
                        self.give_up(error);
                    }
                    return Err(reason);
                }
            };
            let length = bytes.len() as u64;
            let sink = file.sink.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(sink) = sink.as_ref() {
                sink.write_at(offset, bytes).map_err(|error| error.to_string())?;
            }
            offset += length;
        }
        Ok(())
    }

    /// One piece of a large file is over; the last one puts the file in place, or gives it up.
    pub(super) fn piece_is_over(&self, file: &LargeFile) {
        if file.pieces_left.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let Some(sink) = file.sink.write().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let failure = guard(&file.failure).take();
        match failure {
            Some(reason) => {
                sink.abandon();
                self.fail(&file.plan.item, &reason);
            }
            None if self.stopped.load(Ordering::Relaxed) => sink.abandon(),
            None => self.settle(&file.plan, sink.finish()),
        }
    }
}

/// Cuts a list of chunks into runs of at most `bytes_max`, each with its offset in the file.
fn pieces(chunks: &[ChunkRecord], bytes_max: u64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut start, mut offset, mut bytes) = (0, 0, 0);
    for (at, chunk) in chunks.iter().enumerate() {
        let length = u64::from(chunk.length);
        if at > start && bytes + length > bytes_max {
            pieces.push((start..at, offset));
            (start, offset, bytes) = (at, offset + bytes, 0);
        }
        bytes += length;
    }
    if start < chunks.len() {
        pieces.push((start..chunks.len(), offset));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use kloset_format::{Mac, Version};

    #[test]
    fn pieces_cover_the_file_without_gaps() {
        let chunk =
            |length| ChunkRecord { version: Version::V1_0_0, mac: Mac::ZERO, length, entropy: 0.0, flags: 0 };
        let chunks: Vec<ChunkRecord> = [5, 5, 1, 20, 3].map(chunk).to_vec();
        assert_eq!(pieces(&chunks, 10), [(0..2, 0), (2..3, 10), (3..4, 11), (4..5, 31)]);
        assert_eq!(pieces(&[], 10), []);
    }
}
