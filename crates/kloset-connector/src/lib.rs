//! The contract between the engine and the places it reads from and writes to.
//!
//! A connector plays one or more of three roles: [`Storage`] holds the files of a store,
//! a [`Source`] is backed up, a [`Destination`] is restored to. A connector owns its
//! concurrency: it takes batches or queues of wanted work and delivers results from
//! threads of its own, so that a local disk can use a few threads and a distant server a
//! thousand requests in flight.

pub mod archive;
pub mod context;
pub mod destination;
pub mod error;
pub mod layer;
pub mod location;
pub mod record;
pub mod single_file;
pub mod source;
pub mod storage;

pub use archive::ArchiveFile;
pub use context::{ConnectorContext, ConnectorEvents, RetryPolicy, SilentEvents};
pub use destination::{
    Applied, Destination, DestinationInfo, FileContent, FileSink, HardLink, Limitation, Outcome, Report,
    Target,
};
pub use error::{ConnectorError, ErrorKind};
pub use location::{Location, Options};
pub use record::{Record, Xattr};
pub use single_file::{ReadOnlyFile, SingleFileStore};
pub use source::{ContentSink, Excluded, ReadRequest, ScanOptions, ScanSink, Source, SourceInfo};
pub use storage::{Listed, PutMode, RangeRequest, Storage, StorageInfo, StoreFile};
