//! Lets a Rust program serve a connector as a package.
//!
//! A package's executable is started by plakar and speaks gRPC over its standard input and output.
//! With this crate it is a few lines:
//!
//! ```no_run
//! use kloset_connector::{ConnectorContext, ConnectorError, Location, Options, Storage};
//!
//! // `open` makes the connector, as `MyStorage::new`; its `main` returns what this returns.
//! fn serve<S: Storage + 'static>(
//!     open: fn(&Location, &Options, &ConnectorContext) -> Result<S, ConnectorError>,
//! ) -> std::process::ExitCode {
//!     plugin_sdk::serve_storage(open)
//! }
//! ```
//!
//! The host side, in the crate `connector-plugin`, shares the messages and conversions below.
//! The protocol is that of the reference implementation; what goes beyond it is only used between
//! peers that announce it ([`failure::EXTENDED`]).

mod context;
pub mod convert;
mod destination;
pub mod failure;
mod source;
mod storage;
mod transport;
pub mod wire;

pub use destination::serve_destination;
pub use source::{ExcludeRules, serve_source, serve_source_with_excludes};
pub use storage::serve_storage;

/// Largest piece of data in one message.
pub const CHUNK_BYTES: usize = 1 << 20;
/// Longest content that shares a message with others.
pub const SHORT_BYTES_MAX: usize = 128 << 10;
