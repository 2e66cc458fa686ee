//! The on-disk format of Kloset stores: values and their exact bytes.
//!
//! One module per thing on disk. Decoders never panic on hostile input and never allocate
//! more than the input justifies; encoders produce the canonical bytes, so that two
//! writers who store the same thing store it under the same name.
//!
//! This crate does no I/O, knows no clock, starts no threads and draws no random numbers.

pub mod btree;
pub mod config;
pub mod dirpack;
pub mod entry;
pub mod envelope;
pub mod error;
pub mod error_entry;
pub mod file_info;
mod fixed;
pub mod header;
pub mod id;
pub mod lock;
pub mod mode;
pub mod msgpack;
pub mod object;
pub mod packfile;
pub mod path;
pub mod ptar;
pub mod resource;
pub mod state;
pub mod summary;
pub mod text;
pub mod timestamp;
pub mod version;
pub mod xattr;

pub use btree::{KeyOrder, Node, TreeBuilder, TreeRecord};
pub use config::{Config, ConfigError, RepositoryId};
pub use entry::Entry;
pub use envelope::{Envelope, EnvelopeError};
pub use error::DecodeError;
pub use error_entry::ErrorEntry;
pub use file_info::FileInfo;
pub use header::Header;
pub use id::{LockId, Mac, PackfileId, SnapshotId, StateId};
pub use lock::LockRecord;
pub use mode::{FileKind, FileMode};
pub use object::{ChunkRecord, Object};
pub use resource::ResourceType;
pub use state::{StateEntry, StateReader, StateWriter};
pub use summary::Summary;
pub use text::Text;
pub use timestamp::Timestamp;
pub use version::Version;
pub use xattr::XattrEntry;
