//! The server: exports the files of a store, without its key.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http_server::{Content, Method, Parts, Request, Response, Service, StatusCode, same_secret};
use kloset_connector::{ConnectorError, ErrorKind, PutMode, RangeRequest, Storage, StoreFile};
use serde_json::{Value, json};

use crate::wire;

/// Said to whoever may not delete.
const NO_DELETION: &str = "deleting is not allowed: the server runs without -allow-delete";

/// Whether files may be removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deletion {
    /// Locks only: they belong to who is at work.
    LocksOnly,
    /// Any file.
    Allowed,
}

/// Answers requests from a store.
pub struct StoreService {
    storage: Arc<dyn Storage>,
    deletion: Deletion,
    token: Option<String>,
}

/// What a request is about.
enum Target {
    Config,
    List(StoreFile),
    File(StoreFile, [u8; 32]),
    Temporary,
    Ping,
}

impl StoreService {
    /// Exports `storage`; whoever calls must show the token, if there is one.
    pub fn new(storage: Arc<dyn Storage>, deletion: Deletion, token: Option<String>) -> Self {
        Self { storage, deletion, token }
    }

    fn answer_to(&self, request: &Request) -> Result<Response, ConnectorError> {
        let method = &request.head.method;
        let details = request.parameter("details").is_some();
        match target(request.head.uri.path())? {
            Target::Config if method == Method::PUT => {
                self.storage.create(&request.body)?;
                Ok(done())
            }
            Target::Config => Ok(Response::bytes(self.storage.read_config()?)),
            Target::List(file) => Ok(as_json(&wire::encode_list(&self.storage.list(file)?, details))),
            Target::File(file, name) => self.file(request, file, name),
            Target::Temporary => {
                let seconds = request.parameter("older_than").and_then(|text| text.parse().ok());
                let older_than = Duration::from_secs(seconds.unwrap_or(u64::MAX));
                let found = self.storage.temporary_files(older_than, method == Method::DELETE)?;
                Ok(as_json(&json!(found)))
            }
            Target::Ping => {
                let mut steps = Vec::new();
                self.storage
                    .ping(&mut |step, result| steps.push(json!([step, result.err().map(|e| e.to_string())])));
                Ok(as_json(&Value::Array(steps)))
            }
        }
    }

    fn file(&self, request: &Request, file: StoreFile, name: [u8; 32]) -> Result<Response, ConnectorError> {
        let mode = if file == StoreFile::Lock { PutMode::Replace } else { PutMode::Immutable };
        match request.head.method {
            Method::PUT => self.storage.put(file, &name, request.body.clone(), mode).map(|()| done()),
            Method::DELETE => self.storage.delete(file, &name).map(|()| done()),
            _ => match request.head.headers.get("range") {
                None => self.storage.get(file, &name).map(Response::bytes),
                Some(range) => {
                    let range = range.to_str().ok().and_then(wire::decode_range);
                    let (offset, length) = range.ok_or_else(|| invalid("the range cannot be used"))?;
                    self.range(RangeRequest { file, name, offset, length }).map(Response::bytes)
                }
            },
        }
    }

    fn range(&self, request: RangeRequest) -> Result<Bytes, ConnectorError> {
        if request.length > wire::bytes_max(request.file) as u64 {
            let message = "the range is longer than any file";
            return Err(ConnectorError::new(ErrorKind::Corrupt, "read", "the request", message));
        }
        let found = Mutex::new(None);
        self.storage.get_ranges(&[request], &|_, result| {
            *found.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(result);
        });
        let found = found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        found.unwrap_or_else(|| Err(invalid("the store did not answer")))
    }

    fn is_known(&self, head: &Parts) -> bool {
        self.token
            .as_ref()
            .is_none_or(|token| Request::bearer(head).is_some_and(|given| same_secret(given, token)))
    }
}

impl Service for StoreService {
    fn admit(&self, head: &Parts) -> Result<usize, Response> {
        if !self.is_known(head) {
            return Err(Response::text(StatusCode::UNAUTHORIZED, "the token is missing or wrong"));
        }
        let target = target(head.uri.path()).map_err(|error| refusal(&error))?;
        match (&head.method, &target) {
            (&Method::DELETE, Target::File(file, _)) if *file == StoreFile::Lock => Ok(0),
            (&Method::DELETE, Target::File(..) | Target::Temporary) => match self.deletion {
                Deletion::Allowed => Ok(0),
                Deletion::LocksOnly => Err(Response::text(StatusCode::FORBIDDEN, NO_DELETION)),
            },
            (&Method::GET, Target::Config | Target::List(_) | Target::File(..) | Target::Temporary) => Ok(0),
            (&Method::PUT, Target::Config) => Ok(wire::CONFIG_BYTES_MAX),
            (&Method::PUT, Target::File(file, _)) => Ok(wire::bytes_max(*file)),
            (&Method::POST, Target::Ping) => Ok(0),
            _ => Err(Response::text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")),
        }
    }

    fn answer(&self, request: Request) -> Response {
        self.answer_to(&request).unwrap_or_else(|error| refusal(&error))
    }
}

fn target(path: &str) -> Result<Target, ConnectorError> {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let file = |folder: &str| wire::file_of(folder).ok_or_else(|| invalid("there is no such kind of file"));
    match parts.as_slice() {
        [""] => Ok(Target::Config),
        ["resources", folder] => Ok(Target::List(file(folder)?)),
        ["resources", folder, name] => Ok(Target::File(file(folder)?, wire::name(name)?)),
        ["temporary"] => Ok(Target::Temporary),
        ["ping"] => Ok(Target::Ping),
        _ => Err(ConnectorError::new(ErrorKind::NotFound, "read", path, "not found")),
    }
}

fn invalid(message: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Invalid, "read", "the request", message)
}

fn refusal(error: &ConnectorError) -> Response {
    Response::text(wire::status(error.kind), &error.message)
}

fn done() -> Response {
    Response::bytes(Bytes::new())
}

fn as_json(value: &Value) -> Response {
    Response::new(StatusCode::OK, "application/json", Content::Bytes(value.to_string().into()))
}
