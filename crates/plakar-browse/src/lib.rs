//! Shows snapshots to other programs, read only: as a file system ([`fuse`]) and as web pages with an
//! API ([`web`]). Both look at a [`View`].

pub mod fuse;
pub mod size;
mod view;
pub mod web;

pub use view::{Ids, Place, View};
