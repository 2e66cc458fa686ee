//! B+trees in blobs: sorted maps from keys to names of other blobs.
//!
//! A tree record names the root node; leaves carry values and are chained to the right. Any
//! valid shape is readable. [`TreeBuilder`] makes the very shape that the reference
//! implementation makes, so that equal trees share their nodes across both programs.

mod build;
mod node;
mod order;

pub use build::{Put, ResourceKind, TreeBuilder};
pub use node::{Node, TreeRecord};
pub use order::KeyOrder;

/// Order of every tree that is written: a node holds one key less at most.
pub const ORDER: usize = 50;
/// Smallest order that is read.
pub const ORDER_MIN: u64 = 3;
