//! Integration tests of the local connectors.

mod ptar;
mod storage;
