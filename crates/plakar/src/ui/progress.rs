//! The progress line on a terminal: rate, time left, current path, errors so far.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kloset::Event;

use crate::ui::escape;

/// Paths are shown no faster than this: nobody reads more.
const PATH_EVERY: Duration = Duration::from_millis(100);

#[derive(Default)]
struct State {
    bar: Option<ProgressBar>,
    path_shown: Option<Instant>,
    entries: u64,
    entries_expected: u64,
    errors: u64,
}

/// A progress line that is drawn once [`Progress::start`] was called.
#[derive(Default)]
pub struct Progress {
    state: Mutex<State>,
}

impl Progress {
    /// Nothing is drawn yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts drawing on standard error.
    pub fn start(&self, workflow: &'static str) {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(style(false));
        bar.set_prefix(workflow);
        bar.enable_steady_tick(Duration::from_millis(200));
        *self.lock() = State { bar: Some(bar), ..State::default() };
    }

    /// Takes one event into account.
    pub fn event(&self, event: Event<'_>) {
        let mut state = self.lock();
        let Some(bar) = state.bar.clone() else { return };
        match event {
            Event::Phase(name) => bar.set_prefix(name),
            Event::Expected { entries, bytes, complete } => {
                state.entries_expected = entries;
                bar.set_length(bytes);
                if complete {
                    bar.set_style(style(true));
                }
            }
            Event::Progress { entries, bytes } => {
                state.entries += entries;
                bar.inc(bytes);
            }
            Event::PathDone { path, .. } => {
                if state.path_shown.is_some_and(|shown| shown.elapsed() < PATH_EVERY) {
                    return;
                }
                state.path_shown = Some(Instant::now());
                bar.set_message(state.message(&escape::name(path)));
            }
            Event::PathFailed { .. } | Event::ObjectFailed { .. } => state.errors += 1,
            Event::Checkpoint(_) | Event::Found(_) | Event::Warning(_) | Event::Info(_) => {}
        }
    }

    /// Shows a text in place of the current path.
    pub fn note(&self, text: &str) {
        let state = self.lock();
        if let Some(bar) = &state.bar {
            bar.set_message(state.message(&escape::line(text)));
        }
    }

    /// Runs `action`, which writes to the terminal, with the line out of the way.
    pub fn suspended(&self, action: impl FnOnce()) {
        let bar = self.lock().bar.clone();
        match bar {
            Some(bar) => bar.suspend(action),
            None => action(),
        }
    }

    /// Stops drawing and wipes the line.
    pub fn finish(&self) {
        if let Some(bar) = self.lock().bar.take() {
            bar.finish_and_clear();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn message(&self, text: &str) -> String {
        let errors = if self.errors == 0 { String::new() } else { format!(" ({} errors)", self.errors) };
        format!("{}/{}{errors} {text}", self.entries, self.entries_expected.max(self.entries))
    }
}

/// With or without the parts that need a final total.
fn style(total_known: bool) -> ProgressStyle {
    let template = if total_known {
        "{prefix} {percent}% {bytes}/{total_bytes} {binary_bytes_per_sec} eta {eta} {wide_msg}"
    } else {
        "{prefix} {spinner} {bytes} {binary_bytes_per_sec} {wide_msg}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
