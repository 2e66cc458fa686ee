//! `plakar prune`.

use std::ffi::OsString;
use std::sync::Arc;

use clap::Parser;
use kloset::remove::remove;
use kloset::{Repository, Snapshot};
use kloset_format::SnapshotId;
use kloset_format::header::Header;

use crate::app::App;
use crate::cli::date;
use crate::commands::Run;
use crate::commands::ls::{logical_size, tag_list};
use crate::config::policies;
use crate::error::{Failure, Outcome};
use crate::filters::{Filters, Selection, SnapshotArgument, select_filtered};
use crate::open;
use crate::retention::{self, Kept, Retention};
use crate::size;
use crate::ui::escape;

/// Remove old snapshots by rules
#[derive(Parser)]
#[command(
    name = "prune",
    long_about = "Of the snapshots that pass the filters, removes those that no retention rule keeps. Without \
                  -apply, only says what would be removed. Filters alone remove nothing. Flags on the line \
                  override those of a policy. The space is given back by `maintenance`."
)]
pub struct Prune {
    /// Really remove
    #[arg(long)]
    apply: bool,

    /// Take filters and rules from a policy
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,

    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    retention: Retention,

    /// Only these snapshots
    #[arg(value_name = "ID", num_args = 0..)]
    arguments: Vec<OsString>,
}

/// A snapshot and its fate.
struct Row {
    id: SnapshotId,
    /// Up to the reason.
    text: String,
    /// Why it is kept or deleted.
    why: String,
    delete: bool,
}

impl Run for Prune {
    fn run(mut self, app: &App) -> Result<Outcome, Failure> {
        let mut ids = Vec::new();
        if let Some(name) = &self.policy {
            let policy = policies::find(app, name)?;
            ids = policy.apply(&mut self.filters, &mut self.retention).map_err(Failure::refused)?;
        }
        if self.filters.is_empty() && self.retention.is_empty() {
            return Err(Failure::usage(
                "no filter or retention rule specified, not going to prune everything",
            ));
        }
        let opened = open::open(app)?;
        if !self.arguments.is_empty() {
            ids.clear();
            for text in &self.arguments {
                ids.push(SnapshotArgument::parse(text).only_id(&opened.repository)?.to_string());
            }
        }
        let selection = self.select(app, &opened.repository, &ids);
        let rows = self.rows(app, &selection.snapshots);
        let doomed: Vec<SnapshotId> = rows.iter().filter(|row| row.delete).map(|row| row.id).collect();
        if rows.is_empty() {
            app.ui.info("prune: no snapshots matched the selection");
        } else if self.apply {
            remove(&opened.repository, &doomed)?;
            for id in doomed {
                app.ui.info(&format!("prune: removal of {} completed successfully", id.short()));
            }
        } else {
            let kept = rows.len() - doomed.len();
            let gone = doomed.len();
            app.ui.result(&format!(
                "prune: would keep {kept} and delete {gone} snapshot(s), run with -apply to proceed"
            ))?;
            let width = rows.iter().map(|row| row.text.chars().count()).max().unwrap_or(0);
            for row in &rows {
                app.ui.result(&format!("{:<width$}  {}", row.text, row.why))?;
            }
        }
        // What cannot be read is never removed by a rule, and was reported.
        Ok(if selection.unreadable > 0 { Outcome::Partial } else { Outcome::Done })
    }
}

impl Prune {
    /// Snapshots that pass the filters, newest first.
    fn select(&self, app: &App, repository: &Arc<Repository>, ids: &[String]) -> Selection {
        let mut selection = select_filtered(repository, &app.ui, "", &self.filters);
        if !ids.is_empty() {
            selection.snapshots.retain(|snapshot| {
                let id = snapshot.id().to_string();
                ids.iter().any(|wanted| id.starts_with(wanted.as_str()))
            });
        }
        selection
    }

    fn rows(&self, app: &App, snapshots: &[Snapshot]) -> Vec<Row> {
        let headers: Vec<&Header> = snapshots.iter().map(Snapshot::header).collect();
        let fates: Vec<Option<String>> = if self.retention.is_empty() {
            headers.iter().map(|_| Some("reason=matched filters".to_owned())).collect()
        } else {
            retention::apply(&self.retention, app.now(), &headers)
                .into_iter()
                .map(|kept| kept.as_ref().map(shown))
                .collect()
        };
        snapshots.iter().zip(fates).map(|(snapshot, fate)| row(snapshot, fate)).collect()
    }
}

fn shown(kept: &Kept) -> String {
    let cap = kept.cap.map_or_else(|| "none".to_owned(), |cap| cap.to_string());
    format!("match={}:{} rank={} cap={cap}", kept.rule, kept.bucket, kept.rank)
}

fn row(snapshot: &Snapshot, fate: Option<String>) -> Row {
    let delete = fate.is_none();
    let action = if delete { "delete" } else { "keep" };
    let tags = tag_list(snapshot);
    let tags = if tags.is_empty() { tags } else { format!(" tags={tags}") };
    let text = format!(
        "{action:<8} {} {:>10}{:>10} {}{tags}",
        date::show(snapshot.header().timestamp),
        snapshot.id().short(),
        size::show(logical_size(snapshot)),
        escape::name(snapshot.root_directory()),
    );
    let why = fate.unwrap_or_else(|| "reason=outside retention windows".to_owned());
    Row { id: snapshot.id(), text, why, delete }
}
