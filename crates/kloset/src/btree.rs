//! Reads trees of blobs: single keys by binary search, ranges of keys level by level.
//!
//! A scan fetches all wanted nodes of one level in a few batches, so that its cost over a slow link
//! is the height of the tree and not the number of its nodes. Nodes come from outside: a node met
//! twice in one scan (a cycle), leaves at different depths, keys out of order, and trees deeper than
//! [`DEPTH_MAX`] are damage.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};

use kloset_format::btree::{KeyOrder, Node, TreeRecord};
use kloset_format::{Mac, ResourceType};

use crate::guard::guard;
use crate::repository::DecodeOn;
use crate::snapshot::damaged_blob;
use crate::{BlobId, Error, Repository};

/// Levels of a tree at most; upstream's shape with 32 levels would hold 2^150 keys.
const DEPTH_MAX: usize = 32;
/// Nodes fetched at once: about 4 MiB of 50 paths each.
const NODES_PER_BATCH: usize = 1024;

/// Nodes remembered by single lookups: roots and the levels below them, a few MiB at most.
const NODES_CACHED: usize = 512;

/// Records of trees, and nodes that single lookups have met, so that the next lookup costs its leaf
/// only.
#[derive(Default)]
pub(crate) struct NodeCache {
    records: Mutex<HashMap<BlobId, TreeRecord>>,
    nodes: Mutex<HashMap<Mac, Arc<Node>>>,
}

impl NodeCache {
    fn get(&self, mac: Mac) -> Option<Arc<Node>> {
        guard(&self.nodes).get(&mac).cloned()
    }

    fn put(&self, mac: Mac, node: &Arc<Node>) {
        let mut nodes = guard(&self.nodes);
        if nodes.len() >= NODES_CACHED {
            nodes.clear();
        }
        nodes.insert(mac, Arc::clone(node));
    }
}

/// Where a key stands relative to a wanted range of keys.
pub(crate) type Position<'a> = &'a dyn Fn(&[u8]) -> Ordering;

/// Receives keys and values.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u8], Mac) -> Result<(), Error>;

/// One tree of a snapshot.
pub(crate) struct Tree<'a> {
    repository: &'a Repository,
    cache: &'a NodeCache,
    node_type: ResourceType,
    order: KeyOrder,
    record: TreeRecord,
}

impl<'a> Tree<'a> {
    /// Reads the tree's record. `order` is the order of its keys.
    pub(crate) fn open(
        repository: &'a Repository,
        cache: &'a NodeCache,
        record_type: ResourceType,
        record: Mac,
        order: KeyOrder,
    ) -> Result<Self, Error> {
        let blob = BlobId::new(record_type, record);
        let known = guard(&cache.records).get(&blob).copied();
        let record = match known {
            Some(record) => record,
            None => {
                let bytes = repository.read_blob(blob)?;
                let record = TreeRecord::decode(&bytes)
                    .map_err(|error| damaged_blob(repository, blob, &error.to_string()))?;
                guard(&cache.records).insert(blob, record);
                record
            }
        };
        let node_type = match record_type {
            ResourceType::VFS_BTREE => ResourceType::VFS_NODE,
            ResourceType::ERROR_BTREE => ResourceType::ERROR_NODE,
            ResourceType::XATTR_BTREE => ResourceType::XATTR_NODE,
            _ => ResourceType::BTREE_NODE,
        };
        Ok(Self { repository, cache, node_type, order, record })
    }

    /// The value of one key.
    pub(crate) fn find(&self, key: &[u8]) -> Result<Option<Mac>, Error> {
        let mut mac = self.record.root;
        for _ in 0..DEPTH_MAX {
            let node = self.node(mac)?;
            match node.child(self.order, key) {
                Some(child) => mac = *child,
                None => return Ok(node.value(self.order, key).copied()),
            }
        }
        Err(self.damaged_node(mac, "the tree is too deep"))
    }

    /// Every key in its place in the tree, with its value.
    pub(crate) fn scan(&self, visit: Visit<'_>) -> Result<(), Error> {
        self.scan_where(&|_| Ordering::Equal, visit)
    }

    /// The keys for which `position` says `Equal`, in order. In the tree's order, `position` must say
    /// `Less` (before the range) first, then `Equal`, then `Greater`.
    pub(crate) fn scan_where(&self, position: Position<'_>, visit: Visit<'_>) -> Result<(), Error> {
        self.scan_observed(position, &mut |_| {}, visit)
    }

    /// As [`Tree::scan_where`], naming every node that is read.
    pub(crate) fn scan_observed(
        &self,
        position: Position<'_>,
        node_read: &mut dyn FnMut(BlobId),
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        self.scan_entering(position, &mut |_| Ok(true), node_read, visit)
    }

    /// As [`Tree::scan`], leaving out nodes that `enter` does not want, with all that is below them.
    pub(crate) fn scan_pruned(
        &self,
        enter: &mut dyn FnMut(BlobId) -> Result<bool, Error>,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        self.scan_entering(&|_| Ordering::Equal, enter, &mut |_| {}, visit)
    }

    fn scan_entering(
        &self,
        position: Position<'_>,
        enter: &mut dyn FnMut(BlobId) -> Result<bool, Error>,
        node_read: &mut dyn FnMut(BlobId),
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        let mut level = vec![self.record.root];
        let mut seen = HashSet::new();
        let mut last_key: Option<Vec<u8>> = None;
        for _ in 0..DEPTH_MAX {
            let mut below = Vec::new();
            let mut leaves = false;
            let mut inner = false;
            for batch in level.chunks(NODES_PER_BATCH) {
                self.repository.runtime().proceed()?;
                if let Some(&again) = batch.iter().find(|&&mac| !seen.insert(mac)) {
                    return Err(self.damaged_node(again, "the tree holds this node twice"));
                }
                let mut entered = Vec::with_capacity(batch.len());
                for &mac in batch {
                    if enter(BlobId::new(self.node_type, mac))? {
                        entered.push(mac);
                    }
                }
                for (mac, node) in entered.iter().zip(self.nodes(&entered)) {
                    let node = node?;
                    node_read(BlobId::new(self.node_type, *mac));
                    if node.is_leaf() {
                        leaves = true;
                        self.visit_leaf(*mac, &node, position, &mut last_key, visit)?;
                    } else {
                        inner = true;
                        wanted_children(&node, position, &mut below);
                    }
                    if leaves && inner {
                        return Err(self.damaged_node(*mac, "leaves lie at different depths"));
                    }
                }
            }
            if below.is_empty() {
                return Ok(());
            }
            level = below;
        }
        Err(self.damaged_node(self.record.root, "the tree is too deep"))
    }

    fn visit_leaf(
        &self,
        mac: Mac,
        leaf: &Node,
        position: Position<'_>,
        last_key: &mut Option<Vec<u8>>,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        for (key, value) in leaf.keys.iter().zip(&leaf.values) {
            if position(key) != Ordering::Equal {
                continue;
            }
            if let Some(last) = last_key
                && !self.in_order(last, key)
            {
                return Err(self.damaged_node(mac, "keys are out of order"));
            }
            let last = last_key.get_or_insert_default();
            last.clear();
            last.extend_from_slice(key);
            visit(key, *value)?;
        }
        Ok(())
    }

    /// The attribute tree comes in two orders (upstream builds it in tree order), so there any order
    /// will do.
    fn in_order(&self, earlier: &[u8], later: &[u8]) -> bool {
        self.order.compare(earlier, later) == Ordering::Less
            || (self.node_type == ResourceType::XATTR_NODE && earlier != later)
    }

    fn node(&self, mac: Mac) -> Result<Arc<Node>, Error> {
        if let Some(node) = self.cache.get(mac) {
            return Ok(node);
        }
        let bytes = self.repository.read_blob(BlobId::new(self.node_type, mac))?;
        let node = Arc::new(self.decode(mac, &bytes)?);
        self.cache.put(mac, &node);
        Ok(node)
    }

    fn nodes(&self, macs: &[Mac]) -> Vec<Result<Arc<Node>, Error>> {
        // One node is the top of a tree, or all of a small one: lookups meet it again.
        if let [mac] = macs {
            return vec![self.node(*mac)];
        }
        let wanted: Vec<BlobId> = macs.iter().map(|&mac| BlobId::new(self.node_type, mac)).collect();
        let slots: Vec<OnceLock<Result<Arc<Node>, Error>>> = wanted.iter().map(|_| OnceLock::new()).collect();
        self.repository.read_blobs(&wanted, DecodeOn::AllCores, &|at, result| {
            if let (Some(slot), Some(&mac)) = (slots.get(at), macs.get(at)) {
                let _ = slot.set(result.and_then(|bytes| self.decode(mac, &bytes)).map(Arc::new));
            }
        });
        let undelivered = || Err(Error::Internal("a tree node was not delivered".to_owned()));
        slots.into_iter().map(|slot| slot.into_inner().unwrap_or_else(undelivered)).collect()
    }

    fn decode(&self, mac: Mac, bytes: &[u8]) -> Result<Node, Error> {
        Node::decode(bytes)
            .and_then(|node| node.validate(self.record.order).map(|()| node))
            .map_err(|error| self.damaged_node(mac, &error.to_string()))
    }

    fn damaged_node(&self, mac: Mac, reason: &str) -> Error {
        damaged_blob(self.repository, BlobId::new(self.node_type, mac), reason)
    }
}

/// Appends the children of a valid inner node that can hold wanted keys.
fn wanted_children(node: &Node, position: Position<'_>, below: &mut Vec<Mac>) {
    for (at, pointer) in node.pointers.iter().enumerate() {
        // All keys of this child are at least `low` and below `high`.
        let low = at.checked_sub(1).and_then(|at| node.keys.get(at));
        let high = node.keys.get(at);
        let before = high.is_some_and(|high| position(high) == Ordering::Less);
        let after = low.is_some_and(|low| position(low) == Ordering::Greater);
        if !before && !after {
            below.push(*pointer);
        }
    }
}
