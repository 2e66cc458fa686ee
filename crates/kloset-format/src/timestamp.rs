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

    /// `2006-01-02T15:04:05Z`, proleptic Gregorian, to the second.
    pub fn rfc3339(self) -> String {
        let days = self.seconds.div_euclid(86_400);
        let second = self.seconds.rem_euclid(86_400);
        // Civil-from-days over 400-year eras that start on March 1st.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_index + 2) / 5 + 1;
        let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_dates_of_the_calendar() {
        for (seconds, shown) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
        ] {
            assert_eq!(Timestamp { seconds, nanoseconds: 0 }.rfc3339(), shown);
        }
    }
}
