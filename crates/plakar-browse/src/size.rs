//! Sizes for people: binary units, one decimal below ten.

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// Writes a size: `60 B`, `2.9 MiB`, `50 MiB`.
pub fn show(bytes: u64) -> String {
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let exponent = (bytes.ilog2() / 10) as usize;
    let value = bytes as f64 / 1024f64.powi(exponent as i32);
    let rounded = (value * 10.0 + 0.5).floor() / 10.0;
    let unit = UNITS.get(exponent).copied().unwrap_or("EiB");
    if rounded < 10.0 && exponent > 0 {
        format!("{rounded:.1} {unit}")
    } else {
        format!("{rounded:.0} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_significant_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (9, "9 B"),
            (60, "60 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (4096, "4.0 KiB"),
            (3_040_870, "2.9 MiB"),
            (52_428_800, "50 MiB"),
            (10_480_000, "10 MiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(show(bytes), text);
        }
    }
}
