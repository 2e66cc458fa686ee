//! The on-disk format of Kloset stores: values and their exact bytes.
//!
//! One module per thing on disk. Decoders never panic on hostile input and never allocate
//! more than the input justifies; encoders produce the canonical bytes, so that two
//! writers who store the same thing store it under the same name.
//!
//! This crate does no I/O, knows no clock, starts no threads and draws no random numbers.

pub mod file_info;
pub mod id;
pub mod mode;
pub mod path;
pub mod resource;
pub mod timestamp;
pub mod version;

pub use file_info::FileInfo;
pub use id::{LockId, Mac, PackfileId, SnapshotId, StateId};
pub use mode::FileMode;
pub use resource::ResourceType;
pub use timestamp::Timestamp;
pub use version::Version;
