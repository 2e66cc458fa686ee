//! Requests and answers.

use std::io::{self, Write};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};

/// A request with its whole body.
pub struct Request {
    /// Method, URI, headers.
    pub head: Parts,
    /// Body.
    pub body: Bytes,
}

impl Request {
    /// The value of a parameter of the query, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        parameter(&self.head, name)
    }
}

/// The value of a parameter of the query, decoded.
pub(crate) fn parameter(head: &Parts, name: &str) -> Option<String> {
    let pairs = head.uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let value = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()?;
    String::from_utf8(decode(value.as_bytes(), b' ')).ok()
}

/// Takes back `%XX`; `plus` is what a `+` stands for.
fn decode(text: &[u8], plus: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.filter(|_| first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = match byte {
            Some(byte) => {
                out.push(byte);
                after.get(2..).unwrap_or_default()
            }
            None => {
                out.push(if first == b'+' { plus } else { first });
                after
            }
        };
    }
    out
}

impl Request {
    /// The path, decoded; any bytes.
    pub fn path(&self) -> Vec<u8> {
        decode(self.head.uri.path().as_bytes(), b'+')
    }

    /// The token of an `Authorization: Bearer` header.
    pub fn bearer(head: &Parts) -> Option<&str> {
        head.headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
    }

    /// The value of a parameter of a request whose body was not read.
    pub fn parameter_of(head: &Parts, name: &str) -> Option<String> {
        parameter(head, name)
    }
}

/// Whether two secrets are the same, in a time that does not tell how much of them is.
pub fn same_secret(given: &str, wanted: &str) -> bool {
    let differing = given.bytes().zip(wanted.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == wanted.len() && differing == 0
}

/// Writes a body piece by piece. An error cuts the answer off, which its reader notices.
pub type Writer = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// The body of an answer.
pub enum Content {
    /// All of it.
    Bytes(Bytes),
    /// Made while it is sent.
    Stream(Writer),
}

/// An answer.
pub struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) content: Content,
}

impl Response {
    /// An answer with a body of a type.
    pub fn new(status: StatusCode, content_type: &'static str, content: Content) -> Self {
        let headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
        Self { status, headers, content }
    }

    /// Bytes, successfully.
    pub fn bytes(body: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, "application/octet-stream", Content::Bytes(body.into()))
    }

    /// A line of text.
    pub fn text(status: StatusCode, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", Content::Bytes(format!("{text}\n").into()))
    }

    /// What it says of success.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The length of its body, unless that is made while it is sent.
    pub fn length(&self) -> Option<usize> {
        match &self.content {
            Content::Bytes(bytes) => Some(bytes.len()),
            Content::Stream(_) => None,
        }
    }

    /// Adds a header; a value that no header can hold is left out.
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str) -> Parts {
        http::Request::builder().uri(uri).body(()).unwrap().into_parts().0
    }

    #[test]
    fn parameters_and_paths_are_decoded() {
        let request = Request { head: head("/a%2fb+c%zz%?x=1&token=a%20b+c&y"), body: Bytes::new() };
        assert_eq!(request.path(), b"/a/b+c%zz%");
        assert_eq!(request.parameter("token").as_deref(), Some("a b c"));
        assert_eq!(request.parameter("y").as_deref(), Some(""));
        assert_eq!(request.parameter("z"), None);
    }

    #[test]
    fn secrets_are_the_same_only_whole() {
        assert!(same_secret("abc", "abc"));
        for other in ["", "ab", "abd", "abcd"] {
            assert!(!same_secret(other, "abc"));
        }
    }
}
