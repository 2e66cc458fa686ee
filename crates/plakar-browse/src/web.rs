//! A view as web pages, and as an API.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /`, `GET /PATH` | a page with snapshots or a folder; a file as a download |
//! | `GET /api/snapshots` | `{"total", "items": [...]}` |
//! | `GET /api/snapshots/ID` | one of them |
//! | `GET /api/children?path=/ID/...` | `{"total", "items": [...]}` |
//! | `GET /api/content?path=/ID/...` | the content of a file |
//!
//! With a token, the API wants `Authorization: Bearer`; pages take it from the query once and then from
//! a cookie. Errors of the API are `{"error": {"code", "message"}}`.

mod api;
mod html;

use std::io::Write;
use std::sync::Arc;

use http_server::{Content, Method, Parts, Request, Response, Service, StatusCode, header, same_secret};
use kloset::{Error, Snapshot};
use kloset_format::entry::Entry;
use kloset_format::mode::FileKind;
use kloset_format::path::{base_name, clean};

use crate::view::{Place, View};

/// Name of the token in a query and in the cookie.
pub const TOKEN: &str = "plakar_token";
/// Nothing in a page may run or be loaded from elsewhere.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// How a site is shown.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What a visitor must know; `None` lets everybody in.
    pub token: Option<String>,
    /// Let pages of other sites use the API.
    pub cors: bool,
}

/// Answers requests from a view.
pub struct Site {
    view: View,
    settings: Settings,
    report: Box<dyn Fn(&str) + Send + Sync>,
}

/// Why there is no answer, with its status and its word for programs.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Site {
    /// Shows `view`; `report` hears what cannot be read.
    pub fn new(view: View, settings: Settings, report: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { view, settings, report: Box::new(report) }
    }

    fn place(&self, path: &[u8]) -> Result<(Place, Option<Entry>), Refusal> {
        let place = self.view.find(path).ok_or_else(Refusal::not_found)?;
        let entry = place.entry().map_err(|error| self.refusal(&error))?;
        Ok((place, entry))
    }

    fn refusal(&self, error: &Error) -> Refusal {
        if matches!(error, Error::PathUnknown { .. }) {
            return Refusal::not_found();
        }
        (self.report)(&error.to_string());
        Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, code: "unreadable", message: error.to_string() }
    }

    fn children(&self, place: &Place) -> Result<Vec<Entry>, Refusal> {
        match place {
            Place::Top => Ok(Vec::new()),
            Place::Inside(snapshot, path) => snapshot.children(path).map_err(|error| self.refusal(&error)),
        }
    }

    fn page(&self, request: &Request) -> Result<Response, Refusal> {
        let path = clean(&request.path());
        let (place, entry) = self.place(&path)?;
        let Some(entry) = entry else { return Ok(as_page(html::snapshots(self.view.snapshots()))) };
        match (&place, entry.info.mode.kind()) {
            (_, FileKind::Directory) => Ok(as_page(html::folder(&path, &self.children(&place)?))),
            (Place::Inside(snapshot, _), FileKind::Regular) => Ok(download(snapshot, entry)),
            _ => Err(Refusal { message: "not a file or folder".to_owned(), ..Refusal::not_found() }),
        }
    }

    fn is_known(&self, head: &Parts, is_api: bool) -> bool {
        let Some(token) = &self.settings.token else { return true };
        let is_token = |given: &str| same_secret(given, token);
        Request::bearer(head).is_some_and(is_token)
            || (!is_api && cookie(head).is_some_and(|given| is_token(&given)))
    }

    /// A page asked for with the token in its query: the cookie takes its place, so that it does not
    /// stay in the address.
    fn greet(&self, head: &Parts) -> Option<Response> {
        let token = self.settings.token.as_ref()?;
        let given = Request::parameter_of(head, TOKEN)?;
        // Two slashes would lead to another host.
        let path = head.uri.path();
        let path = if path.starts_with("//") { "/" } else { path };
        same_secret(&given, token).then(|| {
            Response::text(StatusCode::SEE_OTHER, "welcome").with_header(header::LOCATION, path).with_header(
                header::SET_COOKIE,
                &format!("{TOKEN}={token}; Path=/; HttpOnly; SameSite=Strict"),
            )
        })
    }
}

impl Service for Site {
    fn admit(&self, head: &Parts) -> Result<usize, Response> {
        let is_api = is_api(head.uri.path());
        if is_api && self.settings.cors && head.method == Method::OPTIONS {
            return Err(with_cors(Response::bytes(""))
                .with_header(header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization"));
        }
        if !is_api && let Some(response) = self.greet(head) {
            return Err(response);
        }
        if !self.is_known(head, is_api) {
            let refusal = Refusal {
                status: StatusCode::UNAUTHORIZED,
                code: "bad_auth",
                message: "the token is missing or wrong".to_owned(),
            };
            return Err(self.refuse(&refusal, is_api));
        }
        if head.method != Method::GET {
            let (status, code) = (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
            let refusal = Refusal { status, code, message: "everything here can only be read".to_owned() };
            return Err(self.refuse(&refusal, is_api));
        }
        Ok(0)
    }

    fn answer(&self, request: Request) -> Response {
        let is_api = is_api(request.head.uri.path());
        let answer = if is_api { self.api(&request) } else { self.page(&request) };
        match answer {
            Ok(response) if is_api && self.settings.cors => with_cors(response),
            Ok(response) => response,
            Err(refusal) => self.refuse(&refusal, is_api),
        }
    }
}

impl Site {
    fn refuse(&self, refusal: &Refusal, is_api: bool) -> Response {
        let response =
            if is_api { api::error(refusal) } else { Response::text(refusal.status, &refusal.message) };
        if is_api && self.settings.cors { with_cors(response) } else { response }
    }
}

impl Refusal {
    fn not_found() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            code: "not_found",
            message: "there is nothing of this name".to_owned(),
        }
    }
}

fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

fn cookie(head: &Parts) -> Option<String> {
    let text = head.headers.get(header::COOKIE)?.to_str().ok()?;
    let pairs = text.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == TOKEN).map(|(_, value)| value.to_owned()).next()
}

fn with_cors(response: Response) -> Response {
    response.with_header(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
}

fn as_page(page: String) -> Response {
    Response::new(StatusCode::OK, "text/html; charset=utf-8", Content::Bytes(page.into()))
        .with_header(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)
        .with_header(header::REFERRER_POLICY, "no-referrer")
        .with_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}

/// A file as it is, never shown as a page of this site. One that turns out damaged is cut off.
fn download(snapshot: &Arc<Snapshot>, entry: Entry) -> Response {
    let name = html::link(base_name(&entry.path())).replace('/', "%2F");
    let length = entry.info.size.max(0).to_string();
    let snapshot = Arc::clone(snapshot);
    let write = move |out: &mut dyn Write| match snapshot.write_content(&entry, out) {
        Ok(written) => written,
        Err(error) => Err(std::io::Error::other(error.to_string())),
    };
    Response::new(StatusCode::OK, "application/octet-stream", Content::Stream(Box::new(write)))
        .with_header(header::CONTENT_LENGTH, &length)
        .with_header(header::CONTENT_DISPOSITION, &format!("attachment; filename*=UTF-8''{name}"))
        .with_header(header::CONTENT_SECURITY_POLICY, "sandbox")
        .with_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}
