//! How the engine and the connectors are heard: their events become lines, or move the progress line.

use std::time::{Duration, Instant};

use kloset::{Event, Monitor};
use kloset_connector::ConnectorEvents;

use super::{Style, Ui, escape, plain};

/// Reports of lost connections are not repeated faster than this.
const RETRY_REPORT_EVERY: Duration = Duration::from_secs(10);

impl Monitor for Ui {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Warning(text) => return self.warn(text),
            Event::Info(text) => return self.info(text),
            Event::Checkpoint(stored) => {
                self.recorder.event(event);
                return self.info(&plain::checkpoint(stored));
            }
            Event::Found(stored) => {
                self.recorder.event(event);
                if stored.blobs > 0 {
                    self.info(&plain::found(stored));
                }
                return;
            }
            Event::Phase(name) => self.trace("snapshot", &format!("phase {name}")),
            Event::Expected { entries, bytes, complete: true } => {
                self.trace("snapshot", &format!("{entries} entries, {bytes} bytes"));
            }
            event => self.recorder.event(event),
        }
        match self.style {
            Style::Json => {
                if let Some(value) = self.json.of(event) {
                    self.json_line(&value);
                }
            }
            Style::Plain => self.plain_event(event),
            Style::Progress => {
                self.progress.event(event);
                if !matches!(event, Event::PathDone { .. }) {
                    self.plain_event(event);
                }
            }
        }
    }

    fn wants_paths(&self) -> bool {
        match self.style {
            Style::Plain => !self.quiet && !self.silent,
            Style::Json | Style::Progress => true,
        }
    }
}

impl Ui {
    fn plain_event(&self, event: Event<'_>) {
        match event {
            Event::PathDone { .. } if self.quiet || self.silent => {}
            Event::PathDone { snapshot, path, .. } => {
                self.event_line(&plain::done(snapshot, path, self.out_is_terminal));
            }
            Event::PathFailed { snapshot, path, reason } if !self.silent => {
                self.error_line(&plain::failed(snapshot, path, reason, self.err_is_terminal));
            }
            Event::ObjectFailed { snapshot, object, reason } if !self.silent => {
                self.error_line(&plain::object_failed(snapshot, object, reason, self.err_is_terminal));
            }
            _ => {}
        }
    }
}

impl ConnectorEvents for Ui {
    fn warning(&self, text: &str) {
        self.warn(text);
    }

    fn stalled(&self, text: &str) {
        self.progress.note(text);
        self.report_retry(text);
    }

    fn traces(&self, subsystem: &str) -> bool {
        self.traced.iter().any(|wanted| wanted == "all" || wanted == subsystem)
    }

    fn trace(&self, subsystem: &str, text: &str) {
        if !self.traces(subsystem) {
            return;
        }
        if self.is_json() {
            self.json_line(&self.json.message("trace", &format!("{subsystem}: {text}")));
        } else {
            self.event_line(format!("trace: {subsystem}: {}\n", escape::line(text)).as_bytes());
        }
    }

    fn retried(&self, reason: &str) {
        self.recorder.retried();
        self.report_retry(&format!("trying again: {reason}"));
    }
}

impl Ui {
    fn report_retry(&self, text: &str) {
        let mut last = self.last_retry_report.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if last.is_none_or(|last| last.elapsed() > RETRY_REPORT_EVERY) {
            *last = Some(Instant::now());
            self.show_warning(text);
        }
    }
}
