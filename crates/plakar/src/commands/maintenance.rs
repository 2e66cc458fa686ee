//! `plakar maintenance`.

use std::time::Duration;

use clap::Parser;
use kloset::maintenance::{MaintenanceOptions, MaintenanceReport, maintain};
use kloset::repository::Acceptance;
use serde_json::json;

use crate::app::App;
use crate::cli::duration;
use crate::commands::Run;
use crate::error::{Failure, Outcome};
use crate::machine;
use crate::open;
use crate::size;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Give back the space of removed snapshots
#[derive(Parser)]
#[command(
    name = "maintenance",
    long_about = "Marks what no snapshot uses any more, and deletes what was marked before the grace period \
                  ($PLAKAR_GRACEPERIOD, 168h by default) and is still not used. Needs the store for itself.\n\n\
                  Stops if any snapshot cannot be read whole: `check` tells what is wrong, `rm` gives it up."
)]
pub struct Maintenance {
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,

    /// Also move what is in use out of packfiles that waste space, and merge states of which little
    /// still matters; packfiles with the header of a snapshot stay where they are unless the grace
    /// period is 0s
    #[arg(long)]
    repack: bool,
}

impl Run for Maintenance {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let options = MaintenanceOptions {
            grace: grace_period()?,
            dry_run: self.dry_run,
            repack: self.repack,
            keep_files: machine::is_set("PLAKAR_NODELETION"),
            accept_missing_states: app.acceptance() == Acceptance::AcceptChanges,
        };
        let opened = open::open(app)?;
        app.ui.start("maintenance", Some(opened.repository.id().0));
        let report = maintain(&opened.repository, &options, app.ui.as_ref())?;
        app.ui.end();
        if app.ui.is_json() {
            app.ui.result_json(&as_json(&report, options.dry_run))?;
        } else {
            lines(&report, &options).iter().try_for_each(|line| app.ui.result(line))?;
        }
        Ok(Outcome::Done)
    }
}

fn grace_period() -> Result<Duration, Failure> {
    match std::env::var("PLAKAR_GRACEPERIOD") {
        Ok(text) if !text.is_empty() => duration::parse(&text)
            .map_err(|why| Failure::refused(format!("invalid value of PLAKAR_GRACEPERIOD: {why}"))),
        _ => Ok(MaintenanceOptions::default().grace),
    }
}

fn lines(report: &MaintenanceReport, options: &MaintenanceOptions) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |text: String| lines.push(format!("maintenance: {text}"));
    let (marked, orphaned) = (report.coloured, report.orphaned);
    let (blobs, packfiles) = (report.removed_blobs, report.removed_packfiles);
    let moved = format!(
        "{} blobs ({}) of {} packfiles ({})",
        report.repacked_blobs,
        size::show(report.repacked_bytes),
        report.repacked_packfiles,
        size::show(report.repacked_from_bytes)
    );
    if options.dry_run {
        let bytes = size::show(report.coloured_bytes);
        say(format!("would colour {marked} packfiles ({orphaned} orphaned, {bytes}) for deletion"));
        let bytes = size::show(report.removed_bytes);
        say(format!("{blobs} blobs and {packfiles} packfiles ({bytes}) would be removed"));
        if options.repack {
            say(format!("would repack {moved}"));
            say(format!("would merge {} states", report.merged_states));
        }
        if options.repack || report.removed_states > 0 {
            say(format!("{} replaced states would be removed", report.removed_states));
        }
    } else {
        say(format!("Coloured {marked} packfiles ({orphaned} orphaned) for deletion"));
        say(format!("{blobs} blobs and {packfiles} packfiles were removed"));
        if options.repack {
            say(format!("repacked {moved}"));
            say(format!("merged {} states", report.merged_states));
        }
        if options.repack || report.removed_states > 0 {
            say(format!("{} replaced states were removed", report.removed_states));
        }
    }
    if report.used_again > 0 {
        say(format!("{} coloured packfiles are in use again", report.used_again));
    }
    if !report.temporary_files.is_empty() {
        say(format!("{} leftovers of interrupted writes", report.temporary_files.len()));
    }
    if marked > 0 {
        let grace = days(options.grace);
        lines.insert(1, format!("Coloured packfiles are scheduled to be removed in {grace}"));
    }
    lines
}

/// Whole days as `7d`, anything else in Go's notation.
fn days(grace: Duration) -> String {
    let seconds = grace.as_secs();
    if grace >= DAY && seconds.is_multiple_of(DAY.as_secs()) && grace.subsec_nanos() == 0 {
        format!("{}d", seconds / DAY.as_secs())
    } else {
        duration::show(grace)
    }
}

fn as_json(report: &MaintenanceReport, dry_run: bool) -> serde_json::Value {
    json!({
        "dry_run": dry_run,
        "coloured": report.coloured,
        "coloured_bytes": report.coloured_bytes,
        "orphaned": report.orphaned,
        "used_again": report.used_again,
        "removed_packfiles": report.removed_packfiles,
        "removed_blobs": report.removed_blobs,
        "removed_bytes": report.removed_bytes,
        "repacked_packfiles": report.repacked_packfiles,
        "repacked_blobs": report.repacked_blobs,
        "repacked_bytes": report.repacked_bytes,
        "repacked_from_bytes": report.repacked_from_bytes,
        "merged_states": report.merged_states,
        "removed_states": report.removed_states,
        "temporary_files": report.temporary_files,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_upstream() {
        let report = MaintenanceReport {
            coloured: 3,
            orphaned: 1,
            removed_blobs: 7,
            removed_packfiles: 2,
            ..MaintenanceReport::default()
        };
        assert_eq!(
            lines(&report, &MaintenanceOptions::default()),
            [
                "maintenance: Coloured 3 packfiles (1 orphaned) for deletion",
                "Coloured packfiles are scheduled to be removed in 7d",
                "maintenance: 7 blobs and 2 packfiles were removed",
            ]
        );
        assert_eq!(lines(&MaintenanceReport::default(), &MaintenanceOptions::default()).len(), 2);
        assert_eq!(days(Duration::from_secs(90 * 60)), "1h30m0s");
    }
}
