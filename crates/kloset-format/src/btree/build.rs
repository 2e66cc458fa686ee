//! Builds trees in the shape that the reference implementation gives them.
//!
//! Keys and values lie in flat arrays in the order of insertion; nodes hold numbers of keys
//! only. So a million keys cost their own bytes plus about 70 bytes each, and a split moves a
//! hundred bytes.

use std::cmp::Ordering;

use super::node::NodeParts;
use super::{KeyOrder, ORDER, TreeRecord};
use crate::Mac;

/// Keys that stay left when a full node of `ORDER` keys is split.
const CUT: usize = ORDER.div_ceil(2) - 1;
/// Levels of internal nodes; 24 children at least on each make this unreachable.
const HEIGHT_MAX: usize = 8;

/// What a finished builder hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// A node of the tree.
    Node,
    /// The tree record, always last.
    Root,
}

/// Stores one node or the tree record and returns its name.
pub type Put<'p, E> = dyn FnMut(ResourceKind, &[u8]) -> Result<Mac, E> + 'p;

/// Sorts keys into a tree, one insertion at a time.
///
/// The order of insertion is part of the shape: the reference implementation inserts in
/// descending byte order of the path for files and indexes, ascending for errors and
/// extended attributes.
#[derive(Clone, Debug)]
pub struct TreeBuilder<'a> {
    order: KeyOrder,
    keys: Vec<&'a [u8]>,
    ranks: Vec<u32>,
    values: Vec<Mac>,
    leaves: Vec<Leaf>,
    inners: Vec<Inner>,
    root: u32,
    /// Levels of internal nodes above the leaves.
    height: usize,
    /// Where the last key went, until a split: neighbours in the order of insertion are mostly
    /// neighbours in the tree, so this saves most descents.
    last: Option<Descent>,
}

/// The way from the root to a leaf.
#[derive(Clone, Debug)]
struct Descent {
    leaf: u32,
    /// Internal nodes on the way, each with the index of the child that was taken.
    levels: [(u32, usize); HEIGHT_MAX],
    /// The pivot at or above which all keys of the leaf are.
    from: Option<u32>,
    /// The pivot below which all keys of the leaf are.
    before: Option<u32>,
}

#[derive(Clone, Debug)]
struct Leaf {
    keys: Run<ORDER>,
}

#[derive(Clone, Debug)]
struct Inner {
    keys: Run<ORDER>,
    children: Run<{ ORDER + 1 }>,
}

/// A short list of numbers without a heap allocation of its own.
#[derive(Clone, Debug)]
struct Run<const N: usize> {
    items: [u32; N],
    length: u8,
}

impl<const N: usize> Run<N> {
    fn from_slice(slice: &[u32]) -> Self {
        let mut run = Self { items: [0; N], length: slice.len() as u8 };
        run.items[..slice.len()].copy_from_slice(slice);
        run
    }

    #[inline]
    fn as_slice(&self) -> &[u32] {
        &self.items[..usize::from(self.length)]
    }

    #[inline]
    fn len(&self) -> usize {
        usize::from(self.length)
    }

    fn insert(&mut self, at: usize, item: u32) {
        let length = self.len();
        self.items.copy_within(at..length, at + 1);
        self.items[at] = item;
        self.length += 1;
    }

    /// Keeps the first `at` items and returns the others from `from` on.
    fn split(&mut self, at: usize, from: usize) -> Self {
        let right = Self::from_slice(&self.as_slice()[from..]);
        self.length = at as u8;
        right
    }
}

impl<'a> TreeBuilder<'a> {
    /// An empty tree.
    pub fn new(order: KeyOrder) -> Self {
        Self::with_capacity(order, 0)
    }

    /// An empty tree with room for `keys` keys.
    pub fn with_capacity(order: KeyOrder, keys: usize) -> Self {
        Self {
            order,
            keys: Vec::with_capacity(keys),
            ranks: Vec::with_capacity(if order == KeyOrder::Tree { keys } else { 0 }),
            values: Vec::with_capacity(keys),
            leaves: vec![Leaf { keys: Run::from_slice(&[]) }],
            inners: Vec::new(),
            root: 0,
            height: 0,
            last: None,
        }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key was inserted.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Inserts a key; returns false and changes nothing if the tree has it already.
    pub fn insert(&mut self, key: &'a [u8], value: Mac) -> bool {
        let rank = self.order.rank(key);
        if !self.last.as_ref().is_some_and(|last| self.is_below(last, rank, key)) {
            self.last = Some(self.descend(rank, key));
        }
        let last = self.last.as_ref().expect("a descent was just made");
        let (leaf, levels) = (last.leaf, last.levels);
        let Err(at) = self.place(leaf, rank, key) else {
            return false;
        };
        let number = u32::try_from(self.keys.len()).expect("a snapshot has fewer than 2^32 paths");
        self.keys.push(key);
        if self.order == KeyOrder::Tree {
            self.ranks.push(rank);
        }
        self.values.push(value);
        self.leaves[leaf as usize].keys.insert(at, number);
        if self.leaves[leaf as usize].keys.len() == ORDER {
            self.split(leaf, &levels[..self.height]);
            self.last = None;
        }
        true
    }

    /// Goes from the root to the leaf where `key` belongs.
    fn descend(&self, rank: u32, key: &[u8]) -> Descent {
        let mut descent = Descent { leaf: self.root, levels: [(0, 0); HEIGHT_MAX], from: None, before: None };
        for level in descent.levels.iter_mut().take(self.height) {
            let inner = &self.inners[descent.leaf as usize];
            let keys = inner.keys.as_slice();
            let at = keys.partition_point(|&k| self.compare(k, rank, key) != Ordering::Greater);
            *level = (descent.leaf, at);
            descent.from = at.checked_sub(1).map(|left| keys[left]).or(descent.from);
            descent.before = keys.get(at).copied().or(descent.before);
            descent.leaf = inner.children.as_slice()[at];
        }
        descent
    }

    /// Whether a descent for `key` would end where this one did.
    fn is_below(&self, descent: &Descent, rank: u32, key: &[u8]) -> bool {
        descent.from.is_none_or(|pivot| self.compare(pivot, rank, key) != Ordering::Greater)
            && descent.before.is_none_or(|pivot| self.compare(pivot, rank, key) == Ordering::Greater)
    }

    /// Where `key` stands in a leaf, or where it would. Sorted insertions hit an end at once.
    fn place(&self, leaf: u32, rank: u32, key: &[u8]) -> Result<usize, usize> {
        let keys = self.leaves[leaf as usize].keys.as_slice();
        let (Some(&first), Some(&last)) = (keys.first(), keys.last()) else {
            return Err(0);
        };
        if self.compare(first, rank, key) == Ordering::Greater {
            return Err(0);
        }
        if self.compare(last, rank, key) == Ordering::Less {
            return Err(keys.len());
        }
        keys.binary_search_by(|&k| self.compare(k, rank, key))
    }

    #[inline]
    fn compare(&self, number: u32, rank: u32, key: &[u8]) -> Ordering {
        let number = number as usize;
        let by_rank = match self.order {
            KeyOrder::Tree => self.ranks[number].cmp(&rank),
            KeyOrder::Bytes => Ordering::Equal,
        };
        by_rank.then_with(|| self.keys[number].cmp(key))
    }

    /// Splits a full leaf and then its ancestors as long as they are full.
    fn split(&mut self, leaf: u32, path: &[(u32, usize)]) {
        let right = self.leaves[leaf as usize].keys.split(CUT, CUT);
        let mut pivot = right.as_slice()[0];
        let mut new = self.leaves.len() as u32;
        self.leaves.push(Leaf { keys: right });
        for &(parent, at) in path.iter().rev() {
            let inner = &mut self.inners[parent as usize];
            inner.keys.insert(at, pivot);
            inner.children.insert(at + 1, new);
            if inner.keys.len() < ORDER {
                return;
            }
            // The key at the cut moves up and stays on neither side.
            pivot = inner.keys.as_slice()[CUT];
            let keys = inner.keys.split(CUT, CUT + 1);
            let children = inner.children.split(CUT + 1, CUT + 1);
            new = self.inners.len() as u32;
            self.inners.push(Inner { keys, children });
        }
        let children = Run::from_slice(&[self.root, new]);
        self.root = self.inners.len() as u32;
        self.inners.push(Inner { keys: Run::from_slice(&[pivot]), children });
        self.height += 1;
    }

    /// Hands out all nodes and then the tree record; `put` stores them and returns their names.
    ///
    /// Nodes come from right to left, children before parents, because a leaf names its right
    /// neighbour. Returns the name of the tree record.
    pub fn finish<E>(self, put: &mut Put<'_, E>) -> Result<Mac, E> {
        let mut buffer = Vec::with_capacity(16 << 10);
        let mut next = None;
        let root = self.put_node(self.root, self.height, &mut next, &mut buffer, put)?;
        buffer.clear();
        TreeRecord::new(root).encode(&mut buffer);
        put(ResourceKind::Root, &buffer)
    }

    fn put_node<E>(
        &self,
        node: u32,
        level: usize,
        next: &mut Option<Mac>,
        buffer: &mut Vec<u8>,
        put: &mut Put<'_, E>,
    ) -> Result<Mac, E> {
        if level == 0 {
            let keys = self.leaves[node as usize].keys.as_slice();
            let values = keys.iter().map(|&k| &self.values[k as usize]);
            self.encode(keys, [].iter(), values, next.as_ref(), buffer);
            let mac = put(ResourceKind::Node, buffer)?;
            *next = Some(mac);
            return Ok(mac);
        }
        let inner = &self.inners[node as usize];
        let mut pointers = [Mac::ZERO; ORDER];
        let children = inner.children.as_slice();
        for (pointer, &child) in pointers.iter_mut().zip(children).rev() {
            *pointer = self.put_node(child, level - 1, next, buffer, put)?;
        }
        self.encode(inner.keys.as_slice(), pointers[..children.len()].iter(), [].iter(), None, buffer);
        put(ResourceKind::Node, buffer)
    }

    fn encode<'m>(
        &'m self,
        keys: &'m [u32],
        pointers: impl ExactSizeIterator<Item = &'m Mac>,
        values: impl ExactSizeIterator<Item = &'m Mac>,
        next: Option<&'m Mac>,
        buffer: &mut Vec<u8>,
    ) {
        buffer.clear();
        let keys = keys.iter().map(|&k| self.keys[k as usize]);
        NodeParts { version: 0, keys, pointers, values, prev: None, next }.encode(buffer);
    }
}
