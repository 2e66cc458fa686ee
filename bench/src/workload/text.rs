//! Text that compresses like source code.
//!
//! Lines are built from a fixed vocabulary with a skewed word choice, from line shapes,
//! and from lines seen before in the same file with one word changed, which is what makes
//! real source compress to about a third.

use crate::rng::Rng;

/// Words shared by all files.
const VOCABULARY_WORDS: u64 = 3_000;
/// Names a single file uses again and again.
const LOCAL_NAMES: u64 = 14;
/// Share of lines, in percent, that repeat an earlier line with one change.
const REPEATED_PERCENT: u64 = 42;

/// Writes text from the shared vocabulary.
pub struct TextWriter {
    vocabulary: Vec<String>,
}

impl TextWriter {
    /// Builds the vocabulary; the same one for the same seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, u64::MAX);
        let vocabulary = (0..VOCABULARY_WORDS).map(|_| word(&mut rng)).collect();
        Self { vocabulary }
    }

    /// Returns a word for a file or folder name.
    pub fn name(&self, rng: &mut Rng) -> &str {
        self.pick(rng.below(VOCABULARY_WORDS))
    }

    /// Replaces `buffer` by `length` bytes of text.
    pub fn fill(&self, rng: &mut Rng, length: usize, buffer: &mut Vec<u8>) {
        buffer.clear();
        let locals: Vec<String> =
            (0..LOCAL_NAMES).map(|_| format!("{}_{}", self.name(rng), self.name(rng))).collect();
        let mut lines: Vec<(usize, usize)> = Vec::new();
        while buffer.len() < length {
            let start = buffer.len();
            let earlier = lines.get(rng.below(lines.len() as u64) as usize).copied();
            match earlier {
                Some((from, to)) if rng.below(100) < REPEATED_PERCENT => {
                    self.repeat(rng, buffer, from, to);
                }
                _ => self.line(rng, &locals, buffer),
            }
            buffer.push(b'\n');
            // Keeping a window makes repeats local, as in real files.
            if lines.len() >= 64 {
                lines.clear();
            }
            lines.push((start, buffer.len() - 1));
        }
        buffer.truncate(length);
    }

    fn pick(&self, index: u64) -> &str {
        self.vocabulary.get(index as usize).map_or("word", String::as_str)
    }

    /// Words at the front of the vocabulary come up far more often.
    fn common(&self, rng: &mut Rng) -> &str {
        let skewed = rng.unit().powi(4) * VOCABULARY_WORDS as f64;
        self.pick(skewed as u64)
    }

    fn line(&self, rng: &mut Rng, locals: &[String], buffer: &mut Vec<u8>) {
        let indent = rng.below(4) as usize * 4;
        buffer.resize(buffer.len() + indent, b' ');
        let local = |rng: &mut Rng| {
            locals.get(rng.below(LOCAL_NAMES) as usize).map_or("name", String::as_str).to_owned()
        };
        let text = match rng.below(7) {
            0 => {
                format!("let {} = {}({}, {});", local(rng), self.common(rng), local(rng), self.common(rng))
            }
            1 => format!("if {}.{} == {} {{", local(rng), self.common(rng), rng.below(256)),
            2 => format!("return self.{}.{}()?;", self.common(rng), local(rng)),
            3 => "}".to_owned(),
            4 => String::new(),
            5 => format!("pub fn {}({}: &{}) -> Result<()> {{", local(rng), self.common(rng), local(rng)),
            _ => {
                let words = (0..rng.between(5, 11)).map(|_| self.common(rng)).collect::<Vec<_>>();
                format!("// {}.", words.join(" "))
            }
        };
        buffer.extend_from_slice(text.as_bytes());
    }

    /// Copies an earlier line and changes its last word.
    fn repeat(&self, rng: &mut Rng, buffer: &mut Vec<u8>, from: usize, to: usize) {
        buffer.extend_from_within(from..to);
        if to - from > 24 {
            let keep = buffer.len() - rng.between(6, 12) as usize;
            buffer.truncate(keep);
            buffer.extend_from_slice(self.common(rng).as_bytes());
            buffer.extend_from_slice(b");");
        }
    }
}

fn word(rng: &mut Rng) -> String {
    const STARTS: [&str; 20] = [
        "b", "c", "ch", "d", "f", "g", "h", "l", "m", "n", "p", "pr", "qu", "r", "s", "st", "t", "tr", "v",
        "w",
    ];
    const MIDDLES: [&str; 10] = ["a", "e", "i", "o", "u", "ea", "io", "ou", "er", "in"];
    let syllable = |rng: &mut Rng| {
        let start = STARTS.get(rng.below(20) as usize).copied().unwrap_or("x");
        let middle = MIDDLES.get(rng.below(10) as usize).copied().unwrap_or("y");
        format!("{start}{middle}")
    };
    (0..rng.between(1, 3)).map(|_| syllable(rng)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lz4_ratio(length: usize) -> f64 {
        let writer = TextWriter::new(3);
        let mut buffer = Vec::new();
        writer.fill(&mut Rng::new(3, 1), length, &mut buffer);
        assert_eq!(buffer.len(), length);
        lz4_flex::block::compress(&buffer).len() as f64 / length as f64
    }

    #[test]
    fn text_compresses_like_source_code() {
        let large = lz4_ratio(1 << 20);
        assert!((0.25..0.40).contains(&large), "ratio of 1 MiB: {large:.3}");
        let small = lz4_ratio(8 << 10);
        assert!((0.30..0.55).contains(&small), "ratio of 8 KiB: {small:.3}");
    }

    #[test]
    fn same_stream_gives_same_text() {
        let text = |stream| {
            let mut buffer = Vec::new();
            TextWriter::new(3).fill(&mut Rng::new(3, stream), 5_000, &mut buffer);
            buffer
        };
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }
}
