//! Makes listings of records.
//!
//! Peers of ours say when a folder is complete, so that little is held. Others do not, and their
//! order is arbitrary: everything is held until the last record, then delivered from the top.

use std::collections::{BTreeMap, HashMap, HashSet};

use kloset_connector::{ConnectorError, ErrorKind, Record, ScanOptions, ScanSink, Xattr};
use kloset_format::FileInfo;
use kloset_format::path::{base_name, clean, is_within, join, parent, tree_order};
use plugin_sdk::convert::{record_from_wire, xattrs_from_wire};
use plugin_sdk::failure::printable;
use plugin_sdk::wire::importer::ImportResponse;

use super::import::{Session, failed_header, header};

/// Listings of a peer that says when they end.
pub(super) struct Extended<'a> {
    options: &'a ScanOptions,
    sink: &'a dyn ScanSink,
    chain: Vec<Record>,
    open: HashMap<Vec<u8>, Vec<Record>>,
    excluded: HashSet<Vec<u8>>,
}

impl<'a> Extended<'a> {
    pub(super) fn new(options: &'a ScanOptions, sink: &'a dyn ScanSink) -> Self {
        Self { options, sink, chain: Vec::new(), open: HashMap::new(), excluded: HashSet::new() }
    }

    pub(super) fn take(&mut self, message: ImportResponse) -> Result<(), ConnectorError> {
        if message.chain_ended {
            self.sink.ancestors(std::mem::take(&mut self.chain));
        }
        if let Some(directory) = message.listed {
            let directory = clean(&directory);
            if !self.excluded.contains(&directory) {
                let children = self.open.remove(&directory).unwrap_or_default();
                self.sink.listing(&directory, children);
            }
            return Ok(());
        }
        let Some(record) = message.record else { return Ok(()) };
        let error = printable(&record.error);
        let (path, record) = record_from_wire(record);
        let Some(mut record) = record else {
            if !self.is_excluded(&path, message.directory_failed) {
                self.sink.failed(&path, message.directory_failed, entry_error(&path, error));
            }
            return Ok(());
        };
        record.xattrs = xattrs_from_wire(message.xattrs);
        if message.in_chain {
            if path == b"/" {
                record.info.name = b"/".to_vec();
            }
            self.chain.push(record);
        } else if !self.is_excluded(&path, record.info.mode.is_directory()) {
            self.open.entry(parent(&path).to_vec()).or_default().push(record);
        }
        Ok(())
    }

    fn is_excluded(&mut self, path: &[u8], directory: bool) -> bool {
        let excluded = self.excluded.contains(parent(path)) || (self.options.excluded)(path, directory);
        if excluded && directory {
            self.excluded.insert(path.to_vec());
        }
        excluded
    }
}

/// Records of a peer that sends them in any order.
pub(super) struct Plain {
    root: Vec<u8>,
    records: BTreeMap<Vec<u8>, Record>,
    /// Names and kinds of attributes whose values must be asked for.
    xattrs: HashMap<Vec<u8>, Vec<(Vec<u8>, u32)>>,
    failures: Vec<(Vec<u8>, String)>,
}

/// Asks for the value of an attribute: path, name, kind.
pub(super) type XattrValue<'a> = &'a dyn Fn(&[u8], &[u8], u32) -> Result<Xattr, ConnectorError>;

impl Plain {
    pub(super) fn new(root: &[u8]) -> Self {
        Self { root: root.to_vec(), records: BTreeMap::new(), xattrs: HashMap::new(), failures: Vec::new() }
    }

    pub(super) fn take(&mut self, message: ImportResponse) -> Result<(), ConnectorError> {
        let Some(record) = message.record else { return Ok(()) };
        let error = printable(&record.error);
        if record.is_xattr && error.is_empty() {
            let path = clean(&record.pathname);
            self.xattrs.entry(path).or_default().push((record.xattr_name, record.xattr_type));
            return Ok(());
        }
        match record_from_wire(record) {
            (path, Some(record)) if error.is_empty() => drop(self.records.insert(path, record)),
            (path, None) if error.is_empty() => {
                let text = format!("invalid record {}: missing fileinfo", String::from_utf8_lossy(&path));
                return Err(ConnectorError::new(ErrorKind::Corrupt, "scan", "package", text));
            }
            (path, _) => self.failures.push((path, error)),
        }
        Ok(())
    }

    /// Hands everything to the engine.
    pub(super) fn deliver(
        mut self,
        options: &ScanOptions,
        sink: &dyn ScanSink,
        value: XattrValue<'_>,
        session: &Session,
    ) -> Result<(), ConnectorError> {
        self.leave_out_excluded(options, session);
        self.make_up_missing();
        let mut chain = self.take_chain(session);
        if let Some(last) = chain.last_mut() {
            let root = self.root.clone();
            self.add_xattrs(&root, last, value)?;
        }
        sink.ancestors(chain);
        let failed: HashSet<Vec<u8>> = self.failures.iter().map(|(path, _)| path.clone()).collect();
        let mut folders = self.group(&failed);
        let mut order: Vec<Vec<u8>> = folders.keys().cloned().collect();
        order.sort_by(|a, b| tree_order(a, b));
        for folder in order {
            if sink.stopped() {
                return Ok(());
            }
            let mut children = folders.remove(&folder).unwrap_or_default();
            for child in &mut children {
                let path = join(&folder, &child.info.name);
                self.add_xattrs(&path, child, value)?;
                let header = header(&path, &child.info);
                // Before the engine can ask for it.
                if child.info.mode.is_regular() {
                    session.keep_unread(path, header);
                } else {
                    session.acknowledge(header);
                }
            }
            sink.listing(&folder, children);
        }
        for (path, error) in std::mem::take(&mut self.failures) {
            let directory = self.records.get(&path).is_some_and(|record| record.info.mode.is_directory());
            session.acknowledge(failed_header(&path, &error));
            sink.failed(&path, directory, entry_error(&path, error));
        }
        Ok(())
    }

    /// Asks for the values of a path's attributes.
    fn add_xattrs(
        &mut self,
        path: &[u8],
        record: &mut Record,
        value: XattrValue<'_>,
    ) -> Result<(), ConnectorError> {
        for (name, kind) in self.xattrs.remove(path).unwrap_or_default() {
            match value(path, &name, kind) {
                Ok(xattr) => record.xattrs.push(xattr),
                Err(error) if error.kind == ErrorKind::Interrupted => return Err(error),
                Err(error) => record.problem = Some(error.message),
            }
        }
        record.xattrs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }

    /// Byte order puts every folder before what is in it.
    fn leave_out_excluded(&mut self, options: &ScanOptions, session: &Session) {
        let mut out: HashSet<Vec<u8>> = HashSet::new();
        let root = &self.root;
        self.records.retain(|path, record| {
            let directory = record.info.mode.is_directory();
            let excluded =
                !is_within(root, path) && (out.contains(parent(path)) || (options.excluded)(path, directory));
            if excluded {
                session.acknowledge(header(path, &record.info));
                if directory {
                    out.insert(path.clone());
                }
            }
            !excluded
        });
        self.failures.retain(|(path, _)| !out.iter().any(|folder| is_within(path, folder)));
    }

    /// Folders that nobody described but that hold something, and the chain down to the root.
    fn make_up_missing(&mut self) {
        let mut missing: HashSet<Vec<u8>> = HashSet::new();
        let paths = self.records.keys().chain(std::iter::once(&self.root));
        for path in paths {
            let mut at = parent(path);
            while !self.records.contains_key(at) && missing.insert(at.to_vec()) {
                at = parent(at);
            }
        }
        if !self.records.contains_key(&self.root) {
            missing.insert(self.root.clone());
        }
        for path in missing {
            let info = FileInfo::made_up_directory(base_name(&path));
            self.records.insert(path, Record { info, target: None, xattrs: Vec::new(), problem: None });
        }
    }

    /// The records from `/` to the root, or to the folder that holds a root which is no folder.
    fn take_chain(&mut self, session: &Session) -> Vec<Record> {
        let mut paths = vec![self.root.clone()];
        while let Some(last) = paths.last().filter(|path| path.as_slice() != b"/") {
            paths.push(parent(last).to_vec());
        }
        paths.reverse();
        let mut chain = Vec::new();
        for path in paths {
            let Some(record) = self.records.get(&path) else { continue };
            if !record.info.mode.is_directory() {
                break;
            }
            let mut record = record.clone();
            session.acknowledge(header(&path, &record.info));
            if path == b"/" {
                record.info.name = b"/".to_vec();
            }
            if path != self.root {
                record.info.username.clear();
                record.info.groupname.clear();
            }
            chain.push(record);
        }
        chain
    }

    /// Children by folder; a folder whose reading failed and that has none is left out.
    fn group(&self, failed: &HashSet<Vec<u8>>) -> HashMap<Vec<u8>, Vec<Record>> {
        let mut folders: HashMap<Vec<u8>, Vec<Record>> = HashMap::new();
        for (path, record) in &self.records {
            let is_ancestor = is_within(&self.root, path);
            if record.info.mode.is_directory() {
                let unreadable = failed.contains(path);
                let above = is_ancestor && *path != self.root;
                if !unreadable && !above {
                    folders.entry(path.clone()).or_default();
                }
            }
            let in_chain = is_ancestor && record.info.mode.is_directory();
            if !in_chain {
                folders.entry(parent(path).to_vec()).or_default().push(record.clone());
            }
        }
        folders
    }
}

fn entry_error(path: &[u8], message: String) -> ConnectorError {
    ConnectorError::new(ErrorKind::Other, "read", String::from_utf8_lossy(path), message)
}
