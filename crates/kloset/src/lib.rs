//! The engine: repositories, snapshots, and every operation on them.
//!
//! The engine never touches the terminal, the environment or the user's home. It reaches
//! the world through connectors ([`kloset_connector`]), reports to a [`Monitor`], and takes time,
//! threads and randomness from a [`Runtime`].

pub mod archive;
pub mod backup;
mod batches;
mod btree;
pub mod check;
pub mod dup;
pub mod error;
pub mod exclude;
mod guard;
mod inspect;
pub mod maintenance;
pub mod monitor;
pub mod remove;
pub mod repair;
pub mod repository;
pub mod restore;
pub mod runtime;
pub mod snapshot;
mod state;
pub mod sync;
pub mod vfs;
mod write;

pub use error::{Error, OpenError};
pub use inspect::{DirectoryListing, Locks, StateContents};
pub use monitor::{Event, Monitor, SilentMonitor, Stored};
pub use repository::{BlobId, BlobLocation, Repository};
pub use runtime::{Locking, Runtime};
pub use snapshot::Snapshot;
