//! The archive's file: reading at a place, unpacking, noticing that it has changed.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::bufread::MultiGzDecoder;
use kloset_connector::{ConnectorError, ErrorKind};

/// Reads of the archive are this long.
const BUFFER_BYTES: usize = 256 << 10;
/// First bytes of compressions that are not unpacked here, and what people call them.
const FOREIGN: [(&[u8], &str); 4] =
    [(b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bzip2"), (b"PK\x03\x04", "zip")];

/// What an archive's file was when it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    dev: u64,
    ino: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// An open archive.
pub(crate) struct ArchiveFile {
    path: PathBuf,
    file: Arc<File>,
    stamp: Stamp,
    gzip: bool,
    interrupted: Arc<AtomicBool>,
}

impl ArchiveFile {
    /// Opens a file and looks at its first bytes.
    pub(crate) fn open(path: &Path, interrupted: &Arc<AtomicBool>) -> Result<Self, ConnectorError> {
        // A pipe in place of the file must not hang us.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = File::options().read(true).custom_flags(nonblocking).open(path);
        let file = file.map_err(|error| failed("open", path, error))?;
        let stat = file.metadata().map_err(|error| failed("inspect", path, error))?;
        if !stat.is_file() {
            let message = "not a regular file: an archive is read twice";
            return Err(refused(ErrorKind::Invalid, "open", path, message));
        }
        let mut first = [0; 6];
        let length = file.read_at(&mut first, 0).map_err(|error| failed("read", path, error))?;
        let first = first.get(..length).unwrap_or_default();
        if let Some((_, name)) = FOREIGN.iter().find(|(magic, _)| first.starts_with(magic)) {
            let message = format!("this is {name}, not tar or tar.gz");
            return Err(refused(ErrorKind::Unsupported, "open", path, message)
                .with_hint("unpack it first, and back up the tar file or the folder"));
        }
        let gzip = first.starts_with(&[0x1f, 0x8b]);
        let (path, file) = (path.to_owned(), Arc::new(file));
        Ok(Self { path, file, stamp: stamp(&stat), gzip, interrupted: Arc::clone(interrupted) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether contents can only be read in order.
    pub(crate) fn is_compressed(&self) -> bool {
        self.gzip
    }

    /// A number that another archive, or this one after a change, does not have.
    pub(crate) fn identity(&self) -> u64 {
        let Stamp { dev, ino, size, modified, changed } = self.stamp;
        let parts = [dev, ino, size]
            .into_iter()
            .chain([modified.0, modified.1, changed.0, changed.1].map(i64::cast_unsigned));
        // FNV-1a over the numbers' bytes.
        parts.flat_map(u64::to_le_bytes).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    /// Fails if the file is no longer what was opened.
    pub(crate) fn ensure_unchanged(&self) -> Result<(), ConnectorError> {
        let stat = self.file.metadata().map_err(|error| failed("inspect", &self.path, error))?;
        let Stamp { size, modified, .. } = stamp(&stat);
        if (size, modified) == (self.stamp.size, self.stamp.modified) {
            return Ok(());
        }
        Err(refused(ErrorKind::Other, "read", &self.path, "the archive was changed while it was read"))
    }

    /// The tar in it, from its start.
    pub(crate) fn stream(&self) -> Stream {
        let raw = BufReader::with_capacity(BUFFER_BYTES, self.raw(0));
        let inner = if self.gzip {
            Inner::Gzip(Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(raw))))
        } else {
            Inner::Plain(raw, self.stamp.size)
        };
        Stream { inner, position: 0 }
    }

    /// The bytes of the file from `position`.
    pub(crate) fn raw(&self, position: u64) -> Raw {
        Raw { file: Arc::clone(&self.file), position, interrupted: Arc::clone(&self.interrupted) }
    }
}

fn stamp(stat: &std::fs::Metadata) -> Stamp {
    Stamp {
        dev: stat.dev(),
        ino: stat.ino(),
        size: stat.len(),
        modified: (stat.mtime(), stat.mtime_nsec()),
        changed: (stat.ctime(), stat.ctime_nsec()),
    }
}

pub(crate) fn failed(operation: &'static str, path: &Path, error: io::Error) -> ConnectorError {
    let mut error = ConnectorError::from_io(operation, path.display().to_string(), error);
    // A local file does not come back by waiting.
    if error.is_transient() {
        error.kind = ErrorKind::Other;
    }
    error
}

pub(crate) fn refused(
    kind: ErrorKind,
    operation: &'static str,
    path: &Path,
    message: impl Into<String>,
) -> ConnectorError {
    ConnectorError::new(kind, operation, path.display().to_string(), message)
}

/// A file read from a place of its own.
pub(crate) struct Raw {
    file: Arc<File>,
    position: u64,
    interrupted: Arc<AtomicBool>,
}

impl Raw {
    pub(crate) fn seek(&mut self, position: u64) {
        self.position = position;
    }
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupted.load(Ordering::Relaxed) {
            let error = ConnectorError::new(ErrorKind::Interrupted, "read", "the archive", "interrupted");
            return Err(error.into_io());
        }
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// A tar read from its start to its end.
pub(crate) struct Stream {
    inner: Inner,
    position: u64,
}

enum Inner {
    Plain(BufReader<Raw>, u64),
    Gzip(Box<BufReader<MultiGzDecoder<BufReader<Raw>>>>),
}

impl Stream {
    /// Bytes of the tar read or skipped so far.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Goes forward; fewer bytes than that are left: an end of file.
    pub(crate) fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let target = self.position.checked_add(bytes).ok_or(io::ErrorKind::UnexpectedEof)?;
        if let Inner::Plain(reader, size) = &mut self.inner {
            if target > *size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let buffered = reader.buffer().len() as u64;
            if bytes > buffered {
                let buffered_bytes = reader.buffer().len();
                io::BufRead::consume(reader, buffered_bytes);
                reader.get_mut().seek(target);
                self.position = target;
                return Ok(());
            }
        }
        let skipped = io::copy(&mut self.by_ref().take(bytes), &mut io::sink())?;
        if skipped < bytes { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.inner {
            Inner::Plain(reader, _) => reader.read(buffer)?,
            Inner::Gzip(reader) => reader.read(buffer)?,
        };
        self.position += read as u64;
        Ok(read)
    }
}
