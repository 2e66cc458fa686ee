//! Integration tests of the local connectors.

mod destination;
mod ptar;
mod source;
mod storage;
