//! What a package says on standard error.
//!
//! Lines are shown as they come, without control characters and up to a limit; the last ones are
//! kept for the error that may follow. Whatever comes after the limit is read and dropped, so that
//! a package that talks without end does not block itself.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use kloset_connector::ConnectorEvents;
use plugin_sdk::failure::printable;

/// Lines that are shown.
const LINES_SHOWN: usize = 100;
/// Lines that are kept for an error.
const LINES_KEPT: usize = 5;
/// Longest line; the rest of it counts as the next one.
const LINE_BYTES_MAX: u64 = 1024;

/// The last words of a package.
#[derive(Default)]
pub(crate) struct Spoken {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    last: VecDeque<String>,
    ended: bool,
}

impl Spoken {
    /// Reads until the package's end, on a thread of its own.
    pub(crate) fn listen(
        package: String,
        stderr: impl Read + Send + 'static,
        events: Arc<dyn ConnectorEvents>,
    ) -> std::io::Result<Arc<Self>> {
        let spoken = Arc::new(Self::default());
        let log = Arc::clone(&spoken);
        std::thread::Builder::new().name("package-stderr".to_owned()).spawn(move || {
            log.read(&package, stderr, events.as_ref());
            log.lock().ended = true;
            log.ended.notify_all();
        })?;
        Ok(spoken)
    }

    fn read(&self, package: &str, stderr: impl Read, events: &dyn ConnectorEvents) {
        let mut reader = BufReader::new(stderr);
        let mut line = Vec::new();
        let mut shown = 0;
        loop {
            line.clear();
            match reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let text = printable(&String::from_utf8_lossy(&line));
            if text.is_empty() {
                continue;
            }
            if shown < LINES_SHOWN {
                events.warning(&format!("package {package}: {text}"));
            } else if shown == LINES_SHOWN {
                events.warning(&format!("package {package} says more, which is not shown"));
            }
            shown += 1;
            let mut state = self.lock();
            if state.last.len() == LINES_KEPT {
                state.last.pop_front();
            }
            state.last.push_back(text);
        }
    }

    /// The last lines, joined; waits a moment for what is still on its way.
    pub(crate) fn last_words(&self, patience: Duration) -> String {
        let state = self.lock();
        let (state, _) = self
            .ended
            .wait_timeout_while(state, patience, |state| !state.ended)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        state.last.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
