//! Stores behind HTTP: [`HttpStorage`] is the client, [`StoreService`] exports any store, [`ptar`] reads a
//! single-file store from any web server.
//!
//! The wire is that of the reference implementation ([`wire`]); each side works with theirs.

mod client;
mod connection;
mod place;
mod serve;
mod single_file;
pub mod wire;

pub use client::HttpStorage;
pub use serve::{Deletion, StoreService};
pub use single_file::{HttpFile, HttpPtarStorage, ptar};
