//! One connection to one package, and how long it may be silent.
//!
//! Calls block the caller while two threads of a runtime move the bytes. Every wait looks at the
//! user's interrupt and at the clock: a package that makes no progress for long is given up.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use kloset_connector::{ConnectorContext, ConnectorError, ErrorKind};
use plugin_sdk::failure::{announce, from_status};
use tokio::net::unix::pipe;
use tokio::runtime::Runtime;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::PluginCommand;
use crate::process::{Pipes, Process};

/// Bytes that may be on their way per stream and in all; the protocol's 64 KiB would throttle.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// Longest frame that is taken; the protocol's 16 KiB would be many small reads and writes.
const FRAME_BYTES: u32 = 256 << 10;
/// How often a wait looks around.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Silence after which the user hears of it.
const SILENCE_TOLD_AFTER: Duration = Duration::from_secs(30);
/// A package may be busy with a slow server for longer than a connection of ours may be silent.
const SILENCE_FACTOR: u32 = 10;
/// Time for a package to end by itself.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// A channel whose requests announce us, if they should.
pub(crate) type Wire = InterceptedService<Channel, Announcer>;

/// Adds the announcement to every request.
#[derive(Clone, Copy)]
pub(crate) struct Announcer {
    extended: bool,
}

impl Interceptor for Announcer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if self.extended {
            announce(request.metadata_mut());
        }
        Ok(request)
    }
}

/// A started package.
pub(crate) struct Connection {
    // Dropped by hand: the runtime holds the pipes.
    runtime: Option<Runtime>,
    channel: Channel,
    process: Process,
    package: String,
    extended: bool,
    context: ConnectorContext,
    /// Counts whatever moves, so that a long operation is not taken for a hanging one.
    progress: Arc<AtomicU64>,
}

impl Connection {
    /// Starts the package and connects to it.
    pub(crate) fn open(command: &PluginCommand, context: &ConnectorContext) -> Result<Self, ConnectorError> {
        let failed =
            |error| ConnectorError::from_io("start package", command.executable.display().to_string(), error);
        let (process, pipes) = Process::start(command, context)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("package")
            .enable_io()
            .enable_time()
            .build()
            .map_err(failed)?;
        let channel = {
            let _inside = runtime.enter();
            channel(stream(pipes).map_err(failed)?)
        };
        Ok(Self {
            runtime: Some(runtime),
            channel,
            process,
            package: command.package.clone(),
            extended: command.extended,
            context: context.clone(),
            progress: Arc::default(),
        })
    }

    /// What clients are made of.
    pub(crate) fn wire(&self) -> Wire {
        InterceptedService::new(self.channel.clone(), Announcer { extended: self.extended })
    }

    /// Shared settings.
    pub(crate) fn context(&self) -> &ConnectorContext {
        &self.context
    }

    /// Where work that moves bytes counts its steps.
    pub(crate) fn progress(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.progress)
    }

    /// Where tasks run.
    pub(crate) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("only drop takes the runtime")
    }

    /// Name of the package.
    pub(crate) fn package(&self) -> &str {
        &self.package
    }

    /// Longest silence of an operation.
    pub(crate) fn silence_max(&self) -> Duration {
        self.context.retry.idle_timeout * SILENCE_FACTOR
    }

    /// Longest wait for a login.
    pub(crate) fn connect_max(&self) -> Duration {
        self.context.retry.connect_timeout * 2 + self.context.retry.idle_timeout
    }

    /// Waits for an answer.
    pub(crate) fn call<T>(
        &self,
        operation: &'static str,
        location: &str,
        silence_max: Duration,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, ConnectorError> {
        match self.wait(operation, location, silence_max, answer)? {
            Ok(value) => Ok(value),
            Err(status) => Err(self.failed(&status, operation, location)),
        }
    }

    /// Waits for something that cannot fail by itself.
    pub(crate) fn wait<T>(
        &self,
        operation: &'static str,
        location: &str,
        silence_max: Duration,
        answer: impl Future<Output = T>,
    ) -> Result<T, ConnectorError> {
        let mut patience = Patience::new(self, silence_max);
        self.runtime().block_on(async {
            tokio::pin!(answer);
            loop {
                // No timer where the answer is there already.
                match tokio::time::timeout(LOOK_EVERY, &mut answer).await {
                    Ok(value) => return Ok(value),
                    Err(_) => patience.check(operation, location)?,
                }
            }
        })
    }

    /// A status as an error: what the package said, or what became of it.
    pub(crate) fn failed(&self, status: &Status, operation: &'static str, location: &str) -> ConnectorError {
        if self.context.interrupted.load(Ordering::Relaxed) {
            return ConnectorError::new(ErrorKind::Interrupted, operation, location, "interrupted");
        }
        // Failures of the connection have a source; what the package says has none.
        if std::error::Error::source(status).is_none() {
            return from_status(status, operation, location);
        }
        if self.process.ends_within(Duration::from_millis(500)) {
            return ConnectorError::new(ErrorKind::Other, operation, location, self.process.obituary());
        }
        let why = plugin_sdk::failure::printable(&chain(status));
        self.process.kill();
        let message = format!("package {} does not keep to the protocol ({why})", self.package);
        ConnectorError::new(ErrorKind::Other, operation, location, message)
    }

    /// What became of a package that has ended.
    pub(crate) fn obituary(&self) -> String {
        self.process.obituary()
    }

    /// Tells a package that is alive that it is not needed any more.
    pub(crate) fn say_goodbye<T>(&self, close: impl Future<Output = Result<T, Status>>) {
        if !self.is_lost() && !self.context.interrupted.load(Ordering::Relaxed) {
            let _ = self.call("close", "package", END_PATIENCE, close);
        }
    }

    /// Whether nothing more can be had from it.
    pub(crate) fn is_lost(&self) -> bool {
        self.process.has_ended()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The end of the runtime drops streams and connection, whoever still holds a client; the
        // package sees the end of its input.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_millis(500));
        }
        if !self.context.interrupted.load(Ordering::Relaxed) {
            self.process.ends_within(END_PATIENCE);
        }
        // The process ends with its field, by force if it must.
    }
}

/// When to stop waiting.
pub(crate) struct Patience<'a> {
    connection: &'a Connection,
    silence_max: Duration,
    seen: u64,
    since: Instant,
    told: bool,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(connection: &'a Connection, silence_max: Duration) -> Self {
        let seen = connection.progress.load(Ordering::Relaxed);
        Self { connection, silence_max, seen, since: Instant::now(), told: false }
    }

    /// Fails once the user has interrupted or the package has been silent for too long.
    pub(crate) fn check(&mut self, operation: &'static str, location: &str) -> Result<(), ConnectorError> {
        let connection = self.connection;
        if connection.context.interrupted.load(Ordering::Relaxed) {
            connection.process.kill();
            return Err(ConnectorError::new(ErrorKind::Interrupted, operation, location, "interrupted"));
        }
        let seen = connection.progress.load(Ordering::Relaxed);
        if seen != self.seen {
            (self.seen, self.since, self.told) = (seen, Instant::now(), false);
            return Ok(());
        }
        let silent = self.since.elapsed();
        if silent > self.silence_max {
            connection.process.kill();
            let message = format!("package {} gave no answer for {} s", connection.package, silent.as_secs());
            return Err(ConnectorError::new(ErrorKind::Other, operation, location, message));
        }
        if silent > SILENCE_TOLD_AFTER && !self.told {
            self.told = true;
            let text = format!("package {} has been silent for {} s", connection.package, silent.as_secs());
            connection.context.events.stalled(&text);
        }
        Ok(())
    }
}

fn chain(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut next = std::error::Error::source(status);
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}

/// Both pipes as one stream.
type Stream = tokio::io::Join<pipe::Receiver, pipe::Sender>;

fn stream(pipes: Pipes) -> io::Result<Stream> {
    let reader = pipe::Receiver::from_owned_fd(pipes.output)?;
    Ok(tokio::io::join(reader, pipe::Sender::from_owned_fd(pipes.input)?))
}

/// A channel over one stream; there is no second connection to the same process.
fn channel(stream: Stream) -> Channel {
    let stream = Arc::new(Mutex::new(Some(stream)));
    let connector = tower::service_fn(move |_| {
        let stream = stream.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        async move {
            stream
                .map(TokioIo::new)
                .ok_or_else(|| io::Error::new(io::ErrorKind::BrokenPipe, "the package has ended"))
        }
    });
    Endpoint::from_static("http://127.0.0.1:0")
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .connect_with_connector_lazy(connector)
}
