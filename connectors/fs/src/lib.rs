//! Local folders as storage, source and destination; single-file stores as storage.
//!
//! Everything works relative to open folders where a hostile or busy tree could otherwise lead
//! astray, and reports paths as given.

mod attributes;
mod beneath;
mod failure;
mod layout;
mod listing;
mod local_path;
mod owners;
mod ping;
pub mod ptar;
mod publish;
mod ranges;
mod roots;
pub mod source;
pub mod storage;
mod walk;
mod xattrs;

pub use ptar::PtarStorage;
pub use source::FsSource;
pub use storage::FsStorage;
