//! Serves HTTP for a command, and tells each request to those who want `-trace server`.

use std::sync::Arc;
use std::time::Instant;

use http_server::{Listener, Parts, Request, Response, Service, serve};
use kloset_connector::ConnectorEvents;

use crate::app::App;
use crate::error::{Failure, Outcome};
use crate::ui::Ui;

/// The subsystem under which requests are traced.
const SUBSYSTEM: &str = "server";

/// A service whose requests are told.
struct Traced<S> {
    inner: S,
    ui: Arc<Ui>,
}

impl<S: Service> Service for Traced<S> {
    fn admit(&self, head: &Parts) -> Result<usize, Response> {
        let admitted = self.inner.admit(head);
        if let Err(response) = &admitted {
            self.tell(head.method.as_str(), head.uri.path(), response, None);
        }
        admitted
    }

    fn answer(&self, request: Request) -> Response {
        let (method, path) = (request.head.method.clone(), request.head.uri.path().to_owned());
        let started = Instant::now();
        let response = self.inner.answer(request);
        self.tell(method.as_str(), &path, &response, Some(started));
        response
    }
}

impl<S> Traced<S> {
    /// Without the query: it may hold a token.
    fn tell(&self, method: &str, path: &str, response: &Response, started: Option<Instant>) {
        let length = match response.length() {
            Some(bytes) => format!("{bytes} bytes"),
            None => "streamed".to_owned(),
        };
        let took = started.map(|started| format!(" in {:.1?}", started.elapsed())).unwrap_or_default();
        let status = response.status().as_u16();
        self.ui.trace(SUBSYSTEM, &format!("{method} {path}: {status}, {length}{took}"));
        // The next line may be hours away.
        let _ = self.ui.flush();
    }
}

/// Serves until the user interrupts.
pub fn until_interrupted<S: Service>(app: &App, listener: Listener, service: S) -> Result<Outcome, Failure> {
    let stop = app.connector_context().interrupted;
    let served = if app.ui.traces(SUBSYSTEM) {
        serve(listener, Arc::new(Traced { inner: service, ui: Arc::clone(&app.ui) }), &stop)
    } else {
        serve(listener, Arc::new(service), &stop)
    };
    served.map_err(|error| Failure::refused(error.to_string()))?;
    Ok(Outcome::Done)
}
