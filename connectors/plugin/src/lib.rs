//! Packages as connectors: child processes that speak the package protocol.
//!
//! Every connector instance is one process: its standard input and output are one HTTP/2
//! connection with gRPC on it, its standard error is read, cleaned and shown. The process is
//! trusted to hold data, not to behave: it may die, hang, flood or talk nonsense, and each of
//! these becomes an error with the package's name in it.
//!
//! A small runtime of two threads per process moves the bytes; callers block on it.

mod command;
mod connection;
mod destination;
mod place;
mod process;
mod source;
mod spoken;
mod storage;

pub use command::PluginCommand;
pub use destination::PluginDestination;
pub use source::PluginSource;
pub use storage::PluginStorage;
