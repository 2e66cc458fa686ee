//! A tar file as a source: its members as a scan, and their contents.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_channel::Receiver;
use kloset_connector::{
    ConnectorContext, ConnectorError, ConnectorEvents, ContentSink, ErrorKind, Location, Options,
    ReadRequest, ScanOptions, ScanSink, Source, SourceInfo,
};

use crate::content::ContentReader;
use crate::file::{ArchiveFile, failed, refused};
use crate::index::{Content, Index, MEMBERS_MAX, Values};
use crate::members::Members;

/// A tar file to back up.
pub struct TarSource {
    path: PathBuf,
    kind: String,
    hostname: String,
    parallelism: usize,
    allow_partial: bool,
    interrupted: Arc<AtomicBool>,
    events: Arc<dyn ConnectorEvents>,
    opened: OnceLock<ArchiveFile>,
    /// Set by the scan, before anything is asked for.
    index: OnceLock<Index>,
}

impl TarSource {
    /// Names the file; nothing is opened yet. Option `allow_partial=true` delivers what stands before
    /// the place from which on an archive cannot be read.
    pub fn new(
        location: &Location,
        options: &Options,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        if location.rest.is_empty() {
            let message = "the name of the archive is missing";
            return Err(ConnectorError::new(ErrorKind::Invalid, "open", location.to_string(), message));
        }
        Ok(Self {
            path: context.working_directory.join(&location.rest),
            kind: location.scheme.clone(),
            hostname: context.hostname.clone(),
            parallelism: context.parallelism.max(1),
            allow_partial: options.get("allow_partial").is_some_and(|value| value == "true"),
            interrupted: Arc::clone(&context.interrupted),
            events: Arc::clone(&context.events),
            opened: OnceLock::new(),
            index: OnceLock::new(),
        })
    }

    fn opened(&self) -> Result<&ArchiveFile, ConnectorError> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = ArchiveFile::open(&self.path, &self.interrupted)?;
        Ok(self.opened.get_or_init(|| opened))
    }

    /// Reads all headers; what was found before an error comes with it.
    fn read_index(&self, archive: &ArchiveFile) -> (Index, Result<(), ConnectorError>) {
        let mut index = Index::new(archive.identity());
        let mut members = Members::new(archive.stream());
        let mut warned = false;
        let result = loop {
            if index.len() > MEMBERS_MAX {
                let message =
                    format!("more than {MEMBERS_MAX} members: unpack the archive and back up the folder");
                break Err(refused(ErrorKind::Unsupported, "read", archive.path(), message));
            }
            match members.next() {
                Ok(Some(member)) => {
                    if member.has_text_acl && !std::mem::replace(&mut warned, true) {
                        self.events
                            .warning("access control lists of the archive are not kept: they are text");
                    }
                    index.add(member);
                }
                Ok(None) => break self.end(archive, &mut members),
                Err(error) => break Err(unreadable(archive.path(), error)),
            }
        };
        (index, result)
    }

    fn content(&self, request: &ReadRequest) -> Option<&Content> {
        self.index.get()?.content(&request.path)
    }

    fn end(&self, archive: &ArchiveFile, members: &mut Members) -> Result<(), ConnectorError> {
        let more = members.has_more().map_err(|error| unreadable(archive.path(), error))?;
        if more {
            let text = format!(
                "{}: what stands behind the end of the archive is left out",
                archive.path().display()
            );
            self.events.warning(&text);
        }
        archive.ensure_unchanged()
    }

    fn read_any_order(
        &self,
        archive: &ArchiveFile,
        requests: &Receiver<ReadRequest>,
        sink: &dyn ContentSink,
    ) {
        while let Ok(request) = requests.recv() {
            match self.content(&request) {
                None => sink.failed(request, unknown()),
                Some(content) => {
                    let mut reader = ContentReader::new(content, archive.raw(content.start));
                    sink.content(request, &mut reader);
                }
            }
        }
    }

    /// Contents of a compressed archive, in its order; hard links ask for the same bytes again, which
    /// takes another pass.
    fn read_in_order(
        &self,
        archive: &ArchiveFile,
        requests: Receiver<ReadRequest>,
        sink: &dyn ContentSink,
    ) -> Result<(), ConnectorError> {
        let mut wanted: Vec<(&Content, ReadRequest)> = Vec::new();
        for request in requests {
            match self.content(&request) {
                Some(content) => wanted.push((content, request)),
                None => sink.failed(request, unknown()),
            }
        }
        wanted.sort_by_key(|(content, _)| content.start);
        while !wanted.is_empty() {
            let mut stream = archive.stream();
            let mut again = Vec::new();
            for (content, request) in wanted {
                let Some(ahead) = content.start.checked_sub(stream.position()) else {
                    again.push((content, request));
                    continue;
                };
                stream.skip(ahead).map_err(|error| unreadable(archive.path(), error))?;
                sink.content(request, &mut ContentReader::new(content, &mut stream));
                self.proceed()?;
            }
            wanted = again;
        }
        Ok(())
    }

    fn proceed(&self) -> Result<(), ConnectorError> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(refused(ErrorKind::Interrupted, "read", &self.path, "interrupted"));
        }
        Ok(())
    }
}

fn unknown() -> ConnectorError {
    ConnectorError::new(ErrorKind::NotFound, "read", "archive", "not a file of this archive")
}

/// Why an archive cannot be followed further.
fn unreadable(path: &Path, error: std::io::Error) -> ConnectorError {
    use std::io::ErrorKind as Io;
    const PARTIAL: &str = "`-o allow_partial=true` keeps what stands before this place";
    match error.kind() {
        Io::UnexpectedEof => {
            let message = "the archive is truncated: the mark of its end is missing";
            refused(ErrorKind::Corrupt, "read", path, message).with_hint(PARTIAL)
        }
        Io::InvalidData | Io::InvalidInput => {
            refused(ErrorKind::Corrupt, "read", path, error.to_string()).with_hint(PARTIAL)
        }
        _ => failed("read", path, error),
    }
}

impl Source for TarSource {
    fn info(&self) -> Result<SourceInfo, ConnectorError> {
        self.opened()?;
        Ok(SourceInfo { kind: self.kind.clone(), origin: self.hostname.clone(), directory: b"/".to_vec() })
    }

    fn scan(&self, options: &ScanOptions, sink: &dyn ScanSink) -> Result<(), ConnectorError> {
        let (index, result) = self.read_index(self.opened()?);
        if result.is_err() && !self.allow_partial {
            return result;
        }
        self.proceed()?;
        let index = self.index.get_or_init(|| index);
        let values = if options.xattr_values { Values::Take } else { Values::Leave };
        sink.ancestors(index.root(values).into_iter().collect());
        for (path, problem) in &index.problems {
            let shown = String::from_utf8_lossy(path).into_owned();
            sink.failed(path, false, ConnectorError::new(ErrorKind::Invalid, "unpack", shown, *problem));
        }
        let keep = |path: &[u8], directory: bool| !(options.excluded)(path, directory);
        index.walk(values, &keep, &mut |folder, children| {
            sink.listing(folder, children);
            !sink.stopped()
        });
        result
    }

    fn read(&self, requests: Receiver<ReadRequest>, sink: &dyn ContentSink) -> Result<(), ConnectorError> {
        let archive = self.opened()?;
        if archive.is_compressed() {
            self.read_in_order(archive, requests, sink)?;
        } else {
            std::thread::scope(|scope| {
                for _ in 1..self.parallelism {
                    scope.spawn(|| self.read_any_order(archive, &requests, sink));
                }
                self.read_any_order(archive, &requests, sink);
            });
        }
        self.proceed()?;
        archive.ensure_unchanged()
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        report("archive", self.opened().map(|_| ()));
    }
}
