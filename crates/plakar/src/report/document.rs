//! The report as one JSON object.

use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use crate::cli::date;
use crate::machine;
use crate::report::{Report, Store};
use crate::ui::Summary;

/// Raised only when a field goes or changes its meaning.
const REPORT_VERSION: u32 = 1;

/// The whole file.
pub fn text(report: &Report<'_>) -> String {
    let state = &report.state;
    let (message, hints) = match report.ending.result {
        Ok(_) => (None, Vec::new()),
        Err(failure) => failure.words(),
    };
    let limitations: Map<String, Value> =
        state.limitations.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
    let value = json!({
        "report_version": REPORT_VERSION,
        "program": machine::client(),
        "hostname": machine::hostname(),
        "command": report.ending.command,
        "started": date::show_precise(report.started),
        "finished": date::show_precise(report.finished),
        "duration_ms": report.duration_ms,
        "result": report.result(),
        "exit_code": report.ending.code,
        "failure": message.map(|message| json!({ "message": message, "hints": hints })),
        "store": state.store.as_ref().map(store),
        "peer": state.peer.as_ref().map(store),
        "snapshots": state.runs.iter().map(run).collect::<Vec<_>>(),
        "counts": state.counts,
        "retries": report.retries,
        "limitations": limitations,
        "error_count": state.error_count,
        "errors": state.errors,
        "warnings": state.warnings,
    });
    // Pretty printing of a value that is already JSON cannot fail.
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_else(|_| value.to_string());
    text.push('\n');
    text
}

fn store(store: &Store) -> Value {
    let traffic = store.traffic.as_deref();
    let total = |pick: fn(&kloset_connector::layer::Traffic) -> &std::sync::atomic::AtomicU64| {
        traffic.map_or(0, |traffic| pick(traffic).load(Ordering::Relaxed))
    };
    json!({
        "location": store.location,
        "id": store.id.map(|id| id.to_string()),
        "read_bytes": total(|traffic| &traffic.read_bytes),
        "written_bytes": total(|traffic| &traffic.written_bytes),
        "calls": total(|traffic| &traffic.calls),
    })
}

fn run(run: &Summary) -> Value {
    json!({
        "id": run.snapshot.to_string(),
        "operation": run.verb,
        "errors": run.errors,
        "duration_ms": run.elapsed.as_millis() as u64,
        "read_bytes": run.read_bytes,
        "written_bytes": run.written_bytes,
    })
}
