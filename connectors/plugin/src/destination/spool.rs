//! Large files: their pieces come in any order, the protocol wants them in one.
//!
//! Pieces are put in place in an unnamed temporary file, which is sent when it is complete. Many
//! files can be open at the same time while the single stream belongs to one of them; waiting for
//! it here could hold up the very threads that it waits for.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kloset_connector::{ConnectorError, ErrorKind, FileSink, Outcome, Target};

use super::Running;
use super::export::{Body, Export};
use super::results::shown;

/// A large file on its way.
pub(super) struct SpooledFile {
    running: Arc<Running>,
    export: Arc<Export>,
    target: Target,
    file: File,
}

impl SpooledFile {
    pub(super) fn new(
        running: Arc<Running>,
        export: Arc<Export>,
        target: Target,
    ) -> Result<Self, ConnectorError> {
        let file = tempfile::tempfile().map_err(|error| {
            ConnectorError::from_io("create temporary file in", std::env::temp_dir().to_string_lossy(), error)
        })?;
        Ok(Self { running, export, target, file })
    }
}

impl FileSink for SpooledFile {
    fn write_at(&self, offset: u64, data: Bytes) -> Result<(), ConnectorError> {
        self.file.write_all_at(&data, offset).map_err(|error| {
            ConnectorError::from_io("write to temporary file for", shown(&self.target), error)
        })
    }

    fn finish(self: Box<Self>) -> Outcome {
        let Self { running, export, target, file } = *self;
        let length = u64::try_from(target.info.size).unwrap_or(0);
        file.set_len(length)
            .map_err(|error| ConnectorError::from_io("complete temporary file for", shown(&target), error))?;
        let slot: Mutex<Option<Outcome>> = Mutex::new(None);
        let path = shown(&target);
        export.batch(&running, vec![(target, Body::File(file, length))], &|_, outcome| {
            *slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(outcome);
        });
        slot.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).unwrap_or_else(|| {
            Err(ConnectorError::new(ErrorKind::Other, "write", path, "the package gave no answer"))
        })
    }

    fn abandon(self: Box<Self>) {}
}
