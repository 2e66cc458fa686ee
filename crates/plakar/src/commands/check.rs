//! `plakar check`.

use std::ffi::OsString;

use clap::Parser;
use kloset::check::{CheckOptions, check};
use kloset_format::SnapshotId;

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome, chain};
use crate::filters::{Filters, SnapshotArgument, select_retained};
use crate::open::{self, Opened};
use crate::report::{Counts, ReportFlag};
use crate::retention::Retention;
use crate::ui::Summary;

/// Verify that snapshots are whole
#[derive(Parser)]
#[command(
    name = "check",
    long_about = "Reads everything that the chosen snapshots rely on and verifies it; all snapshots by \
                  default. Ends with 65 if anything is damaged or missing."
)]
pub struct Check {
    /// Read only what a listing needs, no contents
    #[arg(long)]
    fast: bool,

    /// Accepted for compatibility: signatures are not verified
    #[arg(long)]
    no_verify: bool,

    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    retention: Retention,

    #[command(flatten)]
    report: ReportFlag,

    /// Snapshots, and where in them to start
    #[arg(value_name = "ID[:PATH]", num_args = 0..)]
    arguments: Vec<OsString>,
}

/// What is to be checked, and how many snapshots are damaged already.
struct Plan {
    targets: Vec<(SnapshotId, Vec<u8>)>,
    damaged: usize,
}

impl Run for Check {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let arguments: Vec<_> = self.arguments.iter().map(|text| SnapshotArgument::parse(text)).collect();
        if let Some(bad) = arguments.iter().find(|argument| !argument.is_hexadecimal()) {
            return Err(Failure::refused(format!("invalid snapshot prefix: {}", bad.prefix)));
        }
        let opened = open::open(app)?;
        app.ui.start("check", Some(opened.repository.id().0));
        let plan = self.plan(app, &opened, &arguments)?;
        let options = CheckOptions { fast: self.fast };
        let damaged = run(app, &opened, &plan.targets, options)? + plan.damaged;
        app.ui.end();
        app.ui.recorder().count(Counts {
            snapshots: Some((plan.targets.len() + plan.damaged) as u64),
            snapshots_failed: Some(damaged as u64),
            ..Counts::default()
        });
        if damaged > 0 { Err(Failure::Damaged { snapshots: damaged }) } else { Ok(Outcome::Done) }
    }
}

impl Check {
    fn plan(&self, app: &App, opened: &Opened, arguments: &[SnapshotArgument]) -> Result<Plan, Failure> {
        let everything = [SnapshotArgument::default()];
        let arguments = if arguments.is_empty() { &everything[..] } else { arguments };
        let mut plan = Plan { targets: Vec::new(), damaged: 0 };
        for argument in arguments {
            let selection = select_retained(
                &opened.repository,
                &app.ui,
                &argument.prefix,
                &self.filters,
                &self.retention,
            );
            // A snapshot whose header cannot be read is damaged, whatever else is wrong.
            plan.damaged += selection.unreadable;
            let found_none = selection.snapshots.is_empty() && selection.unreadable == 0;
            if found_none
                && !argument.prefix.is_empty()
                && self.filters.is_empty()
                && self.retention.is_empty()
            {
                return Err(kloset::Error::SnapshotUnknown(argument.prefix.clone()).into());
            }
            for snapshot in selection.snapshots {
                let path = if argument.path.is_empty() {
                    b"/".to_vec()
                } else {
                    match snapshot.resolve(&snapshot.absolute(&argument.path)) {
                        Ok(found) => found.path,
                        Err(error) if error.is_damage() => {
                            app.ui.error(&format!("{}: {}", snapshot.id().short(), chain(&error)));
                            plan.damaged += 1;
                            continue;
                        }
                        Err(error) => return Err(error.into()),
                    }
                };
                let target = (snapshot.id(), path);
                if !plan.targets.contains(&target) {
                    plan.targets.push(target);
                }
            }
        }
        Ok(plan)
    }
}

/// Checks `targets`, prints a summary for each snapshot, and returns the number of damaged ones.
pub fn run(
    app: &App,
    opened: &Opened,
    targets: &[(SnapshotId, Vec<u8>)],
    options: CheckOptions,
) -> Result<usize, Failure> {
    let mut damaged = 0;
    let mut before = opened.bytes();
    check(&opened.repository, targets, options, app.ui.as_ref(), &mut |done| {
        let after = opened.bytes();
        damaged += usize::from(done.errors > 0);
        app.ui.summary(&Summary {
            snapshot: done.snapshot,
            verb: "check",
            errors: done.errors,
            elapsed: done.elapsed,
            read_bytes: after.0 - before.0,
            written_bytes: after.1 - before.1,
        });
        before = after;
    })?;
    Ok(damaged)
}
