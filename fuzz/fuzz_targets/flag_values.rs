//! Values of flags as typed: dates and their human forms, durations, rates, patterns of names.
//!
//! The modules belong to the program, which is no library; they are compiled here once more.
#![no_main]
#![allow(dead_code)]

#[path = "../../crates/plakar/src/cli/date.rs"]
mod date;
#[path = "../../crates/plakar/src/cli/duration.rs"]
mod duration;
#[path = "../../crates/plakar/src/pattern.rs"]
mod pattern;
#[path = "../../crates/plakar/src/cli/rate.rs"]
mod rate;

use kloset_format::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let now = Timestamp { seconds: 1_774_958_400, nanoseconds: 5 };
    if let Ok(time) = date::parse(text, now) {
        assert!(time.nanoseconds < 1_000_000_000);
        let _ = date::show(time);
        let shown = date::show_precise(time);
        // Years before 1 are shown with a sign, which nobody types.
        if time.seconds > -62_135_596_800 {
            assert_eq!(date::parse(&shown, now), Ok(time), "{shown} is read as it was shown");
        }
    }
    if let Ok(duration) = duration::parse(text) {
        assert!(duration::parse(&duration::show(duration)).is_ok());
        let _ = duration::show_seconds(duration);
    }
    let _ = rate::parse(text);
    if let Some((pattern, name)) = text.split_once('/')
        && let Some(pattern) = pattern::Pattern::parse(pattern.as_bytes())
    {
        let _ = pattern.matches(name.as_bytes());
    }
});
