//! Tree records and nodes: their bytes, their shape, and lookups inside one node.

use std::cmp::Ordering;

use super::{KeyOrder, ORDER, ORDER_MIN};
use crate::msgpack::{Reader, put_id, put_int, put_key, put_list, put_map, put_nil, put_str, put_u32};
use crate::{DecodeError, Mac};

/// Bytes of a MAC in a list.
const MAC_BYTES: usize = 34;

/// Names the root node of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeRecord {
    /// Written as 0.
    pub version: u32,
    /// A node holds one key less at most.
    pub order: u64,
    /// Never filled in by the reference implementation.
    pub count: u64,
    /// Name of the root node.
    pub root: Mac,
}

impl TreeRecord {
    /// The record of a tree as it is written.
    pub fn new(root: Mac) -> Self {
        Self { version: 0, order: ORDER as u64, count: 0, root }
    }

    /// Appends the canonical bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_map(out, 4);
        put_key(out, "Version");
        put_u32(out, self.version);
        put_key(out, "Order");
        put_int(out, i64::try_from(self.order).unwrap_or(i64::MAX));
        put_key(out, "Count");
        put_int(out, i64::try_from(self.count).unwrap_or(i64::MAX));
        put_key(out, "Root");
        put_id(out, &self.root.0);
    }

    /// Decodes a tree record and checks its order.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut record = Self { version: 0, order: 0, count: 0, root: Mac::ZERO };
        let mut reader = Reader::new("tree record", bytes);
        reader.map("tree record", |reader, key| {
            match key {
                b"Version" => record.version = reader.u32("Version")?,
                b"Order" => record.order = reader.u64("Order")?,
                b"Count" => record.count = reader.u64("Count")?,
                b"Root" => record.root = reader.id("Root")?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        if record.order < ORDER_MIN {
            let found = record.order.to_string();
            return Err(reader.error("Order", format!("at least {ORDER_MIN}"), found));
        }
        reader.finish()?;
        Ok(record)
    }
}

/// One node of a tree: a leaf if it has no pointers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Written as 0.
    pub version: u32,
    /// Keys in ascending order.
    pub keys: Vec<Vec<u8>>,
    /// Children of an internal node, one more than keys.
    pub pointers: Vec<Mac>,
    /// Values of a leaf, one per key.
    pub values: Vec<Mac>,
    /// The leaf to the left; never written, tolerated when read.
    pub prev: Option<Mac>,
    /// The leaf to the right.
    pub next: Option<Mac>,
}

impl Node {
    /// Whether this is a leaf.
    pub fn is_leaf(&self) -> bool {
        self.pointers.is_empty()
    }

    /// Appends the canonical bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let parts = NodeParts {
            version: self.version,
            keys: self.keys.iter().map(Vec::as_slice),
            pointers: self.pointers.iter(),
            values: self.values.iter(),
            prev: self.prev.as_ref(),
            next: self.next.as_ref(),
        };
        parts.encode(out);
    }

    /// Decodes a node. Its shape is checked by [`Node::validate`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut node = Self::default();
        let mut reader = Reader::new("tree node", bytes);
        reader.map("tree node", |reader, key| {
            match key {
                b"version" => node.version = reader.u32("version")?,
                b"keys" => node.keys = reader.vec_list("keys")?,
                b"pointers" => node.pointers = reader.list("pointers", MAC_BYTES, |r| r.id("pointers"))?,
                b"values" => node.values = reader.list("values", MAC_BYTES, |r| r.id("values"))?,
                b"prev" => node.prev = optional_mac(reader, "prev")?,
                b"next" => node.next = optional_mac(reader, "next")?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(node)
    }

    /// Checks that numbers of keys, pointers and values fit each other and the order of the tree.
    pub fn validate(&self, order: u64) -> Result<(), DecodeError> {
        let (keys, pointers, values) = (self.keys.len(), self.pointers.len(), self.values.len());
        let wrong = |field, expected: String, found: usize| {
            Err(DecodeError::new("tree node", field, 0, expected, found.to_string()))
        };
        if keys as u64 >= order {
            return wrong("keys", format!("fewer than {order}"), keys);
        }
        if self.is_leaf() {
            return if values == keys {
                Ok(())
            } else {
                wrong("values", format!("{keys}, one per key"), values)
            };
        }
        if values != 0 {
            return wrong("values", "none beside pointers".into(), values);
        }
        if pointers != keys + 1 {
            return wrong("pointers", format!("{}, one more than keys", keys + 1), pointers);
        }
        Ok(())
    }

    /// Checks that the keys ascend.
    ///
    /// Not to be asked of extended attribute trees of the reference implementation, which
    /// mixes both orders there.
    pub fn check_sorted(&self, order: KeyOrder) -> Result<(), DecodeError> {
        let pairs = self.keys.iter().zip(self.keys.iter().skip(1));
        for (a, b) in pairs {
            if order.compare(a, b) != Ordering::Less {
                let (expected, found) =
                    (format!("a key after \"{}\"", a.escape_ascii()), format!("\"{}\"", b.escape_ascii()));
                return Err(DecodeError::new("tree node", "keys", 0, expected, found));
            }
        }
        Ok(())
    }

    /// Index of the child whose subtree may hold `key`: equal keys lie to the right of a pivot.
    pub fn child_index(&self, order: KeyOrder, key: &[u8]) -> usize {
        self.keys.partition_point(|pivot| order.compare(pivot, key) != Ordering::Greater)
    }

    /// The child of an internal node whose subtree may hold `key`.
    pub fn child(&self, order: KeyOrder, key: &[u8]) -> Option<&Mac> {
        self.pointers.get(self.child_index(order, key))
    }

    /// Index of the first key of a leaf that is not before `key`.
    pub fn lower_bound(&self, order: KeyOrder, key: &[u8]) -> usize {
        self.keys.partition_point(|mine| order.compare(mine, key) == Ordering::Less)
    }

    /// The value of `key` in a leaf.
    pub fn value(&self, order: KeyOrder, key: &[u8]) -> Option<&Mac> {
        let at = self.lower_bound(order, key);
        self.keys.get(at).filter(|mine| mine.as_slice() == key)?;
        self.values.get(at)
    }

    /// Keys and values of a leaf, in order.
    pub fn items(&self) -> impl Iterator<Item = (&[u8], &Mac)> {
        self.keys.iter().map(Vec::as_slice).zip(&self.values)
    }
}

fn optional_mac(reader: &mut Reader<'_>, field: &'static str) -> Result<Option<Mac>, DecodeError> {
    if reader.take_nil() { Ok(None) } else { reader.id(field).map(Some) }
}

/// A node about to be written, wherever its parts lie.
pub(super) struct NodeParts<'a, K, P, V> {
    pub version: u32,
    pub keys: K,
    pub pointers: P,
    pub values: V,
    pub prev: Option<&'a Mac>,
    pub next: Option<&'a Mac>,
}

impl<'a, K, P, V> NodeParts<'a, K, P, V>
where
    K: ExactSizeIterator<Item = &'a [u8]>,
    P: ExactSizeIterator<Item = &'a Mac>,
    V: ExactSizeIterator<Item = &'a Mac>,
{
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        let links = [("prev", self.prev), ("next", self.next)];
        put_map(out, 4 + links.iter().filter(|(_, link)| link.is_some()).count());
        put_key(out, "version");
        put_u32(out, self.version);
        put_key(out, "keys");
        put_list_or_nil(out, self.keys, put_str);
        put_key(out, "pointers");
        put_list_or_nil(out, self.pointers, |out, mac| put_id(out, &mac.0));
        put_key(out, "values");
        put_list_or_nil(out, self.values, |out, mac| put_id(out, &mac.0));
        for (key, link) in links {
            if let Some(mac) = link {
                put_key(out, key);
                put_id(out, &mac.0);
            }
        }
    }
}

/// The lists of a node are nil when they have no items.
fn put_list_or_nil<T>(
    out: &mut Vec<u8>,
    items: impl ExactSizeIterator<Item = T>,
    put: impl Fn(&mut Vec<u8>, T),
) {
    if items.len() == 0 {
        return put_nil(out);
    }
    put_list(out, items.len());
    for item in items {
        put(out, item);
    }
}
