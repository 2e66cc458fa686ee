//! Reads blobs: finds them, fetches neighbours as one range, decodes, verifies.

use crate::{BlobId, Error, Repository};

/// Which threads decode what [`Repository::read_blobs`] fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeOn {
    /// The calling thread: for callers that run many batches at once.
    Caller,
    /// All cores of the runtime: for a single caller.
    AllCores,
}

impl Repository {
    /// The plain bytes of one blob, verified against its name.
    pub fn read_blob(&self, blob: BlobId) -> Result<Vec<u8>, Error> {
        let _ = blob;
        todo!()
    }

    /// Many blobs at once: sorted by place, neighbours fetched as one range, all in flight at once.
    ///
    /// `deliver` is called exactly once per wanted blob, with its index, in any order; duplicates in
    /// `wanted` are allowed. The caller bounds memory by the size of the batch.
    pub fn read_blobs(
        &self,
        wanted: &[BlobId],
        decode_on: DecodeOn,
        deliver: &(dyn Fn(usize, Result<Vec<u8>, Error>) + Sync),
    ) {
        let _ = (wanted, decode_on, deliver);
        todo!()
    }
}
