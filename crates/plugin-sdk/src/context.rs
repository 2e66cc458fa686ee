//! What a served connector is given: context, patience, and a voice on standard error.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use kloset_connector::{ConnectorContext, ConnectorError, ConnectorEvents};
use tonic::Status;

use crate::failure::to_status;

/// Standard error is what the user sees of a package besides its answers.
struct StandardError;

impl ConnectorEvents for StandardError {
    fn warning(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    fn stalled(&self, text: &str) {
        self.warning(text);
    }

    fn retried(&self, reason: &str) {
        self.warning(reason);
    }
}

/// The context of a connector that lives in this process.
pub(crate) fn context(working_directory: PathBuf, hostname: String, parallelism: i64) -> ConnectorContext {
    let mut context = ConnectorContext::silent(working_directory);
    context.hostname = if hostname.is_empty() { own_hostname() } else { hostname };
    context.parallelism = usize::try_from(parallelism).unwrap_or(1).clamp(1, 64);
    context.events = Arc::new(StandardError);
    context
}

/// The context where the protocol says nothing about the machine.
pub(crate) fn bare_context() -> ConnectorContext {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    context(here, String::new(), cores as i64)
}

fn own_hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The connector that `Init` made, until `Close`.
pub(crate) struct Slot<T: ?Sized>(Mutex<Option<Arc<T>>>);

impl<T: ?Sized> Slot<T> {
    pub(crate) fn empty() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn set(&self, value: Arc<T>) {
        *self.lock() = Some(value);
    }

    pub(crate) fn get(&self) -> Result<Arc<T>, Status> {
        self.lock().clone().ok_or_else(|| Status::failed_precondition("Init comes first"))
    }

    pub(crate) fn clear(&self) {
        self.lock().take();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<T>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Runs a connector's operation where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ConnectorError> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| to_status(&error)),
        Err(_) => Err(Status::internal("the connector panicked")),
    }
}

/// The first failed step of a ping.
pub(crate) fn first_failure(
    ping: impl FnOnce(&mut dyn FnMut(&str, Result<(), ConnectorError>)),
) -> Result<(), ConnectorError> {
    let mut outcome = Ok(());
    ping(&mut |_, result| {
        if outcome.is_ok() {
            outcome = result;
        }
    });
    outcome
}
