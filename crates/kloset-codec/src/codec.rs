//! The encoding of every blob and store file: compression, then encryption, each if the store has it on.

use crate::compress::{self, CompressScratch, Compression, ContentChecksum};
use crate::{Cipher, CodecError};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::fmt;

/// The encoding of one store. Shared by all threads; each brings its own [`Scratch`].
#[derive(Debug)]
pub struct Codec {
    /// Compression, `None` when the store has it off.
    pub compression: Option<Compression>,
    /// Encryption, `None` in a plaintext store.
    pub cipher: Option<Cipher>,
}

/// Buffers, compression tables and the random generator of one thread, reused from item to item.
pub struct Scratch {
    compress: CompressScratch,
    /// Compressed bytes on their way into or out of the cipher.
    frame: Vec<u8>,
    rng: StdRng,
}

/// A frame buffer larger than this is given back after use, so that one huge item does not stay in memory.
const FRAME_KEPT_BYTES: usize = 16 << 20;

impl Scratch {
    /// Makes empty buffers and a generator seeded by the operating system.
    pub fn new() -> Self {
        Self::with_generator(StdRng::from_os_rng())
    }

    /// Makes empty buffers; subkeys, nonces and padding come from `rng`.
    pub fn with_generator(rng: StdRng) -> Self {
        Self { compress: CompressScratch::default(), frame: Vec::new(), rng }
    }

    /// The generator, for other random numbers the thread needs (padding, identifiers).
    pub fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratch")
    }
}

impl Codec {
    /// Appends the encoded form of `plain` to `out`.
    pub fn encode(&self, scratch: &mut Scratch, plain: &[u8], out: &mut Vec<u8>) {
        match (self.compression, &self.cipher) {
            (None, None) => out.extend_from_slice(plain),
            (None, Some(cipher)) => cipher.seal(plain, out, &mut scratch.rng),
            (Some(compression), None) => {
                compress::compress(compression, &mut scratch.compress, plain, out);
            }
            (Some(compression), Some(cipher)) => {
                scratch.frame.clear();
                compress::compress(compression, &mut scratch.compress, plain, &mut scratch.frame);
                cipher.seal(&scratch.frame, out, &mut scratch.rng);
                scratch.frame.clear();
                scratch.frame.shrink_to(FRAME_KEPT_BYTES);
            }
        }
    }

    /// Decodes `encoded`; fails if more than `bound` bytes would come out.
    pub fn decode(&self, scratch: &mut Scratch, encoded: &[u8], bound: usize) -> Result<Vec<u8>, CodecError> {
        let mut plain = Vec::new();
        self.decode_into(scratch, encoded, bound, ContentChecksum::Compare, &mut plain)?;
        Ok(plain)
    }

    /// Decodes `encoded` into `plain`, whose capacity is used again; fails if more than `bound` bytes would
    /// come out. After an error `plain` holds nothing of use.
    pub fn decode_into(
        &self,
        scratch: &mut Scratch,
        encoded: &[u8],
        bound: usize,
        content_checksum: ContentChecksum,
        plain: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        plain.clear();
        match (self.compression, &self.cipher) {
            (None, None) if encoded.len() > bound => return Err(CodecError::TooLarge { bound }),
            (None, None) => plain.extend_from_slice(encoded),
            (None, Some(cipher)) => cipher.open(encoded, plain, bound)?,
            (Some(compression), None) => {
                let Scratch { compress, .. } = scratch;
                compress::decompress(compression, compress, encoded, plain, bound, content_checksum)?;
            }
            (Some(compression), Some(cipher)) => {
                scratch.frame.clear();
                // The frame is no longer than its sealed form, which is in memory already.
                cipher.open(encoded, &mut scratch.frame, usize::MAX)?;
                let Scratch { compress, frame, .. } = scratch;
                let result =
                    compress::decompress(compression, compress, frame, plain, bound, content_checksum);
                scratch.frame.clear();
                scratch.frame.shrink_to(FRAME_KEPT_BYTES);
                result?;
            }
        }
        Ok(())
    }
}
