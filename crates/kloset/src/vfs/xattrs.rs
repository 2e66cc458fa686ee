//! Extended attributes of many paths, for readers that go through a snapshot once.

use std::collections::HashMap;

use kloset_format::xattr::XattrEntry;
use kloset_format::{KeyOrder, Mac, ResourceType, path};

use super::{OBJECTS_PER_BATCH, read_chunks};
use crate::repository::DecodeOn;
use crate::{BlobId, Error, Snapshot};

/// Name and value of one attribute.
pub type NamedValue = (Vec<u8>, Vec<u8>);

/// Names and objects of the attributes at and below one path.
pub struct XattrTable(HashMap<Vec<u8>, Vec<(Vec<u8>, Mac)>>);

impl Snapshot {
    /// Finds all attributes at and below a path. Values are read when they are asked for.
    pub fn xattr_table(&self, start: &[u8]) -> Result<XattrTable, Error> {
        let tree = self.tree(ResourceType::XATTR_BTREE, self.source().roots.xattrs, KeyOrder::Bytes)?;
        let mut wanted = Vec::new();
        tree.scan(&mut |key, mac| {
            // The key starts with the path; others that do are left out below.
            if key.starts_with(start) {
                wanted.push(BlobId::new(ResourceType::XATTR_ENTRY, mac));
            }
            Ok(())
        })?;
        let mut table: HashMap<Vec<u8>, Vec<(Vec<u8>, Mac)>> = HashMap::new();
        for batch in wanted.chunks(OBJECTS_PER_BATCH) {
            for entry in self.decode_blobs(batch, XattrEntry::decode) {
                let entry = entry?;
                if path::is_within(&entry.path, start) && !entry.object.is_zero() {
                    table.entry(entry.path).or_default().push((entry.name, entry.object));
                }
            }
        }
        table.values_mut().for_each(|named| named.sort_unstable());
        Ok(XattrTable(table))
    }
}

impl XattrTable {
    /// Paths that have attributes, in byte order.
    pub fn paths(&self) -> Vec<&[u8]> {
        let mut paths: Vec<&[u8]> = self.0.keys().map(Vec::as_slice).collect();
        paths.sort_unstable();
        paths
    }

    /// Names and values of the attributes of a path, sorted by name.
    pub fn values(&self, snapshot: &Snapshot, path: &[u8]) -> Result<Vec<NamedValue>, Error> {
        let Some(named) = self.0.get(path) else { return Ok(Vec::new()) };
        let objects: Vec<Mac> = named.iter().map(|(_, object)| *object).collect();
        let mut values = Vec::with_capacity(named.len());
        for ((name, _), object) in named.iter().zip(snapshot.objects(&objects)) {
            let chunks = read_chunks(snapshot.repository(), &object?.chunks, DecodeOn::Caller);
            let value = chunks.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
            values.push((name.clone(), value));
        }
        Ok(values)
    }
}
