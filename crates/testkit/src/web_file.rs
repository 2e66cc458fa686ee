//! A private web server with one file, which it gives whole, in parts, or wrongly.

use std::io::{BufRead, BufReader, Result, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::loopback::Loopback;

/// How a server answers requests for parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// As web servers do.
    Parts,
    /// With the whole file.
    Whole,
    /// With the right part, saying that it is the next one.
    WrongWords,
    /// With a file that grows with each answer.
    Growing,
    /// With nothing, but a page for browsers.
    Missing,
}

struct State {
    content: Vec<u8>,
    manner: Mutex<Manner>,
    given_bytes: AtomicU64,
    answers: AtomicU64,
}

/// A running server; it ends when dropped.
pub struct WebFile {
    loopback: Loopback,
    state: Arc<State>,
}

impl WebFile {
    /// Serves a file under every path.
    pub fn start(content: Vec<u8>, manner: Manner) -> Result<Self> {
        let state = Arc::new(State {
            content,
            manner: Mutex::new(manner),
            given_bytes: AtomicU64::new(0),
            answers: AtomicU64::new(0),
        });
        let serving = Arc::clone(&state);
        let loopback = Loopback::serve(move |stream| serving.serve(stream))?;
        Ok(Self { loopback, state })
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        self.loopback.address().to_string()
    }

    /// From now on, answers are of this kind.
    pub fn set_manner(&self, manner: Manner) {
        *self.state.manner.lock().expect("not poisoned") = manner;
    }

    /// Bytes of the file that were given so far.
    pub fn given_bytes(&self) -> u64 {
        self.state.given_bytes.load(Ordering::Relaxed)
    }
}

impl State {
    fn serve(&self, stream: &TcpStream) -> Result<()> {
        let mut range = None;
        for line in BufReader::new(stream).lines() {
            let line = line?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(wanted) = line.strip_prefix("range: bytes=") {
                range = wanted.split_once('-').and_then(|(first, last)| {
                    Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?))
                });
            }
        }
        let (head, body) = self.answer(range);
        self.given_bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        let mut out = stream;
        write!(out, "HTTP/1.1 {head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
        out.write_all(body)
    }

    fn answer(&self, range: Option<(usize, usize)>) -> (String, &[u8]) {
        let manner = *self.manner.lock().expect("not poisoned");
        let answers = self.answers.fetch_add(1, Ordering::Relaxed);
        let part = range.and_then(|(first, last)| Some((first, last, self.content.get(first..=last)?)));
        let length = self.content.len() as u64;
        match (manner, range, part) {
            (Manner::Missing, ..) => ("404 Not Found\r\n".to_owned(), b"<html>no such page</html>"),
            (Manner::Whole, ..) | (_, None, _) => ("200 OK\r\n".to_owned(), &self.content),
            (_, Some(_), None) => ("416 Range Not Satisfiable\r\n".to_owned(), b""),
            (_, _, Some((first, last, part))) => {
                let skew = usize::from(manner == Manner::WrongWords);
                let length = if manner == Manner::Growing { length + answers } else { length };
                let said = format!("bytes {}-{}/{length}", first + skew, last + skew);
                (format!("206 Partial Content\r\nContent-Range: {said}\r\n"), part)
            }
        }
    }
}
