//! Integration tests of the engine.

#![allow(clippy::unwrap_used, missing_docs)]

mod backup;
mod fixtures;
