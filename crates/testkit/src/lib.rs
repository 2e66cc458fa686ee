//! Everything that tests share: trees, servers, proxies, stores in memory, conformance suites.

pub mod faulty_store;
mod loopback;
pub mod memory_source;
pub mod memory_store;
pub mod package_server;
pub mod proxy;
pub mod recording_store;
pub mod scripted_sftp;
pub mod soak;
pub mod sshd;
pub mod suites;
pub mod tree;
pub mod web_file;

pub use faulty_store::{Fault, FaultyStore, Lasting, Script};
pub use memory_source::MemoryTree;
pub use memory_store::MemoryStore;
pub use recording_store::{Call, Operation, RecordingStore};
