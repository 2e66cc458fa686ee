//! Events as JSON, one object a line.

use std::sync::Mutex;

use base64_of_bytes::encode;
use kloset::Event;
use kloset_format::config::RepositoryId;
use kloset_format::mode::FileKind;
use kloset_format::{SnapshotId, Timestamp};
use serde_json::{Value, json};

use crate::cli::date;
use crate::ui::Summary;

struct Job {
    workflow: &'static str,
    repository: [u8; 16],
}

/// The events of one command.
pub struct Stream {
    id: String,
    job: Mutex<Job>,
}

impl Stream {
    /// A job with a random name.
    pub fn new() -> Self {
        let mut id: [u8; 16] = rand::random();
        // The two marks of a random UUID (version 4, variant 1).
        id[6] = (id[6] & 0x0f) | 0x40;
        id[8] = (id[8] & 0x3f) | 0x80;
        Self { id: RepositoryId(id).to_string(), job: Mutex::new(Job { workflow: "", repository: [0; 16] }) }
    }

    /// What the following events belong to.
    pub fn start(&self, workflow: &'static str, repository: Option<[u8; 16]>) {
        let mut job = self.lock();
        job.workflow = workflow;
        if let Some(repository) = repository {
            job.repository = repository;
        }
    }

    /// One event.
    pub fn event(&self, kind: &str, level: &str, snapshot: Option<SnapshotId>, data: Option<Value>) -> Value {
        let job = self.lock();
        let mut value = json!({
            "version": 1,
            "timestamp": date::show_precise(now()),
            "repository": RepositoryId(job.repository).to_string(),
            "snapshot": snapshot.unwrap_or(SnapshotId::ZERO).to_string(),
            "level": level,
            "workflow": job.workflow,
            "job": self.id,
            "type": kind,
        });
        if let (Some(data), Some(object)) = (data, value.as_object_mut()) {
            object.insert("data".to_owned(), data);
        }
        value
    }

    /// A text for people.
    pub fn message(&self, level: &str, text: &str) -> Value {
        self.event("message", level, None, Some(json!({ "text": text })))
    }

    /// The summary of an operation.
    pub fn result(&self, summary: &Summary) -> Value {
        let level = if summary.errors == 0 { "info" } else { "warn" };
        let data = json!({
            "operation": summary.verb,
            "errors": summary.errors,
            "duration": summary.elapsed.as_millis() as u64,
            "rbytes": summary.read_bytes,
            "wbytes": summary.written_bytes,
        });
        self.event("result", level, Some(summary.snapshot), Some(data))
    }

    /// An event of the engine, where it has a JSON form.
    pub fn of(&self, event: Event<'_>) -> Option<Value> {
        Some(match event {
            Event::PathDone { snapshot, path, kind, cached } => {
                let suffix = if cached { "cached" } else { "ok" };
                self.event(
                    &format!("{}.{suffix}", word(kind)),
                    "info",
                    Some(snapshot),
                    Some(path_object(path)),
                )
            }
            Event::PathFailed { snapshot, path, reason } => {
                let mut data = path_object(path);
                set(&mut data, "error", json!(reason));
                self.event("path.error", "error", Some(snapshot), Some(data))
            }
            Event::ObjectFailed { snapshot, object, reason } => {
                let data = json!({ "mac": object.to_string(), "error": reason });
                self.event("object.error", "error", Some(snapshot), Some(data))
            }
            Event::Expected { entries, bytes, complete: true } => {
                self.event("fs.summary", "info", None, Some(json!({ "entries": entries, "size": bytes })))
            }
            _ => return None,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Job> {
        self.job.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn now() -> Timestamp {
    use kloset::runtime::{Clock, SystemClock};
    SystemClock.now()
}

fn word(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Directory => "directory",
        FileKind::Symlink => "symlink",
        _ => "file",
    }
}

fn set(value: &mut Value, key: &str, to: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(key.to_owned(), to);
    }
}

/// `path` as text, and `path_base64` exactly when the name is not UTF-8.
pub fn path_object(path: &[u8]) -> Value {
    named("path", path)
}

/// A byte string under `key`, and exactly under `key_base64` when it is not UTF-8.
pub fn named(key: &str, bytes: &[u8]) -> Value {
    let mut value = json!({ key: String::from_utf8_lossy(bytes) });
    if std::str::from_utf8(bytes).is_err() {
        set(&mut value, &format!("{key}_base64"), json!(encode(bytes)));
    }
    value
}

mod base64_of_bytes {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    /// Base64 with padding.
    pub fn encode(bytes: &[u8]) -> String {
        let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
        for group in bytes.chunks(3) {
            let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
            let word = byte(0) << 16 | byte(1) << 8 | byte(2);
            for position in 0..4 {
                if position <= group.len() {
                    let digit = (word >> (18 - 6 * position)) & 63;
                    out.push(DIGITS[digit as usize] as char);
                } else {
                    out.push('=');
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_its_padding() {
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(encode(plain.as_bytes()), text);
        }
    }

    #[test]
    fn names_that_are_not_utf8_are_given_exactly() {
        assert_eq!(path_object(b"/a"), json!({ "path": "/a" }));
        assert_eq!(path_object(b"/\xff"), json!({ "path": "/\u{fffd}", "path_base64": "L/8=" }));
    }

    #[test]
    fn events_have_all_fields() {
        let stream = Stream::new();
        stream.start("import", Some([1; 16]));
        let path = Event::PathDone {
            snapshot: SnapshotId([2; 32]),
            path: b"/a",
            kind: FileKind::Regular,
            cached: true,
        };
        let value = stream.of(path).unwrap();
        for key in
            ["version", "timestamp", "repository", "snapshot", "level", "workflow", "job", "type", "data"]
        {
            assert!(value.get(key).is_some(), "{key}");
        }
        assert_eq!(value["type"], "file.cached");
        assert_eq!(value["repository"], "01010101-0101-0101-0101-010101010101");
    }
}
