//! `plakar ptar`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use connector_fs::{ExistingFile, PtarWriter};
use kloset::Repository;
use kloset::archive::Archive;
use kloset::backup::{BackupOptions, backup};
use kloset::repository::{CreateOptions, OpenOptions};
use kloset::sync::{Removed, SyncStep, sync};
use kloset_codec::compress::Compression;
use kloset_codec::hash::HashAlgorithm;
use kloset_connector::{ConnectorError, ErrorKind, Location, Options};
use kloset_format::SnapshotId;

use crate::app::App;
use crate::commands::Run;
use crate::config::Kind;
use crate::connectors::{self, SourcePlace};
use crate::error::{Failure, Outcome, Role, chain};
use crate::open::{self, Opened};
use crate::passphrase::{self, StoreSecrets, Weak};
use crate::ui::Summary;
use crate::{machine, resolve};

/// Make a single-file store
#[derive(Parser)]
#[command(
    name = "ptar",
    long_about = "Writes sources and whole stores into one file that is a store by itself: `plakar at FILE.ptar ls` \
                  and all commands that only read work on it. Each SOURCE becomes a snapshot; the current directory \
                  by default, unless -k is given.\n\nThe file gets its name when it is complete and on disk. Ends with \
                  3 if some entries or snapshots could not be read."
)]
pub struct Ptar {
    /// Do not encrypt
    #[arg(long)]
    plaintext: bool,

    /// Do not compress
    #[arg(long)]
    no_compression: bool,

    /// Hash that names contents: BLAKE3 or SHA256
    #[arg(long, value_name = "ALGO", default_value = "BLAKE3")]
    hashing: String,

    /// Replace FILE if it exists
    #[arg(long)]
    overwrite: bool,

    /// Store to copy with all its snapshots, repeatable; also -k
    #[arg(long, alias = "k", value_name = "LOCATION", action = clap::ArgAction::Append)]
    kloset: Vec<String>,

    /// File to make
    #[arg(long, value_name = "FILE")]
    o: Option<PathBuf>,

    /// What to back up
    #[arg(value_name = "SOURCE", num_args = 0..)]
    sources: Vec<OsString>,
}

impl Run for Ptar {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let hashing = HashAlgorithm::from_config(&self.hashing)
            .ok_or_else(|| Failure::refused(format!("unknown hashing algorithm {}", self.hashing)))?;
        let file = self.file(app)?;
        let stores = self.stores(app)?;
        let passphrase = match self.plaintext {
            true => None,
            false => match passphrase::without_asking(app, &StoreSecrets::default())? {
                Some((secret, _)) => Some(secret),
                None => Some(passphrase::ask_new(app, Weak::Accept)?),
            },
        };
        app.proceed()?;
        let options = CreateOptions {
            hashing,
            compression: (!self.no_compression).then_some(Compression::Lz4),
            passphrase,
        };
        let shown = file.shown();
        let open = OpenOptions::new(app.runtime(), Arc::clone(&app.ui) as _);
        let (archive, repository) =
            Archive::create(file, &options, open).map_err(|error| refuse_existing(error, &shown))?;
        app.ui.start("ptar", Some(repository.id().0));
        let mut writing = Writing { app, archive, repository: Arc::new(repository), incomplete: 0 };
        for store in &stores {
            writing.copy(store)?;
        }
        for source in self.sources(app) {
            writing.back_up(&source)?;
        }
        writing.archive.finish(&writing.repository)?;
        app.ui.end();
        Ok(if writing.incomplete > 0 { Outcome::Partial } else { Outcome::Done })
    }
}

impl Ptar {
    fn file(&self, app: &App) -> Result<PtarWriter, Failure> {
        let Some(path) = &self.o else {
            return Err(Failure::usage("the file to make is missing: ptar -o FILE [SOURCE…]"));
        };
        let existing = if self.overwrite { ExistingFile::Replace } else { ExistingFile::Refuse };
        let text = path.to_str().ok_or_else(|| Failure::refused("the name of FILE is not valid UTF-8"))?;
        let location = Location { scheme: "ptar".to_owned(), rest: text.to_owned() };
        let failed = |error| Failure::connector(Role::Destination, error);
        let file = PtarWriter::new(&location, existing, &app.connector_context()).map_err(failed)?;
        // Told before anybody types a passphrase.
        file.ensure_free().map_err(refused)?;
        Ok(file)
    }

    fn stores(&self, app: &App) -> Result<Vec<Opened>, Failure> {
        let places = self.kloset.iter().map(|text| resolve::place(app, Kind::Store, text));
        places.map(|place| open::open_peer(app, place?)).collect()
    }

    fn sources(&self, app: &App) -> Vec<OsString> {
        if self.sources.is_empty() && self.kloset.is_empty() {
            return vec![app.working_directory().as_os_str().to_owned()];
        }
        self.sources.clone()
    }
}

/// A file in the place is a refusal, not a store that cannot be opened.
fn refused(error: ConnectorError) -> Failure {
    let failure = Failure::refused(error.to_string());
    if error.kind == ErrorKind::AlreadyExists { failure.with_hint("-overwrite replaces it") } else { failure }
}

fn refuse_existing(error: kloset::OpenError, shown: &str) -> Failure {
    match error {
        kloset::OpenError::Storage(inner) if inner.kind == ErrorKind::AlreadyExists => refused(inner),
        kloset::OpenError::Storage(inner) => Failure::connector(Role::Destination, inner),
        error => Failure::open(shown, error),
    }
}

/// A file under way.
struct Writing<'a> {
    app: &'a App,
    archive: Arc<Archive<PtarWriter>>,
    /// The store in it, as of the last snapshot.
    repository: Arc<Repository>,
    /// Entries and snapshots that could not be read.
    incomplete: u64,
}

impl Writing<'_> {
    /// Makes a snapshot of a source.
    fn back_up(&mut self, source: &OsStr) -> Result<(), Failure> {
        let app = self.app;
        let (place, options) = match source.to_str() {
            Some(text) => {
                let place = resolve::place(app, Kind::Source, text)?;
                let mut options = place.options;
                options.remove("location");
                (SourcePlace::of(place.location), options)
            }
            None => (SourcePlace::Local(source.into()), Options::new()),
        };
        let source = connectors::source(&app.packages(), vec![place], &options, &app.connector_context())
            .map_err(|error| Failure::connector(Role::Source, error))?;
        let options = BackupOptions {
            name: "default".to_owned(),
            context: machine::context(app),
            left_out: self.own_files(),
            allow_partial: options.get("allow_partial").is_some_and(|value| value == "true"),
            ..BackupOptions::default()
        };
        let report = backup(&self.repository, source.as_ref(), &options, app.ui.as_ref())?;
        self.incomplete += report.errors + u64::from(report.partial);
        app.ui.summary(&Summary {
            snapshot: report.snapshot,
            verb: "backup",
            errors: report.errors,
            elapsed: report.elapsed,
            read_bytes: 0,
            written_bytes: report.written_bytes,
        });
        self.see_what_was_added()
    }

    /// Copies every snapshot of a store.
    fn copy(&mut self, store: &Opened) -> Result<(), Failure> {
        let app = self.app;
        let ids: Vec<SnapshotId> = store.repository.snapshots();
        let mut before = (store.bytes().0, self.archive.written_bytes());
        let report =
            sync(&store.repository, &self.repository, &ids, Removed::Skip, app.ui.as_ref(), &mut |step| {
                match step {
                    SyncStep::Begun(id) => {
                        app.ui.info(&format!("Copying snapshot {id} from {}", store.shown()))
                    }
                    SyncStep::Copied(done) => {
                        let after = (store.bytes().0, self.archive.written_bytes());
                        app.ui.summary(&Summary::added(done.snapshot, done.elapsed, before, after));
                        before = after;
                    }
                    SyncStep::Failed(id, error) => {
                        app.ui.error(&format!("{}: not copied: {}", id.short(), chain(error)));
                    }
                    SyncStep::StaysRemoved(_) => {}
                }
            })?;
        self.incomplete += report.failed;
        self.see_what_was_added()
    }

    /// The next snapshot is deduplicated against those before it.
    fn see_what_was_added(&mut self) -> Result<(), Failure> {
        let refreshed = self.repository.refresh();
        self.repository =
            Arc::new(refreshed.map_err(|error| Failure::open(self.archive.file().shown(), error))?);
        Ok(())
    }

    /// The file under its present and under its later name.
    fn own_files(&self) -> Vec<Vec<u8>> {
        let file = self.archive.file();
        let paths = [file.temporary(), Some(file.path().to_owned())];
        paths.into_iter().flatten().map(|path| resolved(&path)).collect()
    }
}

/// Sources tell resolved paths, so this one's folder must be resolved as well.
fn resolved(path: &Path) -> Vec<u8> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    folder.join(path.file_name().unwrap_or_default()).as_os_str().as_bytes().to_vec()
}
