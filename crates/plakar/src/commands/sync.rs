//! `plakar sync`.

use std::ffi::OsString;

use clap::Parser;
use kloset::Snapshot;
use kloset::sync::{Removed, SyncStep, sync};
use kloset_format::SnapshotId;

use crate::app::App;
use crate::commands::Run;
use crate::config::Kind;
use crate::error::{Failure, Outcome, chain};
use crate::filters::{Filters, SnapshotArgument, select_retained};
use crate::open::{self, Opened};
use crate::report::{Counts, ReportFlag};
use crate::resolve;
use crate::retention::Retention;
use crate::ui::Summary;

/// Copy snapshots between stores
#[derive(Parser)]
#[command(
    name = "sync",
    long_about = "Copies the snapshots that the other store lacks: `to` it, `from` it, or both ways `with` it. \
                  Ids, times and tags stay. Snapshots that were removed from the receiving store are copied \
                  again only if ID names them.\n\nThe other store's passphrase comes from its entry in the \
                  configuration, $PLAKAR_PEER_PASSPHRASE, $PLAKAR_PASSPHRASE or the terminal. Ends with 3 if \
                  some snapshots could not be copied."
)]
pub struct Sync {
    /// Accepted for compatibility: packfiles are made in memory
    #[arg(long, value_name = "memory|DIR")]
    packfiles: Option<String>,

    /// Accepted for compatibility
    #[arg(long, value_name = "no|vfs")]
    cache: Option<String>,

    #[command(flatten)]
    report: ReportFlag,

    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    retention: Retention,

    /// Which snapshots, which way, and the other store
    #[arg(value_name = "[ID] to|from|with LOCATION", num_args = 0..)]
    arguments: Vec<OsString>,
}

/// Which way snapshots go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Direction {
    To,
    From,
    With,
}

/// What the words after the flags say.
struct Request {
    prefix: String,
    direction: Direction,
    peer: String,
}

/// How one direction went.
#[derive(Default)]
struct Went {
    copied: u64,
    failed: u64,
}

impl Run for Sync {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let request = self.request()?;
        let opened = open::open(app)?;
        let place = resolve::place(app, Kind::Store, &request.peer)?;
        let peer = open::open_peer(app, place)?;
        refuse_same(&opened, &peer)?;
        app.ui.start("sync", Some(opened.repository.id().0));
        let failed = match request.direction {
            Direction::To => self.copy(app, &opened, &peer, &request.prefix)?.failed,
            Direction::From => self.copy(app, &peer, &opened, &request.prefix)?.failed,
            Direction::With => {
                let there = self.copy(app, &opened, &peer, &request.prefix)?.failed;
                there + self.copy(app, &peer, &opened, &request.prefix)?.failed
            }
        };
        app.ui.end();
        Ok(if failed > 0 { Outcome::Partial } else { Outcome::Done })
    }
}

/// One store under two names, or a store and its file by file copy.
fn refuse_same(opened: &Opened, peer: &Opened) -> Result<(), Failure> {
    if opened.repository.id() != peer.repository.id() {
        return Ok(());
    }
    if opened.shown() == peer.shown() {
        return Err(Failure::refused("cannot synchronize a store with itself"));
    }
    Err(Failure::refused(format!(
        "{} and {} have the same identity {}",
        opened.shown(),
        peer.shown(),
        opened.repository.id()
    ))
    .with_hint("one is a copy of the other's files: make a new store with `create` and synchronize into it"))
}

impl Sync {
    fn request(&self) -> Result<Request, Failure> {
        let usage = || Failure::usage("usage: sync [ID] to|from|with LOCATION");
        let words: Vec<&str> =
            self.arguments.iter().map(|word| word.to_str()).collect::<Option<_>>().ok_or_else(usage)?;
        let (prefix, direction, peer) = match words.as_slice() {
            [direction, peer] => ("", *direction, *peer),
            [prefix, direction, peer] => (*prefix, *direction, *peer),
            _ => return Err(usage()),
        };
        let direction = match direction {
            "to" => Direction::To,
            "from" => Direction::From,
            "with" => Direction::With,
            other => {
                return Err(Failure::usage(format!("invalid direction: {other}, must be to, from or with")));
            }
        };
        if !SnapshotArgument::parse(prefix.as_ref()).is_hexadecimal() {
            return Err(Failure::refused(format!("invalid snapshot prefix: {prefix}")));
        }
        let prefix = prefix.trim_end_matches(':').to_owned();
        Ok(Request { prefix, direction, peer: peer.to_owned() })
    }

    fn copy(&self, app: &App, from: &Opened, to: &Opened, prefix: &str) -> Result<Went, Failure> {
        let selection = select_retained(&from.repository, &app.ui, prefix, &self.filters, &self.retention);
        let mut went = Went { copied: 0, failed: selection.unreadable as u64 };
        app.ui.recorder().count(Counts { snapshots_failed: Some(went.failed), ..Counts::default() });
        if selection.snapshots.is_empty() {
            app.ui.info(&format!("No matching snapshot found in store {}", from.shown()));
            return Ok(went);
        }
        let ids: Vec<SnapshotId> = selection.snapshots.iter().map(Snapshot::id).collect();
        drop(selection);
        // Whoever names a snapshot wants it.
        let removed = if prefix.is_empty() { Removed::Skip } else { Removed::BringBack };
        let mut before = bytes(from, to);
        let mut stay_removed = 0;
        let report =
            sync(&from.repository, &to.repository, &ids, removed, app.ui.as_ref(), &mut |step| match step {
                SyncStep::Begun(id) => app.ui.info(&format!(
                    "Synchronizing snapshot {id} from {} to {}",
                    from.shown(),
                    to.shown()
                )),
                SyncStep::Copied(done) => {
                    let after = bytes(from, to);
                    app.ui.summary(&Summary::added(done.snapshot, done.elapsed, before, after));
                    before = after;
                    app.ui.recorder().count(Counts {
                        entries: Some(done.entries),
                        content_bytes: Some(done.content_bytes),
                        ..Counts::default()
                    });
                    app.ui.info(&format!("Synchronization of {} finished", done.snapshot));
                }
                SyncStep::Failed(id, error) => {
                    app.ui.error(&format!("{}: not synchronized: {}", id.short(), chain(error)));
                }
                SyncStep::StaysRemoved(_) => stay_removed += 1,
            })?;
        went.copied = report.copied;
        went.failed += report.failed;
        app.ui.recorder().count(Counts {
            snapshots: Some(report.copied),
            snapshots_failed: Some(report.failed),
            snapshots_present: Some(report.present),
            ..Counts::default()
        });
        if stay_removed > 0 {
            app.ui.info(&format!(
                "sync: {stay_removed} snapshots were removed from {} and stay so, unless they are named",
                to.shown()
            ));
        }
        app.ui.info(&format!(
            "sync: synchronization from {} to {} completed: {} snapshots synchronized",
            from.shown(),
            to.shown(),
            went.copied
        ));
        Ok(went)
    }
}

/// Bytes read from the one store and written to the other so far.
fn bytes(from: &Opened, to: &Opened) -> (u64, u64) {
    (from.bytes().0, to.bytes().1)
}
