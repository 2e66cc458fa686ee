//! `plakar status`.

mod sources;

use clap::Parser;
use kloset_connector::StoreFile;
use kloset_format::Timestamp;
use serde_json::json;

use crate::app::App;
use crate::cli::date;
use crate::commands::Run;
use crate::error::{Failure, Outcome};
use crate::filters::{Filters, now, parse_date, select_filtered};
use crate::open;
use crate::size;
use crate::ui::escape;
use sources::{Source, sources};

/// Say how the store is
#[derive(Parser)]
#[command(
    name = "status",
    long_about = "Newest snapshot, for each source the age of the newest good one (made without errors), space, \
                  what waits for maintenance, locks, and what speaks against the store. The filters choose \
                  which snapshots count. Ends with 1 if some snapshots cannot be read, or with -max-age if a \
                  source has no good snapshot that is young enough, or if there is no source at all."
)]
pub struct Status {
    /// End with 1 unless each source has a good snapshot made since that long ago (26h, 2 days) or
    /// this date
    #[arg(long, value_name = "AGE", value_parser = parse_date)]
    max_age: Option<Timestamp>,

    #[command(flatten)]
    filters: Filters,
}

impl Run for Status {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let opened = open::open(app)?;
        let repository = &opened.repository;
        let selection = select_filtered(repository, &app.ui, "", &self.filters);
        let now = now();
        let sources = sources(&selection.snapshots, now);
        let storage = repository.storage();
        let listed = |file| storage.list(file).map_err(kloset::Error::Storage);
        let (packfiles, states) = (listed(StoreFile::Packfile)?, listed(StoreFile::State)?);
        let bytes = packfiles.iter().chain(&states).filter_map(|file| file.size).fold(0, u64::saturating_add);
        let marked = repository.marked_packfiles().len();
        let kloset::Locks { readable: locks, unreadable: unreadable_locks } = repository.locks()?;
        let newest = selection.snapshots.first().map(|one| (one.id(), one.header().timestamp));
        if app.ui.is_json() {
            app.ui.result_json(&json!({
                "location": opened.shown(),
                "repository": repository.id().to_string(),
                "snapshots": selection.snapshots.len(),
                "unreadable_snapshots": selection.unreadable,
                "newest": newest.map(|(id, time)| json!({
                    "snapshot": id.to_string(), "timestamp": date::show_precise(time) })),
                "sources": sources.iter().map(|source| source.json(now)).collect::<Vec<_>>(),
                "packfiles": packfiles.len(),
                "marked_packfiles": marked,
                "states": states.len(),
                "storage_size": bytes,
                "locks": locks.iter().map(|(name, lock)| json!({
                    "lock": name.to_string(),
                    "hostname": lock.hostname,
                    "exclusive": lock.exclusive,
                    "timestamp": date::show_precise(lock.timestamp),
                })).collect::<Vec<_>>(),
                "unreadable_locks": unreadable_locks.len(),
                "suspicions": repository.suspicions(),
            }))?;
        } else {
            let mut lines =
                vec![format!("Store: {}", opened.shown()), format!("RepositoryID: {}", repository.id())];
            let count = selection.snapshots.len();
            lines.push(match newest {
                Some((id, time)) => format!("Snapshots: {count}, newest {} {}", id.short(), date::show(time)),
                None => format!("Snapshots: {count}"),
            });
            lines.extend(sources.iter().map(|source| format!(" - {}", source.line(now))));
            lines.push(format!("Packfiles: {}, {marked} waiting for maintenance", packfiles.len()));
            lines.push(format!("States: {}", states.len()));
            lines.push(format!("Storage size: {} ({bytes} bytes)", size::show(bytes)));
            lines.push(format!("Locks: {}", locks.len() + unreadable_locks.len()));
            for (_, lock) in &locks {
                let kind = if lock.exclusive { "exclusive" } else { "shared" };
                lines.push(format!(" - {kind}, {}, {}", lock.hostname, date::show(lock.timestamp)));
            }
            lines.extend(repository.suspicions().iter().map(|text| format!("Suspicion: {text}")));
            lines.iter().try_for_each(|line| app.ui.result(&escape::line(line)))?;
        }
        if selection.unreadable > 0 {
            return Err(Failure::refused("some snapshots cannot be read"));
        }
        self.max_age.map_or(Ok(Outcome::Done), |limit| judge(&sources, limit))
    }
}

/// Fails unless each source, and there must be one, has a good snapshot since `limit`.
fn judge(sources: &[Source], limit: Timestamp) -> Result<Outcome, Failure> {
    let old: Vec<String> =
        sources.iter().filter(|source| source.is_older_than(limit)).map(Source::name).collect();
    let since = date::show(limit);
    match (sources, old.as_slice()) {
        ([], _) => Err(Failure::refused(format!("no snapshot matches: no good snapshot since {since}"))),
        (_, []) => Ok(Outcome::Done),
        (_, old) => Err(Failure::refused(format!("no good snapshot since {since} of {}", old.join("; ")))),
    }
}
