//! Which bytes are text, and in which character set.

/// The character set that a byte order mark announces.
pub(super) fn from_byte_order_mark(bytes: &[u8]) -> Option<&'static str> {
    const MARKS: [(&[u8], &str); 5] = [
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\0\0\xfe\xff", "utf-32be"),
        (b"\xff\xfe\0\0", "utf-32le"),
        (b"\xfe\xff", "utf-16be"),
        (b"\xff\xfe", "utf-16le"),
    ];
    MARKS.iter().find(|(mark, _)| bytes.starts_with(mark)).map(|(_, name)| *name)
}

/// Whether there is no control character in `bytes` that text does not have.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    // Written without branches so that the compiler makes vector code of it.
    let binary =
        |&b: &u8| (b <= 0x08) | (b == 0x0b) | (b.wrapping_sub(0x0e) <= 0x0c) | (b.wrapping_sub(0x1c) <= 0x03);
    bytes.chunks(256).all(|part| !part.iter().fold(false, |found, b| found | binary(b)))
}

/// The type of text that nothing more special is known about.
pub(super) fn plain_text(bytes: &[u8], marked: Option<&'static str>) -> &'static str {
    match marked.or_else(|| guess(bytes)) {
        Some("utf-8") => "text/plain; charset=utf-8",
        Some("iso-8859-1") => "text/plain; charset=iso-8859-1",
        Some("windows-1252") => "text/plain; charset=windows-1252",
        Some("utf-16le") => "text/plain; charset=utf-16le",
        Some("utf-16be") => "text/plain; charset=utf-16be",
        Some("utf-32le") => "text/plain; charset=utf-32le",
        Some("utf-32be") => "text/plain; charset=utf-32be",
        _ => "text/plain",
    }
}

/// The character set of text without a mark; `None` if there is nothing to go by.
pub(super) fn guess(bytes: &[u8]) -> Option<&'static str> {
    if bytes.is_empty() {
        return None;
    }
    let has_delete = bytes.contains(&0x7f);
    if bytes.is_ascii() {
        return (!has_delete).then_some("utf-8");
    }
    match std::str::from_utf8(bytes) {
        Ok(_) => return Some("utf-8"),
        // The last character may be cut off, but there must be a whole one beyond ASCII.
        Err(e) if e.error_len().is_none() && !bytes.get(..e.valid_up_to()).is_none_or(<[u8]>::is_ascii) => {
            return Some("utf-8");
        }
        Err(_) => {}
    }
    if has_delete {
        return None;
    }
    // ISO 8859 has control characters at 80..9f, of which only "next line" is seen in text.
    let windows = bytes.iter().any(|&b| (0x80..=0x9f).contains(&b) && b != 0x85);
    Some(if windows { "windows-1252" } else { "iso-8859-1" })
}
