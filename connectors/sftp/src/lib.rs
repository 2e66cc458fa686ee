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

/// Decodes all that `bytes` of a server's stream may be; for the fuzz target.
#[doc(hidden)]
pub fn decode_stream(bytes: &[u8]) {
    let mut frames = codec::FrameReader::new(bytes);
    while let Ok(Some(codec::Frame { kind, body })) = frames.next(&mut |_| {}) {
        if let Ok((_, packet::Response::Extended(inner))) = packet::Response::decode(kind, body.clone()) {
            let _ = (packet::Limits::decode(inner.clone()), packet::FileSystem::decode(inner.clone()));
            let _ = packet::decode_owner_names(inner);
        }
        let _ = packet::Features::decode(body);
    }
}
