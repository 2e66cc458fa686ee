//! The API: what the pages show, for programs.

use http_server::{Content, Request, Response, StatusCode};
use kloset::Snapshot;
use kloset_format::entry::Entry;
use kloset_format::mode::FileKind;
use serde_json::{Value, json};

use super::{Refusal, Site, download, html};
use crate::view::Place;

impl Site {
    pub(super) fn api(&self, request: &Request) -> Result<Response, Refusal> {
        let path = request.head.uri.path().trim_end_matches('/');
        let wanted = || request.parameter("path").unwrap_or_else(|| "/".to_owned()).into_bytes();
        match path.strip_prefix("/api").unwrap_or_default() {
            "/snapshots" => {
                let all = self.view.snapshots().iter().map(|(_, snapshot)| snapshot_json(snapshot));
                Ok(list(all.collect()))
            }
            "/children" => self.folder(&wanted()),
            "/content" => match self.place(&wanted())? {
                (Place::Inside(snapshot, _), Some(entry)) if entry.info.mode.kind() == FileKind::Regular => {
                    Ok(download(&snapshot, entry))
                }
                _ => Err(Refusal { message: "not a file".to_owned(), ..Refusal::not_found() }),
            },
            other => {
                let id = other.strip_prefix("/snapshots/").ok_or_else(Refusal::not_found)?;
                let found = self.view.snapshots().iter().find(|(name, _)| name == id);
                found
                    .map(|(_, snapshot)| as_json(StatusCode::OK, &snapshot_json(snapshot)))
                    .ok_or_else(Refusal::not_found)
            }
        }
    }

    fn folder(&self, path: &[u8]) -> Result<Response, Refusal> {
        let (place, entry) = self.place(path)?;
        match entry {
            None => Ok(list(self.view.snapshots().iter().map(|(name, _)| json!({"name": name})).collect())),
            Some(entry) if entry.info.mode.is_directory() => {
                Ok(list(self.children(&place)?.iter().map(entry_json).collect()))
            }
            Some(_) => Err(Refusal { message: "not a folder".to_owned(), ..Refusal::not_found() }),
        }
    }
}

pub(super) fn error(refusal: &Refusal) -> Response {
    as_json(refusal.status, &json!({"error": {"code": refusal.code, "message": refusal.message}}))
}

fn list(items: Vec<Value>) -> Response {
    as_json(StatusCode::OK, &json!({"total": items.len(), "items": items}))
}

fn as_json(status: StatusCode, value: &Value) -> Response {
    Response::new(status, "application/json", Content::Bytes(value.to_string().into()))
}

fn snapshot_json(snapshot: &Snapshot) -> Value {
    let header = snapshot.header();
    let source = header.source();
    json!({
        "id": snapshot.id().to_string(),
        "time": html::time(header.timestamp),
        "name": header.name.to_string_lossy(),
        "tags": header.tags.iter().map(|tag| tag.to_string_lossy()).collect::<Vec<_>>(),
        "type": source.map(|source| source.importer.kind.to_string_lossy()),
        "origin": source.map(|source| source.importer.origin.to_string_lossy()),
        "directory": String::from_utf8_lossy(snapshot.root_directory()),
        "size": source.map(|source| source.summary.directory.size.saturating_add(source.summary.below.size)),
    })
}

fn entry_json(entry: &Entry) -> Value {
    let info = &entry.info;
    let mut value = json!({
        "name": String::from_utf8_lossy(&info.name),
        "mode": info.mode.to_text(),
        "size": info.size,
        "modified": html::time(info.mod_time),
        "uid": info.uid,
        "gid": info.gid,
    });
    if let Some(object) = value.as_object_mut().filter(|_| info.mode.is_symlink()) {
        object.insert("target".to_owned(), String::from_utf8_lossy(&entry.symlink_target).into());
    }
    value
}
