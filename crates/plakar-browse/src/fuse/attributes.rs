//! Extended attributes of single paths.
//!
//! The tree of attributes comes in two orders, so that a single key cannot be looked for in it: the
//! names of a whole snapshot are read when the first path with attributes is asked for, and kept.

use std::sync::{Arc, Mutex, PoisonError};

use kloset::vfs::{NamedValue, XattrTable};
use kloset::{Error, Snapshot};
use kloset_format::SnapshotId;
use kloset_format::entry::Entry;

/// Snapshots whose names are kept.
const SNAPSHOTS_MAX: usize = 4;

/// What was read so far.
#[derive(Default)]
pub(super) struct Attributes {
    tables: Mutex<Vec<(SnapshotId, Arc<XattrTable>)>>,
}

impl Attributes {
    /// Names and values of a path, sorted by name.
    pub(super) fn of(
        &self,
        snapshot: &Snapshot,
        path: &[u8],
        entry: &Entry,
    ) -> Result<Vec<NamedValue>, Error> {
        // Programs ask for attributes of every file that they list.
        if entry.extended_attributes.is_empty() {
            return Ok(Vec::new());
        }
        self.table(snapshot)?.values(snapshot, path)
    }

    fn table(&self, snapshot: &Snapshot) -> Result<Arc<XattrTable>, Error> {
        // Who asks meanwhile waits, instead of reading the same.
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, table)) = tables.iter().find(|(id, _)| *id == snapshot.id()) {
            return Ok(Arc::clone(table));
        }
        let table = Arc::new(snapshot.xattr_table(b"/")?);
        if tables.len() >= SNAPSHOTS_MAX {
            tables.remove(0);
        }
        tables.push((snapshot.id(), Arc::clone(&table)));
        Ok(table)
    }
}
