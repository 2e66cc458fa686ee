//! Hashes, compresses, encrypts, and cuts byte buffers.
//!
//! Everything here is a function of its inputs (and, for encryption, of random numbers):
//! no I/O, no clock. What comes out on the writing side is read by the reference
//! implementation, and what it writes is read here. Decoders take a bound and never
//! produce more than that.

pub mod chunk;
pub mod codec;
pub mod compress;
pub mod content_type;
pub mod encrypt;
pub mod entropy;
pub mod error;
mod gear;
pub mod hash;
pub mod kdf;

pub use chunk::{ChunkSizes, Chunker, ChunkerError};
pub use codec::{Codec, Scratch};
pub use compress::Compression;
pub use encrypt::{Cipher, SubkeyAlgorithm};
pub use error::CodecError;
pub use hash::{HashAlgorithm, MacKey, MacStream, config_trailer, same_mac};
pub use kdf::{Kdf, KdfError};
