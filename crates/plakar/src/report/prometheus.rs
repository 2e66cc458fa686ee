//! The report in Prometheus' text format, for node_exporter's textfile collector.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use crate::machine;
use crate::report::{Report, Store};

/// Survives runs that fail: what alerts look at.
const LAST_SUCCESS: &str = "plakar_last_success_timestamp_seconds";

/// Metrics under construction.
struct Page {
    text: String,
    labels: String,
}

/// The whole file; `previous` is the one that it replaces.
pub fn text(report: &Report<'_>, previous: Option<&str>) -> String {
    let state = &report.state;
    let location = state.store.as_ref().map_or("", |store| store.location.as_str());
    let command = report.ending.command;
    let mut page = Page {
        text: String::new(),
        labels: format!("command=\"{}\",location=\"{}\"", escaped(command), escaped(location)),
    };
    let seconds = |ms: u64| format!("{}.{:03}", ms / 1000, ms % 1000);
    page.info(state.store.as_ref());
    page.metric("plakar_last_run_start_timestamp_seconds", "When the run started.", report.started.seconds);
    page.metric("plakar_last_run_end_timestamp_seconds", "When the run ended.", report.finished.seconds);
    page.metric("plakar_last_run_duration_seconds", "How long the run took.", seconds(report.duration_ms));
    page.metric("plakar_last_run_exit_code", "Exit code of the run.", report.ending.code);
    page.metric(
        "plakar_last_run_success",
        "1 if everything was done, else 0.",
        u8::from(report.ending.code == 0),
    );
    page.metric("plakar_last_run_errors", "Paths, objects and snapshots that failed.", state.error_count);
    page.metric("plakar_last_run_retries", "Operations that were tried again.", report.retries);
    page.traffic(report);
    page.counts(report);
    let what = state.limitations.iter().map(|(name, count)| (*name, *count));
    page.group("plakar_last_run_not_expressed", "Entries the destination could not express.", "what", what);
    page.last_success(report, previous);
    page.text
}

impl Page {
    fn head(&mut self, name: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    fn metric(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, help);
        let _ = writeln!(self.text, "{name}{{{}}} {value}", self.labels);
    }

    fn group<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl Iterator<Item = (&'a str, u64)>,
    ) {
        self.head(name, help);
        for (kind, value) in values {
            let _ = writeln!(self.text, "{name}{{{},{label}=\"{}\"}} {value}", self.labels, escaped(kind));
        }
    }

    fn info(&mut self, store: Option<&Store>) {
        let name = "plakar_report_info";
        self.head(name, "The program and the identity of the store, where it is known.");
        let id = store.and_then(|store| store.id).map(|id| id.to_string()).unwrap_or_default();
        let program = machine::client();
        let _ = writeln!(
            self.text,
            "{name}{{{},program=\"{}\",store=\"{id}\"}} 1",
            self.labels,
            escaped(&program)
        );
    }

    fn traffic(&mut self, report: &Report<'_>) {
        let sides = [("store", &report.state.store), ("peer", &report.state.peer)];
        let totals = |written: bool| {
            sides.into_iter().filter_map(move |(side, store)| {
                let traffic = store.as_ref()?.traffic.as_ref()?;
                let bytes = if written { &traffic.written_bytes } else { &traffic.read_bytes };
                Some((side, bytes.load(Ordering::Relaxed)))
            })
        };
        self.group("plakar_last_run_read_bytes", "Bytes read from the store.", "side", totals(false));
        self.group("plakar_last_run_written_bytes", "Bytes written to the store.", "side", totals(true));
    }

    fn counts(&mut self, report: &Report<'_>) {
        let counts = serde_json::to_value(report.state.counts).unwrap_or_default();
        let counts = counts.as_object().cloned().unwrap_or_default();
        let known = counts.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_u64()?)));
        self.group("plakar_last_run_count", "What the run counted.", "kind", known);
    }

    /// Now, or what the replaced file says.
    fn last_success(&mut self, report: &Report<'_>, previous: Option<&str>) {
        let line = if report.ending.code == 0 {
            Some(format!("{LAST_SUCCESS}{{{}}} {}", self.labels, report.finished.seconds))
        } else {
            previous.and_then(|text| {
                text.lines().find(|line| line.starts_with(&format!("{LAST_SUCCESS}{{"))).map(str::to_owned)
            })
        };
        if let Some(line) = line {
            self.head(LAST_SUCCESS, "When a run last did everything.");
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }
}

/// A label's value.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
