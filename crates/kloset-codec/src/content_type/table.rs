//! Tables: lines with the same number of fields between commas or tabs.

use super::Head;

/// The type of text that is a table of two records or more with two fields or more.
pub(super) fn detect(head: Head<'_>) -> Option<&'static str> {
    // Most text has neither in its first line, and that is all that is read of it.
    let first_line = head.bytes.split(|&b| b == b'\n').find(|line| !is_skipped(line))?;
    let has = |separator| first_line.contains(&separator);
    if has(b',') && is_table(head, b',') {
        return Some("text/csv");
    }
    (has(b'\t') && is_table(head, b'\t')).then_some("text/tab-separated-values")
}

/// Empty lines and comments are not records.
fn is_skipped(line: &[u8]) -> bool {
    line.is_empty() || line == b"\r" || line.starts_with(b"#")
}

fn is_table(head: Head<'_>, separator: u8) -> bool {
    let mut rest = head.whole_lines();
    let mut records = 0;
    let mut width = 0;
    while !rest.is_empty() {
        let line_end = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |at| at + 1);
        let (line, after_line) = rest.split_at(line_end);
        if is_skipped(line.strip_suffix(b"\n").unwrap_or(line)) {
            rest = after_line;
            continue;
        }
        let Some((fields, after_record)) = record(rest, separator) else {
            // A quoted field runs to the end: fine only if the end was cut off.
            return head.cut_off && records > 1;
        };
        if fields < 2 || (records > 0 && fields != width) {
            return false;
        }
        width = fields;
        records += 1;
        rest = after_record;
    }
    records > 1
}

/// Number of fields in the first record, and what comes after it; `None` if a quote stays open.
fn record(bytes: &[u8], separator: u8) -> Option<(usize, &[u8])> {
    let mut fields = 1;
    let mut rest = bytes;
    let mut field_start = true;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'"' && field_start {
            rest = after_quoted(rest, separator)?;
        }
        field_start = false;
        if byte == b'\n' {
            break;
        }
        if byte == separator {
            fields += 1;
            field_start = true;
        }
    }
    Some((fields, rest))
}

/// Skips a quoted field: its end is a quote before a separator, a line end, or the end of all.
fn after_quoted(mut rest: &[u8], separator: u8) -> Option<&[u8]> {
    loop {
        let at = rest.iter().position(|&b| b == b'"')?;
        rest = rest.get(at + 1..)?;
        match rest.first() {
            Some(b'"') => rest = rest.get(1..)?,
            Some(b'\r' | b'\n') | None => return Some(rest),
            Some(&next) if next == separator => return Some(rest),
            Some(_) => {}
        }
    }
}
