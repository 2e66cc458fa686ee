//! Local folders as storage, source and destination; single-file stores as storage.
//!
//! Everything works relative to open folders where a hostile or busy tree could otherwise lead
//! astray, and reports paths as given.

mod failure;
mod layout;
mod listing;
mod local_path;
mod ping;
pub mod ptar;
mod publish;
mod ranges;
pub mod storage;

pub use ptar::PtarStorage;
pub use storage::FsStorage;
