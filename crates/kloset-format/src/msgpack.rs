//! MessagePack as the format uses it.
//!
//! Writing is canonical: integers at the full width of their field, strings and lists in
//! the shortest form, so that equal records have equal bytes and therefore equal names.
//! Reading is tolerant in what the reference implementation tolerates (order, unknown and missing keys,
//! integer widths, nil for "zero value") and bounded in everything: declared lengths never
//! exceed the remaining input, nesting never exceeds [`DEPTH_MAX`].

mod read;
mod write;

pub use read::{DEPTH_MAX, Reader};
pub use write::*;
