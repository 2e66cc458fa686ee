//! Requests to one server, and what their failures mean.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use kloset_connector::{ConnectorContext, ConnectorError, ErrorKind, Location, Options};
use ureq::http::{HeaderMap, Method, Request, StatusCode, header};

use crate::place::Place;
use crate::wire;

/// Requests of one batch at the same time: hides the round trip without flooding a small server.
const REQUESTS_AT_ONCE: usize = 8;
/// Text of an error.
const ERROR_BYTES_MAX: u64 = 4 << 10;
/// A write is answered when it is on the server's disk, which takes longer than a read.
const DURABLE_WITHIN: Duration = Duration::from_secs(5 * 60);

/// A server.
pub(crate) struct Connection {
    pub(crate) place: Place,
    agent: ureq::Agent,
    /// Something has been answered: from now on a refused connection is an interruption.
    reached: AtomicBool,
}

/// A successful answer.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    /// Names a server; nothing is sent yet. Options: `auth_token`, `insecure`, `ca`, `tls_no_verify`.
    pub(crate) fn new(
        location: &Location,
        options: &Options,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        let place = Place::new(location, options, context)?;
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .tls_config(place.tls.clone())
            .user_agent(concat!("plakar/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(context.retry.connect_timeout))
            .timeout_resolve(Some(context.retry.connect_timeout))
            .timeout_per_read(Some(context.retry.idle_timeout))
            .timeout_per_write(Some(context.retry.idle_timeout))
            .timeout_recv_response(Some(DURABLE_WITHIN))
            .max_idle_connections(2 * REQUESTS_AT_ONCE)
            .max_idle_connections_per_host(2 * REQUESTS_AT_ONCE)
            .build();
        Ok(Self { place, agent: agent.into(), reached: AtomicBool::new(false) })
    }

    /// The body of a successful answer.
    pub(crate) fn call(&self, call: &Call<'_>) -> Result<Vec<u8>, ConnectorError> {
        self.send(call).map(|answer| answer.body)
    }

    /// A successful answer.
    pub(crate) fn send(&self, call: &Call<'_>) -> Result<Answer, ConnectorError> {
        let url = format!("{}{}", self.place.url, call.path);
        let mut request = Request::builder().method(call.method.clone()).uri(&url);
        if let Some(token) = &self.place.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(range) = &call.range {
            request = request.header(header::RANGE, range);
        }
        let fail = |error: ureq::Error| self.failed(call.operation, &url, error);
        let sent = match call.body {
            Some(body) => {
                request.body(body).map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
            }
            None => request.body(()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request)),
        };
        let mut response = sent.map_err(fail)?;
        self.reached.store(true, Ordering::Relaxed);
        let status = response.status();
        if !status.is_success() {
            let text =
                response.body_mut().with_config().limit(ERROR_BYTES_MAX).read_to_vec().unwrap_or_default();
            return Err(self.refused(call.operation, &url, status, &text));
        }
        if call.part_only && status != StatusCode::PARTIAL_CONTENT {
            let message = format!("the server gives no parts of files (it answered {status})");
            return Err(ConnectorError::new(ErrorKind::Unsupported, call.operation, url, message));
        }
        let announced = response.body().content_length();
        let limit = call.bytes_max as u64 + 1;
        let body = response.body_mut().with_config().limit(limit).read_to_vec().map_err(fail)?;
        if body.len() > call.bytes_max {
            let message = format!("more than {} bytes came back", call.bytes_max);
            return Err(ConnectorError::new(ErrorKind::Corrupt, call.operation, url, message));
        }
        if announced.is_some_and(|length| length != body.len() as u64) {
            return Err(ConnectorError::new(
                ErrorKind::Transient,
                call.operation,
                url,
                "the answer was cut off",
            ));
        }
        Ok(Answer { headers: std::mem::take(response.headers_mut()), body })
    }

    /// The server's refusal, in its own words unless they are a page for browsers.
    fn refused(&self, operation: &'static str, url: &str, status: StatusCode, text: &[u8]) -> ConnectorError {
        let text = String::from_utf8_lossy(text);
        let text =
            text.lines().next().map(str::trim).filter(|text| !text.is_empty() && !text.starts_with('<'));
        let message = match text {
            Some(text) => text.to_owned(),
            None => format!("the server answered {status}"),
        };
        let error = ConnectorError::new(wire::kind(status, &message), operation, url, message);
        match status {
            StatusCode::UNAUTHORIZED => error.with_hint(
                "put the server's token into the store's option auth_token; `plakar server`'s may also be in \
                 $PLAKAR_SERVER_TOKEN",
            ),
            _ => error,
        }
    }

    /// No answer at all.
    fn failed(&self, operation: &'static str, url: &str, error: ureq::Error) -> ConnectorError {
        let was_reached = self.reached.load(Ordering::Relaxed);
        let kind = match &error {
            ureq::Error::Io(error) if error.to_string().contains("certificate") => ErrorKind::HostKey,
            ureq::Error::Io(_) | ureq::Error::Protocol(_) | ureq::Error::BodyStalled if was_reached => {
                ErrorKind::Transient
            }
            ureq::Error::Timeout(_) if was_reached => ErrorKind::Transient,
            ureq::Error::Timeout(_) => ErrorKind::NoAnswer,
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed if was_reached => ErrorKind::Transient,
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) => ErrorKind::HostKey,
            ureq::Error::BodyExceedsLimit(_) => ErrorKind::Corrupt,
            _ => ErrorKind::Unreachable,
        };
        let message = match &error {
            ureq::Error::Io(error) => kloset_connector::error::io_message(error),
            error => error.to_string(),
        };
        ConnectorError::new(kind, operation, url, message)
    }
}

/// Works on `count` things, a few of them at the same time.
pub(crate) fn at_once(count: usize, work: &(dyn Fn(usize) + Sync)) {
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return;
            }
            work(index);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..count.min(REQUESTS_AT_ONCE) {
            scope.spawn(work);
        }
        work();
    });
}

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    /// Whether an answer with the whole file is of no use.
    pub(crate) part_only: bool,
    pub(crate) body: Option<&'a [u8]>,
    /// Longest answer.
    pub(crate) bytes_max: usize,
}

impl<'a> Call<'a> {
    pub(crate) fn get(operation: &'static str, path: String, bytes_max: usize) -> Self {
        Self { operation, method: Method::GET, path, range: None, part_only: false, body: None, bytes_max }
    }

    pub(crate) fn without_answer(
        operation: &'static str,
        method: Method,
        path: String,
        body: Option<&'a [u8]>,
    ) -> Self {
        Self {
            operation,
            method,
            path,
            range: None,
            part_only: false,
            body,
            bytes_max: ERROR_BYTES_MAX as usize,
        }
    }

    /// Asks for a part, as web servers understand it.
    pub(crate) fn with_part(self, range: String) -> Self {
        Self { part_only: true, ..self.with_range(range) }
    }

    pub(crate) fn with_range(mut self, range: String) -> Self {
        self.range = Some(range);
        self
    }
}
