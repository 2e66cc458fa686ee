//! Extended attributes: found by one scan of their tree, read for many entries at once.
//!
//! Lookups by key cannot be trusted (the reference implementation builds the tree in one order and
//! searches it in another), so all keys are read, once, when the first entry with attributes comes.

use std::collections::HashMap;
use std::sync::OnceLock;

use kloset_connector::Xattr;
use kloset_format::object::ChunkRecord;
use kloset_format::xattr::XattrEntry;
use kloset_format::{KeyOrder, Mac, ResourceType, path};

use super::is_local;
use super::plan::Item;
use crate::repository::DecodeOn;
use crate::vfs::{OBJECTS_PER_BATCH, read_chunks};
use crate::{BlobId, Error, Snapshot};

/// Values longer than this are refused: Linux allows 64 KiB, other systems a little more.
const VALUE_BYTES_MAX: u64 = 16 << 20;

/// Name and object of an attribute.
type Attribute = (Box<[u8]>, Mac);

/// The attributes of one path.
type Named = Vec<Attribute>;

/// The extended attributes at and below one path.
pub(super) struct Attributes<'a> {
    snapshot: &'a Snapshot,
    start: Vec<u8>,
    by_path: OnceLock<HashMap<Box<[u8]>, Named>>,
}

/// Values per item, and why those of an item cannot be read.
pub(super) type Values = (Vec<Vec<Xattr>>, Vec<Option<String>>);

impl<'a> Attributes<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, start: &[u8]) -> Self {
        Self { snapshot, start: start.to_vec(), by_path: OnceLock::new() }
    }

    /// The attributes of each item, sorted by name. An `Err` is an error of the store as a whole.
    pub(super) fn read(&self, items: &[&Item]) -> Result<Values, Error> {
        let mut values: Vec<Vec<Xattr>> = vec![Vec::new(); items.len()];
        let mut problems: Vec<Option<String>> = vec![None; items.len()];
        if items.iter().all(|item| !item.has_xattrs) {
            return Ok((values, problems));
        }
        let by_path = match self.table() {
            Ok(table) => table,
            Err(error) if is_local(&error) => {
                for (item, problem) in items.iter().zip(&mut problems).filter(|(item, _)| item.has_xattrs) {
                    debug_assert!(item.has_xattrs);
                    *problem = Some(format!("extended attributes: {error}"));
                }
                return Ok((values, problems));
            }
            Err(error) => return Err(error),
        };
        let wanted: Vec<(usize, &Attribute)> = items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.has_xattrs)
            .flat_map(|(at, item)| {
                by_path.get(item.path.as_slice()).into_iter().flatten().map(move |a| (at, a))
            })
            .collect();
        for batch in wanted.chunks(OBJECTS_PER_BATCH) {
            let macs: Vec<Mac> = batch.iter().map(|(_, (_, object))| *object).collect();
            for ((at, (name, _)), value) in batch.iter().zip(self.values(&macs)?) {
                let (Some(item), Some(problem)) = (values.get_mut(*at), problems.get_mut(*at)) else {
                    continue;
                };
                match value {
                    Ok(value) => item.push(Xattr { name: name.to_vec(), value }),
                    Err(error) => {
                        let name = String::from_utf8_lossy(name);
                        *problem = Some(format!("extended attribute {name}: {error}"));
                    }
                }
            }
        }
        Ok((values, problems))
    }

    /// The contents of small objects.
    fn values(&self, macs: &[Mac]) -> Result<Vec<Result<Vec<u8>, Error>>, Error> {
        let objects = self.snapshot.objects(macs);
        let usable = |object: &Result<kloset_format::Object, Error>| {
            object.as_ref().is_ok_and(|object| object.content_bytes() <= VALUE_BYTES_MAX)
        };
        let chunks: Vec<ChunkRecord> = objects
            .iter()
            .filter(|object| usable(object))
            .flat_map(|object| object.iter().flat_map(|object| object.chunks.iter().copied()))
            .collect();
        let mut read = read_chunks(self.snapshot.repository(), &chunks, DecodeOn::AllCores).into_iter();
        let mut values = Vec::with_capacity(macs.len());
        for object in objects {
            let usable = usable(&object);
            let value = match object {
                Ok(object) if usable => {
                    let parts: Vec<_> = read.by_ref().take(object.chunks.len()).collect();
                    parts.into_iter().collect::<Result<Vec<Vec<u8>>, Error>>().map(|parts| parts.concat())
                }
                Ok(_) => Err(self.snapshot.damaged("the value is too long")),
                Err(error) => Err(error),
            };
            match value {
                Err(error) if !is_local(&error) => return Err(error),
                value => values.push(value),
            }
        }
        Ok(values)
    }

    fn table(&self) -> Result<&HashMap<Box<[u8]>, Named>, Error> {
        if let Some(table) = self.by_path.get() {
            return Ok(table);
        }
        let table = self.load()?;
        Ok(self.by_path.get_or_init(|| table))
    }

    fn load(&self) -> Result<HashMap<Box<[u8]>, Named>, Error> {
        let roots = self.snapshot.source().roots;
        let tree = self.snapshot.tree(ResourceType::XATTR_BTREE, roots.xattrs, KeyOrder::Bytes)?;
        let mut wanted = Vec::new();
        tree.scan(&mut |key, mac| {
            // The path is the first part of the key; where it ends, only the record says.
            if key.starts_with(&self.start) {
                wanted.push(BlobId::new(ResourceType::XATTR_ENTRY, mac));
            }
            Ok(())
        })?;
        let mut table: HashMap<Box<[u8]>, Named> = HashMap::new();
        for batch in wanted.chunks(OBJECTS_PER_BATCH) {
            for entry in self.snapshot.decode_blobs(batch, XattrEntry::decode) {
                let entry = entry?;
                let is_wanted = entry.kind == XattrEntry::EXTENDED_ATTRIBUTE;
                if is_wanted && path::is_within(&entry.path, &self.start) {
                    table.entry(entry.path.into()).or_default().push((entry.name.into(), entry.object));
                }
            }
        }
        for named in table.values_mut() {
            named.sort_unstable();
        }
        Ok(table)
    }
}
