//! Names and foreign text made harmless for a terminal.

use std::borrow::Cow;

/// A name as listings show it: control characters become `?`, invalid UTF-8 U+FFFD.
pub fn name(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => line(text),
        Cow::Owned(text) => Cow::Owned(line(&text).into_owned()),
    }
}

/// Text that must stay on one line: every control character becomes `?`.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_dangerous) {
        Cow::Owned(text.chars().map(|c| if is_dangerous(c) { '?' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Text of several lines: as [`line()`], but line feeds stay.
pub fn lines(text: &str) -> String {
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Control characters of both ranges, and those that turn the direction of writing.
fn is_dangerous(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_bad_bytes_do_not_reach_a_terminal() {
        assert_eq!(name(b"a\x1b[31mb\n"), "a?[31mb?");
        assert_eq!(name(b"a\xff"), "a\u{fffd}");
        assert_eq!(name("é ✓".as_bytes()), "é ✓");
        assert_eq!(name("x\u{9b}y\u{202e}".as_bytes()), "x?y?");
        assert_eq!(lines("a\nb\x07"), "a\nb?");
    }
}
