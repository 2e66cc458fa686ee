//! Local folders as storage, source and destination; single-file stores as storage.
//!
//! Everything works relative to open folders where a hostile or busy tree could otherwise lead
//! astray, and reports paths as given.

mod attributes;
mod beneath;
mod content;
pub mod destination;
mod failure;
mod hard_link;
mod layout;
mod listing;
mod local_path;
mod metadata;
mod owners;
mod ping;
mod place;
pub mod ptar;
pub mod ptar_write;
mod publish;
mod ranges;
mod roots;
pub mod source;
mod stack;
pub mod storage;
mod walk;
mod xattrs;

pub use destination::FsDestination;
pub use ptar::PtarStorage;
pub use ptar_write::{ExistingFile, PtarWriter};
pub use source::FsSource;
pub use storage::FsStorage;
