//! What a scan finds, as messages.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use kloset_connector::{ConnectorError, Record, ScanSink, Xattr};
use kloset_format::path;
use tokio::sync::mpsc;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::convert::{record_to_wire, xattrs_to_wire};
use crate::failure::{is_extended, to_status};
use crate::wire::connectors;
use crate::wire::importer::ImportResponse;

/// How much the host understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dialect {
    /// The protocol: names are UTF-8, attributes are records of their own.
    Plain,
    /// Ours: any names, ends of listings, attributes with their record.
    Extended,
}

impl Dialect {
    pub(super) fn of(metadata: &MetadataMap) -> Self {
        if is_extended(metadata) { Self::Extended } else { Self::Plain }
    }
}

/// What the host may still ask of records that it has not acknowledged.
#[derive(Default)]
pub(super) struct Kept {
    paths: Mutex<HashMap<Vec<u8>, KeptPath>>,
}

#[derive(Default)]
struct KeptPath {
    size: i64,
    xattrs: Vec<Xattr>,
}

impl Kept {
    fn keep(&self, path: &[u8], record: &Record, values: bool) {
        let xattrs = if values { record.xattrs.clone() } else { Vec::new() };
        if record.info.mode.is_regular() || !xattrs.is_empty() {
            self.lock().insert(path.to_vec(), KeptPath { size: record.info.size, xattrs });
        }
    }

    /// The host will not ask for this record any more.
    pub(super) fn forget(&self, record: &connectors::Record) {
        let mut paths = self.lock();
        let Some(kept) = paths.get_mut(&record.pathname) else { return };
        if record.is_xattr {
            kept.xattrs.retain(|xattr| xattr.name != record.xattr_name);
        } else {
            kept.size = -1;
        }
        if kept.size < 0 && kept.xattrs.is_empty() {
            paths.remove(&record.pathname);
        }
    }

    /// Size by the scan.
    pub(super) fn size(&self, path: &[u8]) -> Option<i64> {
        self.lock().get(path).map(|kept| kept.size)
    }

    /// Value of an attribute.
    pub(super) fn xattr(&self, record: &connectors::Record) -> Option<Vec<u8>> {
        let paths = self.lock();
        let kept = paths.get(&record.pathname)?;
        kept.xattrs.iter().find(|xattr| xattr.name == record.xattr_name).map(|xattr| xattr.value.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, KeptPath>> {
        self.paths.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Sends what the scan finds.
pub(super) struct ScanSender {
    sender: mpsc::Sender<Result<ImportResponse, Status>>,
    dialect: Dialect,
    kept: Arc<Kept>,
    closed: Arc<AtomicBool>,
}

impl ScanSender {
    pub(super) fn new(
        sender: mpsc::Sender<Result<ImportResponse, Status>>,
        dialect: Dialect,
        kept: Arc<Kept>,
        closed: Arc<AtomicBool>,
    ) -> Self {
        Self { sender, dialect, kept, closed }
    }

    /// The scan has ended.
    pub(super) fn finish(&self, result: Result<(), ConnectorError>) {
        let _ = match result {
            Ok(()) => self.sender.blocking_send(Ok(ImportResponse { finished: true, ..Default::default() })),
            Err(error) => self.sender.blocking_send(Err(to_status(&error))),
        };
    }

    fn send(&self, message: ImportResponse) {
        // A host that has gone is noticed by `stopped`.
        let _ = self.sender.blocking_send(Ok(message));
    }

    fn record(&self, path: &[u8], record: &Record, in_chain: bool) {
        match self.dialect {
            Dialect::Extended => self.send(ImportResponse {
                record: Some(record_to_wire(path, record)),
                xattrs: xattrs_to_wire(&record.xattrs),
                in_chain,
                ..Default::default()
            }),
            Dialect::Plain => self.plain_record(path, record),
        }
    }

    fn plain_record(&self, path: &[u8], record: &Record) {
        let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
        let target_is_text = record.target.as_deref().is_none_or(is_text);
        if !is_text(path) || !target_is_text {
            let what = if target_is_text { "its name" } else { "the target of the link" };
            let reason = format!("{what} is not UTF-8, which this protocol cannot carry");
            return self.failure(path, reason, false);
        }
        let mut message = record_to_wire(path, record);
        message.extended_attributes.retain(|name| is_text(name));
        if let Some(info) = message.file_info.as_mut() {
            for name in [&mut info.username, &mut info.groupname] {
                *name = String::from_utf8_lossy(name).into_owned().into_bytes();
            }
        }
        let problem = std::mem::take(&mut message.error);
        self.kept.keep(path, record, true);
        self.send(ImportResponse { record: Some(message), ..Default::default() });
        if !problem.is_empty() {
            self.failure(path, problem, false);
        }
        for xattr in &record.xattrs {
            if !is_text(&xattr.name) {
                self.failure(
                    path,
                    "an extended attribute whose name is not UTF-8 is left out".to_owned(),
                    false,
                );
                continue;
            }
            let record = connectors::Record {
                has_reader: true,
                pathname: path.to_vec(),
                is_xattr: true,
                xattr_name: xattr.name.clone(),
                ..Default::default()
            };
            self.send(ImportResponse { record: Some(record), ..Default::default() });
        }
    }

    fn failure(&self, path: &[u8], error: String, directory: bool) {
        let pathname = match self.dialect {
            Dialect::Extended => path.to_vec(),
            Dialect::Plain => String::from_utf8_lossy(path).into_owned().into_bytes(),
        };
        let record = connectors::Record { pathname, error, ..Default::default() };
        self.send(ImportResponse { record: Some(record), directory_failed: directory, ..Default::default() });
    }
}

impl ScanSink for ScanSender {
    fn ancestors(&self, chain: Vec<Record>) {
        let mut at = b"/".to_vec();
        for (depth, record) in chain.iter().enumerate() {
            if depth > 0 {
                at = path::join(&at, &record.info.name);
            }
            self.record(&at, record, true);
        }
        if self.dialect == Dialect::Extended {
            self.send(ImportResponse { chain_ended: true, ..Default::default() });
        }
    }

    fn listing(&self, directory: &[u8], children: Vec<Record>) {
        for record in &children {
            self.record(&path::join(directory, &record.info.name), record, false);
        }
        if self.dialect == Dialect::Extended {
            self.send(ImportResponse { listed: Some(directory.to_vec()), ..Default::default() });
        }
    }

    fn failed(&self, path: &[u8], directory: bool, error: ConnectorError) {
        self.failure(path, error.message, directory);
    }

    fn stopped(&self) -> bool {
        self.sender.is_closed() || self.closed.load(Ordering::Relaxed)
    }
}
