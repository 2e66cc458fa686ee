//! Listens for HTTP, with or without TLS, and calls a plain function for each request.
//!
//! The only async code of its users is in here: a [`Service`] runs on threads that may block. What a
//! stranger can make us hold in memory is bounded: connections, bodies at the same time, the length
//! of each (which the service says before a byte of it is read), and the time in which something
//! must move.

mod listener;
mod message;
mod serve;

pub use http::{HeaderMap, Method, StatusCode, Uri, header, request::Parts};
pub use listener::{ListenError, Listener, TlsFiles};
pub use message::{Content, Request, Response, same_secret};
pub use serve::serve;

/// What answers requests. Calls come from many threads at once.
pub trait Service: Send + Sync + 'static {
    /// Looks at a request before its body is read: how many bytes the body may have, or an answer
    /// that ends it here.
    fn admit(&self, head: &Parts) -> Result<usize, Response>;

    /// Answers a request.
    fn answer(&self, request: Request) -> Response;
}
