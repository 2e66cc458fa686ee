//! The client: a store that a server exports.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kloset_connector::{
    ConnectorContext, ConnectorError, ErrorKind, Listed, Location, Options, PutMode, RangeRequest, Storage,
    StorageInfo, StoreFile,
};
use kloset_format::Mac;
use ureq::http::{Method, Request, StatusCode, header};

use crate::place::Place;
use crate::wire;

/// Requests of one batch at the same time: hides the round trip without flooding a small server.
const REQUESTS_AT_ONCE: usize = 8;
/// Uploads at the same time.
const PUTS_AT_ONCE: usize = 4;
/// Cheaper to fetch along than to ask again.
const GAP_BYTES: u64 = 256 << 10;
/// Text of an error.
const ERROR_BYTES_MAX: u64 = 4 << 10;
/// A write is answered when it is on the server's disk, which takes longer than a read.
const DURABLE_WITHIN: Duration = Duration::from_secs(5 * 60);

/// A store behind HTTP.
pub struct HttpStorage {
    place: Place,
    agent: ureq::Agent,
    /// Something has been answered: from now on a refused connection is an interruption.
    reached: AtomicBool,
}

impl HttpStorage {
    /// Names a store; nothing is sent yet. Options: `auth_token`, `insecure`, `ca`, `tls_no_verify`.
    pub fn new(
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

    fn call(&self, call: &Call<'_>) -> Result<Vec<u8>, ConnectorError> {
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
        Ok(body)
    }

    /// The server's refusal, in its own words.
    fn refused(&self, operation: &'static str, url: &str, status: StatusCode, text: &[u8]) -> ConnectorError {
        let text = String::from_utf8_lossy(text);
        let text = text.lines().next().map(str::trim).filter(|text| !text.is_empty());
        let message = match text {
            Some(text) => text.to_owned(),
            None => format!("the server answered {status}"),
        };
        let error = ConnectorError::new(wire::kind(status, &message), operation, url, message);
        match status {
            StatusCode::UNAUTHORIZED => error.with_hint(
                "put the server's token into the store's option auth_token, or $PLAKAR_SERVER_TOKEN",
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

    fn get_range(&self, request: &RangeRequest) -> Result<Bytes, ConnectorError> {
        let path = path_of(request.file, &request.name);
        let short = |message: String| {
            ConnectorError::new(ErrorKind::Corrupt, "read", format!("{}{path}", self.place.url), message)
        };
        let wanted = usize::try_from(request.length).ok();
        let range = wire::encode_range(request.offset, request.length);
        let (Some(wanted), Some(range)) = (wanted, range) else {
            return Err(short("a range that no file has".to_owned()));
        };
        let call = Call::get("read", path.clone(), wanted.saturating_add(1)).with_range(range);
        let mut body = self.call(&call)?;
        // Servers that count to the last byte inclusively send one more.
        body.truncate(wanted);
        if body.len() < wanted {
            return Err(short(format!("{} of {wanted} bytes came back", body.len())));
        }
        Ok(body.into())
    }
}

fn path_of(file: StoreFile, name: &[u8; 32]) -> String {
    format!("/resources/{}/{}", wire::folder(file), Mac(*name))
}

/// One request.
struct Call<'a> {
    operation: &'static str,
    method: Method,
    path: String,
    range: Option<String>,
    body: Option<&'a [u8]>,
    /// Longest answer.
    bytes_max: usize,
}

impl<'a> Call<'a> {
    fn get(operation: &'static str, path: String, bytes_max: usize) -> Self {
        Self { operation, method: Method::GET, path, range: None, body: None, bytes_max }
    }

    fn without_answer(operation: &'static str, method: Method, path: String, body: Option<&'a [u8]>) -> Self {
        Self { operation, method, path, range: None, body, bytes_max: ERROR_BYTES_MAX as usize }
    }

    fn with_range(mut self, range: String) -> Self {
        self.range = Some(range);
        self
    }
}

impl Storage for HttpStorage {
    fn info(&self) -> StorageInfo {
        StorageInfo {
            kind: "http".to_owned(),
            location: self.place.url.clone(),
            origin: self.place.host.clone(),
            root: self.place.path.clone(),
            writable: true,
            puts_at_once: PUTS_AT_ONCE,
            gets_at_once: 2,
            gap_bytes: GAP_BYTES,
        }
    }

    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        self.call(&Call::without_answer("create", Method::PUT, "/".to_owned(), Some(config))).map(drop)
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        self.call(&Call::get("read", "/".to_owned(), wire::CONFIG_BYTES_MAX))
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        let path = format!("/resources/{}?details=1", wire::folder(file));
        let body = self.call(&Call::get("list", path, wire::LIST_BYTES_MAX))?;
        wire::decode_list(&body).map_err(|what| {
            let message = format!("the listing cannot be used: {what}");
            let location = format!("{}/resources/{}", self.place.url, wire::folder(file));
            ConnectorError::new(ErrorKind::Corrupt, "list", location, message)
        })
    }

    fn put(&self, file: StoreFile, name: &[u8; 32], body: Bytes, _: PutMode) -> Result<(), ConnectorError> {
        // The server knows: locks are replaced, everything else never.
        self.call(&Call::without_answer("write", Method::PUT, path_of(file, name), Some(&body))).map(drop)
    }

    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        self.call(&Call::get("read", path_of(file, name), wire::bytes_max(file)))
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(index) else { return };
                deliver(index, self.get_range(request));
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..requests.len().min(REQUESTS_AT_ONCE) {
                scope.spawn(work);
            }
            work();
        });
    }

    fn delete(&self, file: StoreFile, name: &[u8; 32]) -> Result<(), ConnectorError> {
        match self.call(&Call::without_answer("remove", Method::DELETE, path_of(file, name), None)) {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn temporary_files(&self, older_than: Duration, remove: bool) -> Result<Vec<String>, ConnectorError> {
        let path = format!("/temporary?older_than={}", older_than.as_secs());
        let mut call = Call::get("list", path, wire::CONFIG_BYTES_MAX << 4);
        if remove {
            call.method = Method::DELETE;
        }
        let body = match self.call(&call) {
            // A server of the reference implementation does not look for them.
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Unsupported) => {
                return Ok(Vec::new());
            }
            result => result?,
        };
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        match self.read_config() {
            Err(error) if error.kind != ErrorKind::NotFound => return report("connect", Err(error)),
            _ => report("connect", Ok(())),
        }
        let call = Call {
            bytes_max: wire::CONFIG_BYTES_MAX,
            ..Call::without_answer("ping", Method::POST, "/ping".to_owned(), None)
        };
        let steps: Vec<(String, Option<String>)> = match self.call(&call) {
            Ok(body) => serde_json::from_slice(&body).unwrap_or_default(),
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Unsupported) => Vec::new(),
            Err(error) => return report("ping", Err(error)),
        };
        for (step, failure) in steps {
            let result = match failure {
                None => Ok(()),
                Some(text) => {
                    Err(ConnectorError::new(ErrorKind::Other, "ping", self.place.url.clone(), text))
                }
            };
            report(&step, result);
        }
    }
}
