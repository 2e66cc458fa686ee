//! SFTP servers as storage, source and destination, through the system's ssh.
//!
//! From the outside in: [`SftpStorage`], [`SftpSource`] and [`SftpDestination`] run their operations
//! as loops over a mailbox of answers; a pool keeps a few channels to the server; a channel carries
//! any number of requests over a pair of pipes; the transport starts `ssh` at their other end.
//! Everything is plain threads. Names are bytes throughout.

mod answer;
mod attributes;
mod channel;
mod codec;
mod destination;
mod mailbox;
mod packet;
mod pool;
mod source;
mod storage;
mod target;
mod transport;

pub use destination::SftpDestination;
pub use source::SftpSource;
pub use storage::SftpStorage;
