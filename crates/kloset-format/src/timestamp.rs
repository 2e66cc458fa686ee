//! Points in time with nanoseconds, before and after 1970.

/// Seconds since 1970-01-01T00:00:00Z and nanoseconds (0..1_000_000_000) after that second.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Timestamp {
    /// Whole seconds, negative before 1970.
    pub seconds: i64,
    /// Nanoseconds past `seconds`, always counted forwards.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self { seconds: 0, nanoseconds: 0 };
    /// "Unset" on disk: year 1.
    pub const UNSET: Self = Self { seconds: -62_135_596_800, nanoseconds: 0 };

    /// Makes a timestamp from nanoseconds since 1970.
    pub fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self {
            seconds: nanoseconds.div_euclid(1_000_000_000),
            nanoseconds: nanoseconds.rem_euclid(1_000_000_000) as u32,
        }
    }

    /// Nanoseconds since 1970, saturated to what 64 bits hold (years 1677 to 2262).
    pub fn to_nanoseconds(self) -> i64 {
        let wide = i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds);
        wide.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }
}
