//! Standard input as a source: one regular file with the name that the location gives it.
//!
//! Where the input ends cannot be doubted: whatever is not its proper end (a read error, an
//! interrupt) loses the source as a whole.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crossbeam_channel::Receiver;
use kloset_connector::{
    ConnectorContext, ConnectorError, ContentSink, ErrorKind, Location, ReadRequest, Record, ScanOptions,
    ScanSink, Source, SourceInfo,
};
use kloset_format::path::{base_name, clean, join, parent};
use kloset_format::{FileInfo, FileMode, Timestamp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Name of the file when the location gives none.
const DEFAULT_NAME: &[u8] = b"stdin";
/// An interrupt is noticed after at most this long.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Standard input to back up.
pub struct StdinSource {
    path: Vec<u8>,
    hostname: String,
    input: OwnedFd,
    interrupted: Arc<AtomicBool>,
    begun: Timestamp,
}

impl StdinSource {
    /// Names the file; nothing is read yet.
    pub fn new(location: &Location, context: &ConnectorContext) -> Result<Self, ConnectorError> {
        let input = io::stdin().as_fd().try_clone_to_owned();
        let input = input.map_err(|error| ConnectorError::from_io("open", "standard input", error))?;
        Self::reading(input, location, context)
    }

    /// As [`StdinSource::new`], reading from another place.
    pub fn reading(
        input: OwnedFd,
        location: &Location,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        Ok(Self {
            path: file_path(location)?,
            hostname: context.hostname.clone(),
            input,
            interrupted: Arc::clone(&context.interrupted),
            begun: now(),
        })
    }

    fn record(&self, path: &[u8], mode: u32, size: i64) -> Record {
        let name = if path == b"/" { path } else { base_name(path) };
        let info = FileInfo {
            size,
            mode: FileMode::from_st_mode(mode),
            mod_time: self.begun,
            uid: u64::from(rustix::process::geteuid().as_raw()),
            gid: u64::from(rustix::process::getegid().as_raw()),
            nlink: 1,
            ..FileInfo::made_up_directory(name)
        };
        Record { info, target: None, xattrs: Vec::new(), problem: None }
    }

    fn lost(&self, error: io::Error) -> ConnectorError {
        let mut error = ConnectorError::from_io("read", "standard input", error);
        // Nobody can read it again.
        if error.is_transient() {
            error.kind = ErrorKind::Other;
        }
        error
    }
}

/// The path inside the snapshot.
fn file_path(location: &Location) -> Result<Vec<u8>, ConnectorError> {
    let refused =
        |message: &str| Err(ConnectorError::new(ErrorKind::Invalid, "name", location.to_string(), message));
    if location.rest.split('/').any(|part| part == "..") {
        return refused("the name of the file must not contain `..`");
    }
    if location.rest.contains('\0') {
        return refused("the name of the file must not contain a NUL");
    }
    let path = clean(format!("/{}", location.rest).as_bytes());
    Ok(if path == b"/" { join(b"/", DEFAULT_NAME) } else { path })
}

fn now() -> Timestamp {
    // A clock before 1970 is not worth a failed backup.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: since.subsec_nanos(),
    }
}

impl Source for StdinSource {
    fn info(&self) -> Result<SourceInfo, ConnectorError> {
        Ok(SourceInfo { kind: "stdin".to_owned(), origin: self.hostname.clone(), directory: b"/".to_vec() })
    }

    fn scan(&self, options: &ScanOptions, sink: &dyn ScanSink) -> Result<(), ConnectorError> {
        let mut folders = vec![parent(&self.path)];
        while let Some(&last) = folders.last().filter(|last| **last != b"/") {
            folders.push(parent(last));
        }
        folders.reverse();
        sink.ancestors(vec![self.record(b"/", 0o040_755, 0)]);
        let below = folders.iter().skip(1).map(|folder| (*folder, self.record(folder, 0o040_755, 0)));
        // The size is known when everything has been read.
        let file = (self.path.as_slice(), self.record(&self.path, 0o100_600, -1));
        for (folder, (path, record)) in folders.iter().zip(below.chain([file])) {
            if (options.excluded)(path, record.info.mode.is_directory()) {
                sink.listing(folder, Vec::new());
                break;
            }
            sink.listing(folder, vec![record]);
        }
        Ok(())
    }

    fn read(&self, requests: Receiver<ReadRequest>, sink: &dyn ContentSink) -> Result<(), ConnectorError> {
        let mut input = Some(&self.input);
        for request in requests {
            let Some(input) = input.take().filter(|_| request.path == self.path) else {
                let shown = String::from_utf8_lossy(&request.path).into_owned();
                let message = "standard input can be read only once";
                sink.failed(request, ConnectorError::new(ErrorKind::Invalid, "read", shown, message));
                continue;
            };
            let file = input.try_clone().map(File::from).map_err(|error| self.lost(error))?;
            let mut reader = Input { file, interrupted: &self.interrupted, failure: None };
            sink.content(request, &mut reader);
            if let Some(error) = reader.failure {
                return Err(self.lost(error));
            }
        }
        Ok(())
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        report("standard input", Ok(()));
    }
}

/// The input, interruptible; keeps the reason why it ended early.
struct Input<'a> {
    file: File,
    interrupted: &'a AtomicBool,
    failure: Option<io::Error>,
}

impl Input<'_> {
    fn wait_and_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.interrupted.load(Ordering::Relaxed) {
                let error =
                    ConnectorError::new(ErrorKind::Interrupted, "read", "standard input", "interrupted");
                return Err(error.into_io());
            }
            let mut waiting = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut waiting, Some(&WAIT)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            match self.file.read(buffer) {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                result => return result,
            }
        }
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.wait_and_read(buffer);
        if let Err(error) = result {
            let copy = io::Error::new(error.kind(), error.to_string());
            self.failure.get_or_insert(error);
            return Err(copy);
        }
        result
    }
}
