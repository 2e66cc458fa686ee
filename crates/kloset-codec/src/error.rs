//! Why encoded bytes could not be decoded.

use thiserror::Error;

/// What is wrong with encoded bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The bytes end before the encoding is complete.
    #[error("encoded data is truncated")]
    Truncated,
    /// Authentication failed: the key is another one, or the bytes were changed.
    #[error("wrong key or damaged data")]
    WrongKeyOrDamaged,
    /// Decoding would produce more bytes than the caller allows.
    #[error("decoded data is larger than {bound} bytes")]
    TooLarge {
        /// The largest size the caller accepts.
        bound: usize,
    },
    /// The compressed bytes are not a legal frame.
    #[error("bad compressed frame: {problem}")]
    BadFrame {
        /// What is wrong with it.
        problem: &'static str,
    },
}
