//! `plakar backup`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;
use kloset::backup::{BackupOptions, BackupReport, backup, dry_run};
use kloset::check::CheckOptions;
use kloset_connector::error::io_message;
use kloset_connector::{Options, Source};
use kloset_format::{SnapshotId, Timestamp};

use crate::app::App;
use crate::commands::{Run, check, option_pair};
use crate::config::Kind;
use crate::connectors::{self, SourcePlace};
use crate::error::{Failure, Outcome, Role};
use crate::filters::{parse_date, split_tags};
use crate::machine;
use crate::open::{self, Opened};
use crate::report::{Counts, ReportFlag};
use crate::resolve;
use crate::ui::Summary;

/// Make a snapshot of files
#[derive(Parser)]
#[command(
    name = "backup",
    long_about = "SOURCE is a path, sftp://…, or @NAME of a source; the current directory by default. Several \
                  sources of one type and host become one snapshot.\n\nFiles that have not changed since the \
                  newest snapshot of the same source are not read again. Ends with 3 if some entries could not be \
                  read: the snapshot is kept, `info -errors ID` lists them."
)]
pub struct Backup {
    /// Tags of the snapshot, repeatable (default $PLAKAR_TAGS)
    #[arg(long, value_name = "TAG,…")]
    tag: Vec<String>,

    /// Name of the snapshot
    #[arg(long, value_name = "NAME", default_value = "default")]
    name: String,

    /// Category of the snapshot
    #[arg(long, value_name = "CATEGORY", default_value = "")]
    category: String,

    /// Environment of the snapshot
    #[arg(long, value_name = "ENVIRONMENT", default_value = "")]
    environment: String,

    /// Perimeter of the snapshot
    #[arg(long, value_name = "PERIMETER", default_value = "")]
    perimeter: String,

    /// Job of the snapshot
    #[arg(long, value_name = "JOB", default_value = "")]
    job: String,

    /// Gitignore pattern of what to leave out, repeatable
    #[arg(long, value_name = "PATTERN", action = clap::ArgAction::Append)]
    ignore: Vec<String>,

    /// File of such patterns; its rules come before those of -ignore
    #[arg(long, value_name = "FILE")]
    ignore_file: Option<PathBuf>,

    /// Check the new snapshot afterwards
    #[arg(long)]
    check: bool,

    /// Only list what would be read
    #[arg(long)]
    dry_run: bool,

    /// Time to record instead of now, in the past
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    force_timestamp: Option<Timestamp>,

    /// Accepted for compatibility: packfiles are made in memory
    #[arg(long, value_name = "memory|DIR")]
    packfiles: Option<String>,

    /// no: read every file; vfs: trust the newest snapshot of the same source
    #[arg(long, value_name = "no|vfs", default_value = "vfs")]
    cache: String,

    /// Accepted for compatibility: nothing is counted beforehand
    #[arg(long)]
    no_progress: bool,

    /// Do not store values of extended attributes
    #[arg(long)]
    no_xattr: bool,

    /// Option of the source, repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = option_pair, action = clap::ArgAction::Append)]
    o: Vec<(String, String)>,

    #[command(flatten)]
    report: ReportFlag,

    /// What to back up
    #[arg(value_name = "SOURCE", num_args = 0..)]
    sources: Vec<OsString>,
}

impl Run for Backup {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        if self.force_timestamp.is_some_and(|time| time > app.now()) {
            return Err(Failure::refused("forced timestamp cannot be in the future"));
        }
        let (places, source_options) = self.places(app)?;
        let mut options = self.options(app, &source_options)?;
        if self.dry_run {
            let source = self.source(app, places, &source_options)?;
            let store = open::connect(app).ok().and_then(|connected| connected.local_directory());
            options.left_out = store.into_iter().collect();
            return self.list_only(app, source.as_ref(), &options);
        }
        let opened = open::open(app)?;
        if !opened.repository.storage().info().writable {
            return Err(kloset::Error::ReadOnlyStore.into());
        }
        options.left_out = opened.local_directory().into_iter().collect();
        let source = self.source(app, places, &source_options)?;
        app.ui.start("import", Some(opened.repository.id().0));
        let report = backup(&opened.repository, source.as_ref(), &options, app.ui.as_ref())?;
        summarize(app, &opened, &report);
        let damaged = if self.check { check_again(app, opened, report.snapshot)? } else { 0 };
        app.ui.end();
        if damaged > 0 {
            return Err(Failure::Damaged { snapshots: damaged });
        }
        let partial = report.errors > 0 || report.partial;
        Ok(if partial { Outcome::Partial } else { Outcome::Done })
    }
}

fn summarize(app: &App, opened: &Opened, report: &BackupReport) {
    let (read_bytes, written_bytes) = opened.bytes();
    app.ui.recorder().count(Counts {
        snapshots: Some(1),
        entries: Some(report.entries),
        entries_failed: Some(report.errors),
        files_unchanged: Some(report.files_unchanged),
        content_bytes: Some(report.content_bytes),
        source_read_bytes: Some(report.read_bytes),
        ..Counts::default()
    });
    app.ui.summary(&Summary {
        snapshot: report.snapshot,
        verb: "backup",
        errors: report.errors,
        elapsed: report.elapsed,
        read_bytes,
        written_bytes,
    });
    if report.partial {
        app.ui.warn("the source was lost: the snapshot holds only what had arrived");
    }
}

/// The index in memory is that of before the backup: the check opens the store anew, as any later
/// reader will.
fn check_again(app: &App, opened: Opened, snapshot: SnapshotId) -> Result<usize, Failure> {
    let opened = open::reopen(app, opened)?;
    check::run(app, &opened, &[(snapshot, b"/".to_vec())], CheckOptions::default())
}

impl Backup {
    /// All sources and the options they share.
    fn places(&self, app: &App) -> Result<(Vec<SourcePlace>, Options), Failure> {
        let mut places = Vec::new();
        let mut options = Options::new();
        if self.sources.is_empty() {
            places.push(SourcePlace::Local(app.working_directory().to_owned()));
        }
        for source in &self.sources {
            // A name that is not UTF-8 can only be a path.
            let Some(text) = source.to_str() else {
                places.push(SourcePlace::Local(source.into()));
                continue;
            };
            let place = resolve::place(app, Kind::Source, text)?;
            places.push(SourcePlace::of(place.location));
            for (key, value) in place.options.into_iter().filter(|(key, _)| key != "location") {
                if options.get(&key).is_some_and(|known| *known != value) {
                    return Err(Failure::refused(format!("the sources disagree about the option {key}")));
                }
                options.insert(key, value);
            }
        }
        options.extend(self.o.iter().cloned());
        Ok((places, options))
    }

    fn source(
        &self,
        app: &App,
        places: Vec<SourcePlace>,
        options: &Options,
    ) -> Result<Box<dyn Source>, Failure> {
        connectors::source(&app.packages(), places, options, &app.connector_context())
            .map_err(|error| Failure::connector(Role::Source, error))
    }

    fn options(&self, app: &App, source_options: &Options) -> Result<BackupOptions, Failure> {
        let mut tags = self.tag.clone();
        if tags.is_empty() {
            tags.extend(machine::variable("PLAKAR_TAGS")?);
        }
        Ok(BackupOptions {
            name: self.name.clone(),
            category: self.category.clone(),
            environment: self.environment.clone(),
            perimeter: self.perimeter.clone(),
            job: self.job.clone(),
            tags: split_tags(&tags),
            timestamp: self.force_timestamp,
            context: machine::context(app),
            ignore: self.ignore_rules()?,
            skip_xattr_values: self.no_xattr,
            ignore_parent: self.cache != "vfs",
            allow_partial: source_options.get("allow_partial").is_some_and(|value| value == "true"),
            left_out: Vec::new(),
        })
    }

    /// Rules of the file, then those of the line.
    fn ignore_rules(&self) -> Result<Vec<String>, Failure> {
        let mut rules = Vec::new();
        if let Some(path) = &self.ignore_file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::refused(format!(
                    "unable to open excludes file: {}: {}",
                    path.display(),
                    io_message(&error)
                ))
            })?;
            let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            rules.extend(lines.map(str::to_owned));
        }
        rules.extend(self.ignore.iter().cloned());
        Ok(rules)
    }

    fn list_only(&self, app: &App, source: &dyn Source, options: &BackupOptions) -> Result<Outcome, Failure> {
        app.ui.start("import", None);
        let found = dry_run(source, options, app.ui.as_ref())?;
        app.ui.end();
        if found.errors > 0 { Err(Failure::refused("failed to scan some files")) } else { Ok(Outcome::Done) }
    }
}
