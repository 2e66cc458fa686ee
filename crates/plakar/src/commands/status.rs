//! `plakar status`.

use clap::Parser;
use kloset_connector::StoreFile;
use serde_json::json;

use crate::app::App;
use crate::cli::date;
use crate::commands::Run;
use crate::error::{Failure, Outcome};
use crate::filters::select;
use crate::open;
use crate::size;
use crate::ui::escape;

/// Say how the store is
#[derive(Parser)]
#[command(
    name = "status",
    long_about = "Newest snapshot, space, what waits for maintenance, locks, and what speaks against the store. \
                  Ends with 1 if some snapshots cannot be read."
)]
pub struct Status {}

impl Run for Status {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let opened = open::open(app)?;
        let repository = &opened.repository;
        let selection = select(repository, &app.ui, "", &|_| true);
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
            Err(Failure::refused("some snapshots cannot be read"))
        } else {
            Ok(Outcome::Done)
        }
    }
}
