//! The content type of a file, from its first bytes.
//!
//! Names follow the reference implementation, so that both record the same type for common
//! files. A difference is harmless: it costs the deduplication of one file's metadata.
//! Text is recognised here; most other formats by the `infer` crate's magic numbers.

mod binary;
mod charset;
mod json;
mod markup;
mod script;
mod table;

use std::borrow::Cow;

/// Only this many bytes are looked at.
pub const LOOKED_AT_BYTES: usize = 3072;

/// What a file is called that nothing recognises.
const UNKNOWN: &str = "application/octet-stream";

/// The first bytes of a file and whether they may be all of it.
#[derive(Clone, Copy)]
struct Head<'a> {
    bytes: &'a [u8],
    /// The file may go on after `bytes`.
    cut_off: bool,
}

impl<'a> Head<'a> {
    /// Without a last line that is cut off in the middle.
    fn whole_lines(self) -> &'a [u8] {
        if !self.cut_off {
            return self.bytes;
        }
        let end = self.bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        self.bytes.get(..end).unwrap_or_default()
    }
}

/// The content type of a file whose first chunk is `first_chunk`.
///
/// Almost always a name known in advance; only the character set that an HTML or XML
/// document declares is taken from the bytes.
pub fn detect(first_chunk: &[u8]) -> Cow<'static, str> {
    let bytes = first_chunk.get(..LOOKED_AT_BYTES).unwrap_or(first_chunk);
    let head = Head { bytes, cut_off: bytes.len() == LOOKED_AT_BYTES };
    let marked = charset::from_byte_order_mark(bytes);
    if marked.is_none() && !charset::is_text(bytes) {
        return binary::detect(bytes).unwrap_or(UNKNOWN).into();
    }
    text(head, marked)
}

/// The type of bytes without control characters, or with the byte order mark of `marked`.
fn text(head: Head<'_>, marked: Option<&'static str>) -> Cow<'static, str> {
    let bytes = head.bytes;
    if let Some(name) = binary::detect_textual(bytes) {
        return name.into();
    }
    let start = bytes.trim_ascii_start();
    let special = match start.first() {
        Some(b'<') => markup::detect(bytes, start, marked),
        Some(b'#') => script::detect(bytes).map(Cow::from),
        Some(b'{') if bytes.starts_with(b"{\\rtf") => Some("text/rtf".into()),
        Some(b'{' | b'[') => json::detect(head).map(Cow::from),
        _ => prefixed(bytes).map(Cow::from),
    };
    special
        .or_else(|| table::detect(head).map(Cow::from))
        .unwrap_or_else(|| charset::plain_text(bytes, marked).into())
}

/// Text formats that begin with fixed words.
fn prefixed(bytes: &[u8]) -> Option<&'static str> {
    const PREFIXES: [(&[u8], &str); 5] = [
        (b"BEGIN:VCARD", "text/vcard"),
        (b"BEGIN:VCALENDAR", "text/calendar"),
        (b"WEBVTT", "text/vtt"),
        (b"WARC/1.", "application/warc"),
        (b"/* XPM */", "image/x-xpixmap"),
    ];
    let known = PREFIXES.iter().find(|(prefix, _)| bytes.starts_with(prefix)).map(|(_, name)| *name);
    known.or_else(|| is_subrip(bytes).then_some("application/x-subrip"))
}

/// Subtitles: the number 1 alone on a line, then a line with two times and an arrow.
fn is_subrip(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end);
    lines.next() == Some(b"1")
        && lines.next().is_some_and(|times| {
            times.first().is_some_and(u8::is_ascii_digit) && times.windows(5).any(|w| w == b" --> ")
        })
}
