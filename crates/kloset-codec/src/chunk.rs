//! Content-defined cutting: where one chunk of a file ends and the next begins.
//!
//! The rule is `fastcdc-v1.0.0` of the format, and its predecessor `fastcdc`, which differs
//! in the masks only. The rolling hash is a gear hash that starts at zero at the minimum
//! size; the byte that makes it match belongs to the next chunk.

use crate::gear::GEAR;
use thiserror::Error;

/// Smallest, usual and largest size of a chunk in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkSizes {
    /// No chunk but the last of a file is smaller.
    pub min: usize,
    /// Below this size the stricter mask decides.
    pub normal: usize,
    /// No chunk is larger.
    pub max: usize,
}

/// Why a chunker cannot be made from what CONFIG says.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChunkerError {
    /// The algorithm has another name than those known.
    #[error("unknown chunking algorithm {name:?}")]
    UnknownAlgorithm {
        /// The name found.
        name: String,
    },
    /// The sizes are out of order or out of range.
    #[error(
        "impossible chunk sizes: minimum {}, normal {}, maximum {}", sizes.min, sizes.normal, sizes.max
    )]
    BadSizes {
        /// The sizes found.
        sizes: ChunkSizes,
    },
}

/// Decides where chunks end.
#[derive(Clone, Debug)]
pub struct Chunker {
    sizes: ChunkSizes,
    strict: u64,
    loose: u64,
}

/// Sizes for which the old masks are kept.
const SPECIAL_SIZES: ChunkSizes = ChunkSizes { min: 2048, normal: 8192, max: 65536 };
const SPECIAL_STRICT: u64 = 0x0003_5907_0353_0000;
const SPECIAL_LOOSE: u64 = 0x0000_d900_0353_0000;

impl Chunker {
    /// Takes the algorithm's name (in any case) and the sizes from CONFIG.
    pub fn new(algorithm: &str, sizes: ChunkSizes) -> Result<Self, ChunkerError> {
        let old = match algorithm.to_ascii_lowercase().as_str() {
            "fastcdc-v1.0.0" => false,
            "fastcdc" => true,
            _ => return Err(ChunkerError::UnknownAlgorithm { name: algorithm.to_owned() }),
        };
        // Below 16 bytes of normal size, or above 2^61, the masks would not exist.
        let plausible = sizes.min <= sizes.normal
            && sizes.normal <= sizes.max
            && (16..1 << 32).contains(&sizes.normal)
            && sizes.min > 0;
        if !plausible {
            return Err(ChunkerError::BadSizes { sizes });
        }
        let (strict, loose) = if old || sizes == SPECIAL_SIZES {
            (SPECIAL_STRICT, SPECIAL_LOOSE)
        } else {
            let bits = sizes.normal.ilog2();
            (mask(bits + 2), mask(bits - 2))
        };
        Ok(Self { sizes, strict, loose })
    }

    /// The sizes this chunker obeys.
    pub fn sizes(&self) -> ChunkSizes {
        self.sizes
    }

    /// Length of the first chunk of `buffer`, which holds `min(rest of the file, max)` bytes.
    ///
    /// A longer buffer is looked at up to the maximum size. Zero only for an empty buffer.
    pub fn cut(&self, buffer: &[u8]) -> usize {
        let ChunkSizes { min, normal, max } = self.sizes;
        let buffer = &buffer[..buffer.len().min(max)];
        if buffer.len() <= min {
            return buffer.len();
        }
        let (strict_part, loose_part) = buffer.split_at(normal.min(buffer.len()));
        let mut hasher = gearhash::Hasher::new(&GEAR);
        // The hasher counts the matching byte in; the format leaves it to the next chunk.
        if let Some(at) = hasher.next_match(&strict_part[min..], self.strict) {
            return min + at - 1;
        }
        match hasher.next_match(loose_part, self.loose) {
            Some(at) => strict_part.len() + at - 1,
            None => buffer.len(),
        }
    }
}

/// A mask with `ones` bits set, evenly spread from the top down.
fn mask(ones: u32) -> u64 {
    let step = 64 / ones;
    (0..ones).fold(0, |mask, i| mask | 1 << (63 - i * step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_those_of_the_format() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../tests/vectors/chunk-boundaries.json")).unwrap();
        for vector in vectors["masks"].as_array().unwrap() {
            let size = |name: &str| vector[name].as_u64().unwrap() as usize;
            let word = |name: &str| u64::from_str_radix(vector[name].as_str().unwrap(), 16).unwrap();
            let sizes = ChunkSizes { min: size("min"), normal: size("normal"), max: size("max") };
            let chunker = Chunker::new("fastcdc-v1.0.0", sizes).unwrap();
            assert_eq!((chunker.strict, chunker.loose), (word("strict"), word("loose")));
        }
        let sizes = ChunkSizes { min: 65_536, normal: 1 << 20, max: 4 << 20 };
        let old = Chunker::new("FASTCDC", sizes).unwrap();
        assert_eq!((old.strict, old.loose), (SPECIAL_STRICT, SPECIAL_LOOSE));
    }
}
