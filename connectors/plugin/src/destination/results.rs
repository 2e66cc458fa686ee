//! The results that come back on the stream of an export, in any order: to whoever waits for the
//! path.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc as blocking;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kloset_connector::{Applied, ConnectorError, ErrorKind, Limitation, Outcome, Target};
use kloset_format::path::clean;
use plugin_sdk::failure::printable;
use plugin_sdk::wire::exporter::ExportResponse;
use tonic::{Status, Streaming};

use super::Running;

/// One answer: index in the batch, and the package's error text.
pub(super) type Answer = (usize, String);

/// Where an answer goes: index in the batch, and the batch.
pub(super) type Waiter = (usize, blocking::Sender<Answer>);

/// Who waits for the result of which path.
#[derive(Default)]
pub(super) struct Results {
    pub(super) waiting: HashMap<Vec<u8>, Vec<Waiter>>,
    /// Why no more results will come.
    pub(super) over: Option<Status>,
}

/// Takes results until the package ends the stream.
pub(super) async fn collect(
    mut stream: Streaming<ExportResponse>,
    results: &Mutex<Results>,
    progress: &AtomicU64,
) -> Result<(), Status> {
    while let Some(message) = stream.message().await? {
        progress.fetch_add(1, Ordering::Relaxed);
        let Some(result) = message.result else { continue };
        let path = clean(&result.header.unwrap_or_default().pathname);
        let mut results = guard(results);
        let Some(list) = results.waiting.get_mut(&path) else { continue };
        if !list.is_empty() {
            let (index, sender) = list.remove(0);
            let _ = sender.send((index, result.error));
        }
        if list.is_empty() {
            results.waiting.remove(&path);
        }
    }
    Ok(())
}

/// What a result means for its target.
pub(super) fn outcome(running: &Running, target: &Target, text: String) -> Outcome {
    let text = printable(&text);
    let mut limitations = Vec::new();
    if !target.xattrs.is_empty() {
        limitations.push(Limitation::Xattrs);
    }
    if text.is_empty() {
        return Ok(Applied { limitations, kept: false });
    }
    if target.path.is_empty() {
        // Many packages refuse a root that exists. If it is really missing, all else fails too.
        let events = &running.connection.context().events;
        events.warning(&format!("package {}: {}: {text}", running.connection.package(), running.location));
        return Ok(Applied { limitations, kept: true });
    }
    Err(ConnectorError::new(ErrorKind::Other, "write", shown(target), text))
}

pub(super) fn shown(target: &Target) -> String {
    String::from_utf8_lossy(&target.path).into_owned()
}

pub(super) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
