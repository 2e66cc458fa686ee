//! What was typed: Go-style flags, clap definitions, help.
//!
//! The definitions are clap's; [`normalise`] turns Go-style words into what clap reads and
//! [`parse()`] maps the outcome to our own errors.

pub mod completions;
pub mod date;
pub mod duration;
pub mod generate;
pub mod globals;
pub mod help;
pub mod manual;
pub mod normalise;
pub mod parse;
pub mod rate;
pub mod reference;

pub use globals::Globals;
pub use parse::{Invocation, parse};
