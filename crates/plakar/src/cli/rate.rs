//! Rates on the command line: bytes per second, with a binary suffix.

/// Reads `500K`, `2M`, `1.5G`, `800000`; also `2MB`, `2MiB` and `2M/s`.
pub fn parse(text: &str) -> Result<u64, String> {
    let bad = || format!("invalid rate {text:?}: a number with K, M or G is wanted, as in 500K or 2M");
    let plain = text.trim().trim_end_matches("/s");
    let upper = plain.to_ascii_uppercase();
    let short = upper.strip_suffix("IB").or_else(|| upper.strip_suffix('B')).unwrap_or(&upper);
    let units = [('K', 1u64 << 10), ('M', 1 << 20), ('G', 1 << 30)];
    let (digits, unit) = units
        .into_iter()
        .find_map(|(letter, unit)| Some((short.strip_suffix(letter)?, unit)))
        .unwrap_or((short, 1));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(bad());
    }
    let number: f64 = digits.parse().map_err(|_| bad())?;
    let rate = number * unit as f64;
    // Slower than this, a login alone takes minutes; faster than this is no limit.
    if !(1024.0..=1e15).contains(&rate) {
        return Err(format!("invalid rate {text:?}: at least 1K is wanted"));
    }
    Ok(rate as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_binary_suffixes() {
        for (text, rate) in [
            ("1024", 1024),
            ("500K", 512_000),
            ("500k", 512_000),
            ("2M", 2 << 20),
            ("2MiB/s", 2 << 20),
            ("2MB", 2 << 20),
            ("1.5G", 3 << 29),
        ] {
            assert_eq!(parse(text), Ok(rate), "{text}");
        }
        for text in ["", "K", "fast", "-1M", "0", "10", "1MM", "1e9", "inf"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
