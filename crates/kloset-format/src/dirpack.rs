//! Dirpacks: the entries of one directory back to back, so that listing it is one read.
//!
//! ```text
//! (type u8: 1 directory, 2 anything else | length u32 le | entry bytes | mac 32)*
//! ```
//!
//! The length counts entry bytes and MAC. Children stand in ascending byte order of the name;
//! the content is cut and stored like that of a file.

use crate::fixed::FieldReader;
use crate::{DecodeError, Mac};

const MAC_BYTES: usize = 32;
const DIRECTORY: u8 = 1;
const OTHER: u8 = 2;

/// One child of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Whether the child is itself a directory.
    pub is_directory: bool,
    /// The same bytes as the child's entry blob.
    pub entry_bytes: &'a [u8],
    /// Name of that blob.
    pub mac: Mac,
}

/// Appends the frame of one child.
pub fn push_frame(out: &mut Vec<u8>, is_directory: bool, entry_bytes: &[u8], mac: &Mac) {
    let length = u32::try_from(entry_bytes.len() + MAC_BYTES).expect("an entry is far below 4 GiB");
    out.push(if is_directory { DIRECTORY } else { OTHER });
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(entry_bytes);
    out.extend_from_slice(&mac.0);
}

/// Walks the frames of a dirpack; ends after the first error.
pub fn frames(content: &[u8]) -> Frames<'_> {
    Frames { fields: FieldReader::new("dirpack", content), failed: false }
}

/// Iterator over the frames of a dirpack.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    fields: FieldReader<'a>,
    failed: bool,
}

impl<'a> Frames<'a> {
    fn frame(&mut self) -> Result<Frame<'a>, DecodeError> {
        let before = self.fields.clone();
        let kind = self.fields.u8("frame type")?;
        if kind != DIRECTORY && kind != OTHER {
            return Err(before.error("frame type", "1 or 2", kind.to_string()));
        }
        let length = self.fields.u32("frame length")? as usize;
        let Some(entry_length) = length.checked_sub(MAC_BYTES) else {
            return Err(before.error("frame length", format!("at least {MAC_BYTES}"), length.to_string()));
        };
        Ok(Frame {
            is_directory: kind == DIRECTORY,
            entry_bytes: self.fields.slice("entry", entry_length)?,
            mac: self.fields.id("mac")?,
        })
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.fields.rest().is_empty() {
            return None;
        }
        let frame = self.frame();
        self.failed = frame.is_err();
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_pushed_and_never_past_damage() {
        let mut content = Vec::new();
        push_frame(&mut content, true, b"first", &Mac([1; 32]));
        push_frame(&mut content, false, b"", &Mac([2; 32]));
        let all: Vec<_> = frames(&content).map(Result::unwrap).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0], Frame { is_directory: true, entry_bytes: b"first", mac: Mac([1; 32]) });
        assert_eq!(all[1], Frame { is_directory: false, entry_bytes: b"", mac: Mac([2; 32]) });
        let first_bytes = 5 + 5 + 32;
        for length in (1..content.len()).filter(|&length| length != first_bytes) {
            let walked: Vec<_> = frames(&content[..length]).collect();
            assert!(walked.last().unwrap().is_err(), "cut at {length}");
        }
        assert!(frames(&[3, 32, 0, 0, 0]).next().unwrap().is_err());
        assert!(frames(&[1, 31, 0, 0, 0]).next().unwrap().is_err());
        assert!(frames(b"").next().is_none());
    }
}
