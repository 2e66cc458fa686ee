//! Tests of the public interface: vectors of the format, round trips, hostile input.
#![allow(missing_docs, clippy::unwrap_used)]

mod chunking;
mod content_types;
mod encodings;
mod entropies;
mod keys;
mod vectors;
