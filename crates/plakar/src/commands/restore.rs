//! `plakar restore`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::atomic::Ordering;
use std::time::Instant;

use clap::Parser;
use kloset::restore::{RestoreOptions, RestoreReport, restore};
use kloset::vfs::Found;
use kloset::{Event, Monitor, Snapshot};
use kloset_connector::{Limitation, Location, Options};

use crate::app::App;
use crate::commands::{Run, option_pair};
use crate::config::Kind;
use crate::connectors;
use crate::error::{Failure, Outcome, Role};
use crate::filters::{NameFilters, SnapshotArgument, select};
use crate::open::{self, Opened};
use crate::report::{Counts, ReportFlag};
use crate::resolve;
use crate::ui::{Summary, escape};

/// Restore a snapshot, or a part of one
#[derive(Parser)]
#[command(
    name = "restore",
    long_about = "Restores the contents of the directory that was backed up (or of PATH) into DEST: a path, \
                  sftp://…, or @NAME of a destination; or `stdout:` or `stderr:`, which take one file. Without ID, the newest snapshot that matches the filters. \
                  The default DEST is ./plakar-YYYYMMDDHHMMSS.\n\nFiles that exist in DEST and in the snapshot are \
                  replaced; others stay. Ends with 3 if some entries could not be restored. What the destination \
                  cannot express at all (owners without root, attributes over SFTP) is summed up in an info line."
)]
pub struct Restore {
    /// Where to: path, sftp://…, @NAME, stdout:, stderr:
    #[arg(long, value_name = "DEST")]
    to: Option<String>,

    /// Do not restore modes, owners and extended attributes
    #[arg(long)]
    skip_permissions: bool,

    /// End with 3 also when the destination cannot express something
    #[arg(long)]
    strict: bool,

    /// Option of the destination, repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = option_pair, action = clap::ArgAction::Append)]
    o: Vec<(String, String)>,

    #[command(flatten)]
    report: ReportFlag,

    #[command(flatten)]
    filters: NameFilters,

    /// Snapshot and path
    #[arg(value_name = "ID[:PATH]", num_args = 0..)]
    arguments: Vec<OsString>,
}

impl Run for Restore {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let argument = match self.arguments.as_slice() {
            [] => SnapshotArgument::default(),
            [argument] => SnapshotArgument::parse(argument),
            _ => {
                return Err(Failure::usage("multiple snapshots found, please specify one")
                    .with_hint("one ID[:PATH] at most; `-to DESTINATION` says where to"));
            }
        };
        // An empty one is a variable that was not set: it must not mean the current directory.
        let named = self.to.as_ref().filter(|to| !to.is_empty());
        let to = named.cloned().unwrap_or_else(default_destination);
        let place = resolve::place(app, Kind::Destination, &to)?;
        let stream = Stream::of(&place.location);
        if stream == Some(Stream::Output) {
            app.ui.leave_output();
        }
        let opened = open::open(app)?;
        let snapshot = self.choose(app, &opened, &argument)?;
        warn_of_gaps(app, &snapshot);
        let found = snapshot.resolve(&snapshot.absolute(&argument.path))?;
        if let Some(stream) = stream {
            return print(app, &opened, &snapshot, &found, stream);
        }
        let path = found.path;
        let mut options: Options = place.options.clone();
        options.extend(self.o.iter().cloned());
        let failed = |error| Failure::connector(Role::Destination, error);
        let destination =
            connectors::destination(&app.packages(), &place.location, &options, &app.connector_context())
                .map_err(failed)?;
        app.ui.start("export", Some(opened.repository.id().0));
        let settings = RestoreOptions { skip_permissions: self.skip_permissions };
        let report = restore(&snapshot, &path, destination.as_ref(), &settings, app.ui.as_ref())?;
        app.ui.summary(&Summary {
            snapshot: snapshot.id(),
            verb: "restore",
            errors: report.failed,
            elapsed: report.elapsed,
            read_bytes: opened.traffic.read_bytes.load(Ordering::Relaxed),
            written_bytes: report.bytes,
        });
        if named.is_none() {
            app.ui.info(&format!("restored to {to}"));
        }
        record(app, &report);
        let limited = limitations(&report);
        if let Some(text) = &limited {
            app.ui.info(text);
        }
        app.ui.end();
        if report.failed > 0 || (self.strict && limited.is_some()) {
            return Ok(Outcome::Partial);
        }
        Ok(Outcome::Done)
    }
}

impl Restore {
    /// The newest snapshot with the argument's prefix that passes the filters.
    fn choose(&self, app: &App, opened: &Opened, argument: &SnapshotArgument) -> Result<Snapshot, Failure> {
        if argument.is_hexadecimal() {
            let wanted = |header: &_| self.filters.matches(header);
            let selection = select(&opened.repository, &app.ui, &argument.prefix, &wanted);
            if let Some(newest) = selection.snapshots.into_iter().next() {
                return Ok(newest);
            }
            if selection.unreadable > 0 {
                // The same reading again, for the error that tells what is damaged.
                return argument.find(&opened.repository);
            }
        }
        Err(Failure::refused("no snapshots found"))
    }
}

/// Says that the snapshot itself is not whole: its restore can be without errors all the same.
fn warn_of_gaps(app: &App, snapshot: &Snapshot) {
    let errors = snapshot.header().source().map_or(0, |record| record.summary.below.errors);
    if errors > 0 {
        let id = snapshot.id().short();
        let paths = if errors == 1 { "1 path".to_owned() } else { format!("{errors} paths") };
        app.ui.warn(&format!(
            "{id} was made with errors: {paths} could not be read then, `plakar info -errors {id}` lists them"
        ));
    }
}

fn record(app: &App, report: &RestoreReport) {
    app.ui.recorder().count(Counts {
        snapshots: Some(1),
        entries: Some(report.entries),
        entries_failed: Some(report.failed),
        files_unchanged: Some(report.kept),
        content_bytes: Some(report.bytes),
        destination_written_bytes: Some(report.bytes),
        ..Counts::default()
    });
    for (&limitation, &count) in &report.limitations {
        app.ui.recorder().limitation(limitation, count);
    }
}

/// A stream of the program as a destination.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    /// Everything that is said goes to the other one.
    Output,
    /// Lines and summary stay on standard output.
    Error,
}

impl Stream {
    fn of(location: &Location) -> Option<Self> {
        match location.scheme.as_str() {
            "stdout" => Some(Self::Output),
            "stderr" => Some(Self::Error),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Output => "standard output",
            Self::Error => "standard error",
        }
    }

    fn lock(self) -> Box<dyn io::Write> {
        match self {
            Self::Output => Box::new(io::stdout().lock()),
            Self::Error => Box::new(io::stderr().lock()),
        }
    }
}

/// Writes one file to a stream.
fn print(
    app: &App,
    opened: &Opened,
    snapshot: &Snapshot,
    found: &Found,
    stream: Stream,
) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let info = &found.entry.info;
    if !info.mode.is_regular() {
        let shown = escape::name(&found.path).into_owned();
        let name = stream.name();
        return Err(Failure::refused(format!("{shown}: not a regular file, {name} takes one"))
            .with_hint("`plakar archive -output -` writes folders to standard output"));
    }
    app.ui.start("export", Some(opened.repository.id().0));
    let mut out = stream.lock();
    snapshot.write_content(&found.entry, &mut out)?.and_then(|()| out.flush()).map_err(Failure::Output)?;
    drop(out);
    let (id, path, kind) = (snapshot.id(), found.path.as_slice(), info.mode.kind());
    let bytes = u64::try_from(info.size).unwrap_or(0);
    app.ui.recorder().count(Counts {
        snapshots: Some(1),
        entries: Some(1),
        entries_failed: Some(0),
        content_bytes: Some(bytes),
        destination_written_bytes: Some(bytes),
        ..Counts::default()
    });
    app.ui.event(Event::PathDone { snapshot: id, path, kind, cached: false });
    app.ui.summary(&Summary {
        snapshot: id,
        verb: "restore",
        errors: 0,
        elapsed: started.elapsed(),
        read_bytes: opened.bytes().0,
        written_bytes: bytes,
    });
    app.ui.end();
    Ok(Outcome::Done)
}

/// `plakar-YYYYMMDDHHMMSS` in the current directory, local time.
fn default_destination() -> String {
    format!("./plakar-{}", jiff::Zoned::now().strftime("%Y%m%d%H%M%S"))
}

/// What the destination had no words for, in one line.
fn limitations(report: &RestoreReport) -> Option<String> {
    let mut parts = String::new();
    for (limitation, count) in &report.limitations {
        let what = match limitation {
            Limitation::Owner => "owners",
            Limitation::Xattrs => "extended attributes",
            Limitation::SubSecondTime => "fractions of seconds in times",
            Limitation::TimeRange => "times out of range",
            Limitation::SpecialFile => "special files",
            Limitation::HardLink => "hard links",
            Limitation::SymlinkMetadata => "owners and times of symbolic links",
        };
        let separator = if parts.is_empty() { "" } else { ", " };
        let _ = write!(parts, "{separator}{what} of {count} entries");
    }
    (!parts.is_empty()).then(|| format!("the destination could not express: {parts}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limitations_are_one_line() {
        let mut report = RestoreReport::default();
        assert_eq!(limitations(&report), None);
        report.limitations.insert(Limitation::Owner, 3);
        report.limitations.insert(Limitation::Xattrs, 1);
        assert_eq!(
            limitations(&report).as_deref(),
            Some("the destination could not express: owners of 3 entries, extended attributes of 1 entries")
        );
    }

    #[test]
    fn default_destination_has_fourteen_digits() {
        let name = default_destination();
        assert_eq!(name.len(), "./plakar-".len() + 14);
    }
}
