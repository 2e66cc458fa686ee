//! INT and TERM: the first asks for a graceful end, the second ends at once.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::terminal;

static RECEIVED: AtomicI32 = AtomicI32::new(0);

/// The first interrupt that was received, if any.
pub fn received() -> Option<i32> {
    match RECEIVED.load(Ordering::Relaxed) {
        0 => None,
        signal => Some(signal),
    }
}

/// Starts watching; the returned flag is set by the first interrupt.
pub fn watch() -> Arc<AtomicBool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    // Without the watcher the signals keep their default effect, which is safe as well.
    if let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) {
        let watcher = std::thread::Builder::new().name("signals".to_owned());
        let _ = watcher.spawn(move || {
            for signal in signals.forever() {
                let first =
                    RECEIVED.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed).is_ok();
                let prompting = terminal::restore();
                if !first || prompting {
                    std::process::exit(128 + signal);
                }
                flag.store(true, Ordering::Relaxed);
                let _ = writeln!(std::io::stderr(), "received interrupt signal, stopping gracefully...");
            }
        });
    }
    interrupted
}
