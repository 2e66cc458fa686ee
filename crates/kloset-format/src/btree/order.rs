//! The two orders in which trees keep their keys.

use std::cmp::Ordering;

use crate::path;

/// How a tree sorts its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrder {
    /// Fewer slashes first, then plain bytes: the file tree.
    Tree,
    /// Plain bytes: all other trees.
    Bytes,
}

impl KeyOrder {
    /// Compares two keys.
    pub fn compare(self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            Self::Tree => path::tree_order(a, b),
            Self::Bytes => a.cmp(b),
        }
    }

    /// First criterion of the order; equal for all keys in byte order.
    pub(super) fn rank(self, key: &[u8]) -> u32 {
        match self {
            Self::Tree => u32::try_from(path::slashes(key)).unwrap_or(u32::MAX),
            Self::Bytes => 0,
        }
    }
}
