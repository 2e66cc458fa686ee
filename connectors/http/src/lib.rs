//! Stores behind HTTP: [`HttpStorage`] is the client, [`StoreService`] exports any store.
//!
//! The wire is that of the reference implementation ([`wire`]); each side works with theirs.

mod client;
mod place;
mod serve;
pub mod wire;

pub use client::HttpStorage;
pub use serve::{Deletion, StoreService};
