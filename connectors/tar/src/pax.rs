//! Pax records: `LENGTH key=value\n`, where values are any bytes.

/// Says why records cannot be read.
pub(crate) const MALFORMED: &str = "malformed pax records";

/// Key and value.
type Record<'a> = (&'a [u8], &'a [u8]);

/// The records of one extended header, in order.
pub(crate) fn records(mut bytes: &[u8]) -> Result<Vec<Record<'_>>, &'static str> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let blank = bytes.iter().position(|&byte| byte == b' ').ok_or(MALFORMED)?;
        let length: usize = number(bytes.get(..blank).unwrap_or_default()).ok_or(MALFORMED)?;
        let record = bytes.get(blank + 1..length).ok_or(MALFORMED)?;
        let record = record.strip_suffix(b"\n").ok_or(MALFORMED)?;
        let equals = record.iter().position(|&byte| byte == b'=').ok_or(MALFORMED)?;
        let (key, value) = record.split_at(equals);
        found.push((key, value.get(1..).unwrap_or_default()));
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(found)
}

/// A decimal number.
pub(crate) fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// Seconds and nanoseconds of a decimal time such as `-1.25`.
pub(crate) fn time(text: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    if whole.starts_with('-') && nanoseconds > 0 {
        return Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some((seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_hold_any_bytes() {
        let bytes = b"12 path=a/b\n14 k=\x00\n=\n\xff\x01ab\n";
        assert_eq!(
            records(bytes),
            Ok(vec![(b"path".as_slice(), b"a/b".as_slice()), (b"k", b"\x00\n=\n\xff\x01ab")])
        );
        let bad: [&[u8]; 7] =
            [b"x", b"5 a=b", b"999 a=b\n", b"0 a=b\n", b"7 a-b c\n", b" a=b\n", b"-1 a=b\n"];
        for bytes in bad {
            assert_eq!(records(bytes), Err(MALFORMED), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn times_have_fractions_and_signs() {
        assert_eq!(time(b"5"), Some((5, 0)));
        assert_eq!(time(b"5.25"), Some((5, 250_000_000)));
        assert_eq!(time(b"-0.25"), Some((-1, 750_000_000)));
        assert_eq!(time(b"-3.5"), Some((-4, 500_000_000)));
        assert_eq!(time(b"1.0000000019"), Some((1, 1)));
        for bad in [b"".as_slice(), b"x", b"1.x", b"1.-5", b"99999999999999999999"] {
            assert_eq!(time(bad), None);
        }
    }
}
