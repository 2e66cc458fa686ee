//! A private HTTP server that serves packages, the index, and logins.
//!
//! It speaks just enough HTTP/1.1 for one request per connection.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::loopback::Loopback;

/// Longest body of a request that is read.
const BODY_BYTES_MAX: u64 = 1 << 20;
const PACKAGES: &str = "/dist/plugins/kloset/community";

struct State {
    token: String,
    files: Mutex<HashMap<String, Vec<u8>>>,
    polls: AtomicUsize,
}

/// A running server; it ends when dropped.
pub struct PackageServer {
    loopback: Loopback,
    state: Arc<State>,
}

impl PackageServer {
    /// Starts a server that gives packages to holders of `token`.
    pub fn start(token: &str) -> Result<Self> {
        let state =
            Arc::new(State { token: token.to_owned(), files: Mutex::default(), polls: AtomicUsize::new(0) });
        let serving = Arc::clone(&state);
        let loopback = Loopback::serve(move |stream| serving.serve(stream))?;
        Ok(Self { loopback, state })
    }

    /// Base address of packages.
    pub fn packages_url(&self) -> String {
        format!("http://{}{PACKAGES}", self.loopback.address())
    }

    /// Base address of index and logins.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.loopback.address())
    }

    /// Serves a file of a package.
    pub fn add(&self, package: &str, file: &str, content: Vec<u8>) {
        self.put(format!("{PACKAGES}/v1.1.0/{package}/{file}"), content);
    }

    /// Serves an index.
    pub fn set_index(&self, json: String) {
        self.put("/v1/integrations/integrations-v1.0.0.json".to_owned(), json.into_bytes());
    }

    fn put(&self, path: String, content: Vec<u8>) {
        self.state.files.lock().expect("not poisoned").insert(path, content);
    }
}

impl State {
    fn serve(&self, stream: &TcpStream) -> Result<()> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let (method, path) =
            (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
        let (mut authorised, mut length) = (false, 0);
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
                break;
            }
            let (name, value) = header.split_once(':').unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "authorization" => authorised = value.trim() == format!("Bearer {}", self.token),
                "content-length" => length = value.trim().parse().unwrap_or(0),
                _ => {}
            }
        }
        let mut body = Vec::new();
        reader.take(length).take(BODY_BYTES_MAX).read_to_end(&mut body)?;
        let (status, answer) = self.answer(&method, &path, authorised);
        let mut out = stream;
        write!(out, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len())?;
        out.write_all(&answer)
    }

    fn answer(&self, method: &str, path: &str, authorised: bool) -> (&'static str, Vec<u8>) {
        let json = |text: String| ("200 OK", text.into_bytes());
        match (method, path) {
            ("POST", "/v1/auth/login/github") => {
                json("{\"URL\":\"https://login.invalid/x\",\"poll_id\":\"abc-1\"}".to_owned())
            }
            ("POST", "/v1/auth/login/email") => json("{\"poll_id\":\"abc-1\"}".to_owned()),
            // The user confirms between the first and the second question.
            ("POST", "/v1/auth/poll/abc-1") => match self.polls.fetch_add(1, Ordering::Relaxed) {
                0 => ("202 Accepted", Vec::new()),
                _ => json(format!("{{\"token\":\"{}\"}}", self.token)),
            },
            ("POST", "/v1/account/derive-token") if authorised => {
                json(format!("{{\"token\":\"{}-derived\"}}", self.token))
            }
            ("GET", path) if path.ends_with(".ptar") && !authorised => ("401 Unauthorized", Vec::new()),
            ("GET", path) => match self.files.lock().expect("not poisoned").get(path) {
                Some(content) => ("200 OK", content.clone()),
                None => ("404 Not Found", Vec::new()),
            },
            _ => ("401 Unauthorized", Vec::new()),
        }
    }
}
