//! What the program hands to every connector: limits, patience, and a way to be heard.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::layer::Throttle;

/// How long to go on trying; see `layer::retry` for the rules.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Give up after this long without progress; zero fails at the first loss.
    pub give_up_after: Duration,
    /// First wait; doubled each time, with jitter.
    pub first_wait: Duration,
    /// Longest single wait.
    pub longest_wait: Duration,
    /// Longest time to wait for a connection and login.
    pub connect_timeout: Duration,
    /// A request without any byte moving for this long counts as lost.
    pub idle_timeout: Duration,
}

impl Default for RetryPolicy {
    /// 15 minutes without progress; waits from 0.5 s to 30 s; connect 30 s, idle 60 s.
    fn default() -> Self {
        Self {
            give_up_after: Duration::from_secs(15 * 60),
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// What connectors have to say while they work. Calls come from any thread and must not block.
pub trait ConnectorEvents: Send + Sync {
    /// Something the user should know once: a weaker mode, an ignored host key.
    fn warning(&self, text: &str);
    /// Nothing has moved for some seconds, or a connection is being made again.
    fn stalled(&self, text: &str);
    /// An operation is tried again because of `reason`.
    fn retried(&self, reason: &str);
    /// Whether anybody listens to [`ConnectorEvents::trace`] for this subsystem.
    fn traces(&self, _subsystem: &str) -> bool {
        false
    }
    /// What a subsystem does, step by step, for people who look for a fault.
    fn trace(&self, _subsystem: &str, _text: &str) {}
}

/// Says nothing.
pub struct SilentEvents;

impl ConnectorEvents for SilentEvents {
    fn warning(&self, _: &str) {}
    fn stalled(&self, _: &str) {}
    fn retried(&self, _: &str) {}
}

/// Settings shared by all connectors of one command.
#[derive(Clone)]
pub struct ConnectorContext {
    /// Relative local paths start here.
    pub working_directory: PathBuf,
    /// Name of this machine, the origin of local sources.
    pub hostname: String,
    /// Worker threads a connector may use for CPU or disk work.
    pub parallelism: usize,
    /// Patience.
    pub retry: RetryPolicy,
    /// Where connectors are heard.
    pub events: Arc<dyn ConnectorEvents>,
    /// The user's interrupt: connectors stop waiting and fail with `Interrupted` once it is set.
    pub interrupted: Arc<std::sync::atomic::AtomicBool>,
    /// What is sent passes here, all connections of the command together.
    pub upload: Arc<Throttle>,
    /// What is received passes here.
    pub download: Arc<Throttle>,
    /// Files in flight at the same time, where the user set a number.
    pub concurrency: Option<usize>,
}

impl ConnectorContext {
    /// A silent context with default patience, for tests and tools.
    pub fn silent(working_directory: PathBuf) -> Self {
        Self {
            working_directory,
            hostname: "localhost".to_owned(),
            parallelism: 2,
            retry: RetryPolicy::default(),
            events: Arc::new(SilentEvents),
            interrupted: Arc::default(),
            upload: Arc::default(),
            download: Arc::default(),
            concurrency: None,
        }
    }
}
