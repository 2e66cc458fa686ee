//! What the user sees while a command works and when it ends.
//!
//! Results, `OK` lines, `info:` lines and summaries go to standard output; everything that went wrong,
//! progress and prompts go to standard error. The engine and the connectors are heard through
//! [`Ui`]'s implementations of their traits.

pub mod escape;
mod events;
mod json;
mod output;
mod plain;
mod progress;
mod summary;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::cli::Globals;
use crate::error::Failure;
use crate::report::Recorder;

pub use json::{named, path_object};
pub use output::ResultWriter;
pub use summary::Summary;

/// Size of the buffer before standard output: fifty thousand lines cost few writes.
const OUT_BUFFER_BYTES: usize = 64 * 1024;
/// A line waits no longer than this in the buffer while lines keep coming.
const OUT_FLUSH_AFTER: Duration = Duration::from_millis(500);

/// How events are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Style {
    Plain,
    Json,
    Progress,
}

struct Out {
    writer: BufWriter<Box<dyn Write + Send>>,
    flushed: Instant,
}

/// The user's side of one command.
pub struct Ui {
    style: Style,
    quiet: bool,
    silent: bool,
    out_is_terminal: bool,
    err_is_terminal: bool,
    out: Mutex<Out>,
    json: json::Stream,
    /// Subsystems whose steps are shown.
    traced: Vec<String>,
    progress: progress::Progress,
    recorder: Recorder,
    last_retry_report: Mutex<Option<Instant>>,
}

/// The words of `-trace`.
fn traced(globals: &Globals) -> Vec<String> {
    let list = globals.trace.as_deref().unwrap_or_default();
    list.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

impl Ui {
    /// Chooses the style from flags and from what standard output is.
    pub fn new(globals: &Globals) -> Self {
        let out_is_terminal = io::stdout().is_terminal();
        let err_is_terminal = io::stderr().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let plain = globals.stdio || globals.quiet || globals.silent || globals.trace.is_some();
        let style = if globals.json {
            Style::Json
        } else if out_is_terminal && err_is_terminal && !dumb && !plain {
            Style::Progress
        } else {
            Style::Plain
        };
        let writer =
            BufWriter::with_capacity(OUT_BUFFER_BYTES, Box::new(io::stdout()) as Box<dyn Write + Send>);
        Self {
            style,
            quiet: globals.quiet,
            silent: globals.silent,
            out_is_terminal,
            err_is_terminal,
            out: Mutex::new(Out { writer, flushed: Instant::now() }),
            json: json::Stream::new(),
            traced: traced(globals),
            progress: progress::Progress::new(),
            recorder: Recorder::new(),
            last_retry_report: Mutex::new(None),
        }
    }

    /// Whether listings are wanted as JSON.
    pub fn is_json(&self) -> bool {
        self.style == Style::Json
    }

    /// What a report of the run is made from.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// A line of a command's result.
    pub fn result(&self, line: &str) -> Result<(), Failure> {
        self.result_bytes(line.as_bytes())?;
        self.result_bytes(b"\n")
    }

    /// A JSON object of a command's result.
    pub fn result_json(&self, value: &serde_json::Value) -> Result<(), Failure> {
        self.result(&value.to_string())
    }

    /// Bytes of a command's result.
    pub fn result_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.write_out(bytes).map_err(Failure::Output)
    }

    /// Standard output as a writer.
    pub fn result_writer(&self) -> ResultWriter<'_> {
        ResultWriter(self)
    }

    /// Leaves standard output to the command: from now on everything goes to standard error.
    pub fn leave_output(&self) {
        self.lock().writer = BufWriter::with_capacity(OUT_BUFFER_BYTES, Box::new(io::stderr()));
    }

    /// Writes out what is buffered.
    pub fn flush(&self) -> Result<(), Failure> {
        self.lock().writer.flush().map_err(Failure::Output)
    }

    /// Says something that may be hidden.
    pub fn info(&self, text: &str) {
        match self.style {
            Style::Json => self.json_line(&self.json.message("info", text)),
            _ if self.quiet || self.silent => {}
            _ => self.event_line(format!("info: {}\n", escape::line(text)).as_bytes()),
        }
    }

    /// Says something the user should know.
    pub fn warn(&self, text: &str) {
        self.recorder.warning(text);
        self.show_warning(text);
    }

    fn show_warning(&self, text: &str) {
        if self.is_json() {
            self.json_line(&self.json.message("warn", text));
        } else if !self.silent {
            self.error_line(&format!("warn: {}", escape::line(text)));
        }
    }

    /// Says that something went wrong while the command goes on.
    pub fn error(&self, text: &str) {
        self.recorder.error(text);
        if self.is_json() {
            self.json_line(&self.json.message("error", text));
        } else if !self.silent {
            self.error_line(&format!("error: {}", escape::line(text)));
        }
    }

    /// A text on standard error, whole lines.
    pub fn report(&self, text: &str) {
        let _ = self.lock().writer.flush();
        self.progress.suspended(|| {
            let _ = io::stderr().lock().write_all(text.as_bytes());
        });
    }

    /// A command on a store begins.
    pub fn start(&self, workflow: &'static str, repository: Option<[u8; 16]>) {
        self.json.start(workflow, repository);
        if self.is_json() {
            self.json_line(&self.json.event("workflow.start", "info", None, None));
        }
        if self.style == Style::Progress {
            self.progress.start(workflow);
        }
    }

    /// A command on a store ends.
    pub fn end(&self) {
        self.progress.finish();
        if self.is_json() {
            self.json_line(&self.json.event("workflow.end", "info", None, None));
        }
    }

    /// Takes the progress line away.
    pub fn end_progress(&self) {
        self.progress.finish();
    }

    /// The one-line summary of an operation.
    pub fn summary(&self, summary: &Summary) {
        self.progress.finish();
        self.recorder.summary(summary);
        if self.is_json() {
            self.json_line(&self.json.result(summary));
        } else if !self.silent {
            self.event_line(format!("{}\n", summary.text()).as_bytes());
        }
    }

    fn json_line(&self, value: &serde_json::Value) {
        self.event_line(format!("{value}\n").as_bytes());
    }

    /// A line about an event: losing it (reader gone) must not stop a backup.
    fn event_line(&self, line: &[u8]) {
        self.progress.suspended(|| {
            let _ = self.write_out(line);
        });
    }

    fn error_line(&self, line: &str) {
        self.report(&format!("{line}\n"));
    }

    fn write_out(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = self.lock();
        out.writer.write_all(bytes)?;
        if self.out_is_terminal || out.flushed.elapsed() > OUT_FLUSH_AFTER {
            out.writer.flush()?;
            out.flushed = Instant::now();
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
