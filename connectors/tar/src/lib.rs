//! Tar files as sources: the members of an archive, backed up as if unpacked at `/`.
//!
//! An archive is read twice, first for its members ([`index`]), then for the contents that are
//! wanted ([`source`]). Everything in it is hostile until looked at: sizes are bounded before they
//! are used, and a name that leaves its place is an error of that member alone.

mod content;
mod file;
pub mod index;
mod members;
mod pax;
pub mod source;
mod sparse;

pub use source::TarSource;
