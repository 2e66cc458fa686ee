//! Dates as `-before`, `-since` and `-force-timestamp` take them.
//!
//! RFC 3339, `YYYY-MM-DD[ HH:MM[:SS]]`, `YYYY/MM/DD` (UTC when no zone is given), or a human
//! duration that means "that long ago": `1h`, `2h30m`, `3 months`, `half an hour`.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp as Instant};
use kloset_format::Timestamp;

/// Reads a date; `now` is what durations are counted back from.
pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let invalid = || format!("invalid date {text:?}");
    if text.is_empty() || text.trim() != text {
        return Err(invalid());
    }
    if let Some(instant) = fixed(text) {
        return Ok(from_instant(instant));
    }
    let span = ago(text).ok_or_else(invalid)?;
    let now = Instant::new(now.seconds, now.nanoseconds as i32).map_err(|_| invalid())?;
    let then = now.to_zoned(TimeZone::UTC).checked_sub(span).map_err(|_| invalid())?;
    Ok(from_instant(then.timestamp()))
}

fn from_instant(instant: Instant) -> Timestamp {
    let total = instant.as_nanosecond();
    Timestamp {
        seconds: total.div_euclid(1_000_000_000) as i64,
        nanoseconds: total.rem_euclid(1_000_000_000) as u32,
    }
}

/// A date that does not depend on the clock.
fn fixed(text: &str) -> Option<Instant> {
    if text.len() > 10 && text.as_bytes().get(10).is_some_and(|b| matches!(b, b'T' | b't')) {
        return text.parse::<Instant>().ok();
    }
    for format in ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"] {
        if let Ok(civil) = DateTime::strptime(format, text) {
            return civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
        }
    }
    for format in ["%Y-%m-%d", "%Y/%m/%d"] {
        if let Ok(day) = Date::strptime(format, text) {
            return day.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
        }
    }
    None
}

/// A human duration: pairs of a number (or `a`, `an`, `half a`) and a unit.
fn ago(text: &str) -> Option<Span> {
    let lower = text.to_lowercase().replace([',', '+'], " ").replace(" and ", " ");
    let mut words = tokens(&lower).into_iter().peekable();
    let mut span = Span::new();
    let mut any = false;
    while let Some(word) = words.next() {
        let mut amount = match word.as_str() {
            "a" | "an" => 1.0,
            "half" => {
                words.next_if(|w| w == "a" || w == "an");
                0.5
            }
            number => number.parse::<f64>().ok()?,
        };
        if words.next_if(|w| w == "half").is_some() {
            amount += 0.5;
        }
        span = add(span, amount, &words.next()?)?;
        any = true;
    }
    any.then_some(span)
}

/// Splits at blanks and between digits and letters: `2h30m` is four tokens.
fn tokens(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut last_numeric = None;
    for c in text.chars() {
        if c.is_whitespace() {
            last_numeric = None;
            continue;
        }
        let numeric = c.is_ascii_digit() || c == '.';
        match out.last_mut() {
            Some(token) if last_numeric == Some(numeric) => token.push(c),
            _ => out.push(c.to_string()),
        }
        last_numeric = Some(numeric);
    }
    out
}

fn add(span: Span, amount: f64, unit: &str) -> Option<Span> {
    if !(0.0..=1e9).contains(&amount) {
        return None;
    }
    let seconds = match unit {
        "y" | "year" | "years" if amount.fract() == 0.0 => {
            return span.try_years(i64::from(span.get_years()) + amount as i64).ok();
        }
        "mo" | "month" | "months" if amount.fract() == 0.0 => {
            return span.try_months(i64::from(span.get_months()) + amount as i64).ok();
        }
        "y" | "year" | "years" => 365.25 * 86_400.0,
        "mo" | "month" | "months" => 30.4375 * 86_400.0,
        "w" | "week" | "weeks" => 7.0 * 86_400.0,
        "d" | "day" | "days" => 86_400.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "ms" | "millisecond" | "milliseconds" => 0.001,
        _ => return None,
    };
    let milliseconds = span.get_milliseconds().saturating_add((amount * seconds * 1000.0).round() as i64);
    span.try_milliseconds(milliseconds).ok()
}

/// RFC 3339 in UTC with whole seconds, as listings show times.
pub fn show(time: Timestamp) -> String {
    match Instant::new(time.seconds, 0) {
        Ok(instant) => instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => format!("{}s", time.seconds),
    }
}

/// RFC 3339 in UTC with as many decimals as needed.
pub fn show_precise(time: Timestamp) -> String {
    match Instant::new(time.seconds, time.nanoseconds as i32) {
        Ok(instant) => instant.to_string(),
        Err(_) => show(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        parse("2026-03-31T12:00:00Z", Timestamp::EPOCH).unwrap()
    }

    #[test]
    fn every_accepted_form_is_read() {
        for (text, shown) in [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"),
            ("2026-01-02 03:04", "2026-01-02T03:04:00Z"),
            ("2026-01-02 03:04:05", "2026-01-02T03:04:05Z"),
            ("2026-01-02", "2026-01-02T00:00:00Z"),
            ("2026/01/02", "2026-01-02T00:00:00Z"),
            ("1h", "2026-03-31T11:00:00Z"),
            ("2h30m", "2026-03-31T09:30:00Z"),
            ("3 months", "2025-12-31T12:00:00Z"),
            ("a month", "2026-02-28T12:00:00Z"),
            ("half an hour", "2026-03-31T11:30:00Z"),
            ("2 weeks", "2026-03-17T12:00:00Z"),
            ("1 year and 2 days", "2025-03-29T12:00:00Z"),
        ] {
            assert_eq!(parse(text, now()).map(show).as_deref(), Ok(shown), "{text}");
        }
    }

    #[test]
    fn nonsense_and_stray_blanks_are_refused() {
        for text in
            ["", " 1h", "1h ", "yesterday", "2026-13-01", "1", "1 fortnight", "-1h", "1h 1000000000.5y"]
        {
            assert!(parse(text, now()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn precise_times_keep_nanoseconds() {
        let time = Timestamp { seconds: 0, nanoseconds: 120_000_000 };
        assert_eq!(show_precise(time), "1970-01-01T00:00:00.12Z");
        assert_eq!(show(Timestamp { seconds: -1, nanoseconds: 5 }), "1969-12-31T23:59:59Z");
    }
}
