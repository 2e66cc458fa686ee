//! What is kept and why.

use super::*;
use crate::cli::date;
use kloset_format::SnapshotId;

fn header(date: &str, tags: &[&str]) -> Header {
    let time = date::parse(date, Timestamp::EPOCH).unwrap();
    let mut header = Header::new(SnapshotId::ZERO, time);
    header.tags = tags.iter().map(|&tag| tag.into()).collect();
    header
}

fn kept(retention: &Retention, now: &str, headers: &[Header]) -> Vec<String> {
    let now = date::parse(now, Timestamp::EPOCH).unwrap();
    let headers: Vec<&Header> = headers.iter().collect();
    apply(retention, now, &headers)
        .into_iter()
        .map(|kept| {
            kept.map_or_else(String::new, |kept| format!("{}:{} {}", kept.rule, kept.bucket, kept.rank))
        })
        .collect()
}

#[test]
fn a_window_counts_the_running_bucket_and_has_no_cap() {
    let headers = [
        header("2026-11-24 09:00", &[]),
        header("2026-11-24 08:00", &[]),
        header("2026-11-23 23:59", &[]),
        header("2026-11-22 23:59", &[]),
    ];
    let rules = Retention { days: Some(2), ..Default::default() };
    assert_eq!(
        kept(&rules, "2026-11-24 10:00", &headers),
        ["day:2026-11-24 1", "day:2026-11-24 2", "day:2026-11-23 1", ""]
    );
    let none = Retention { days: Some(0), ..Default::default() };
    assert!(kept(&none, "2026-11-24 10:00", &headers).iter().all(String::is_empty));
}

#[test]
fn a_cap_keeps_the_newest_of_each_bucket_and_rules_are_joined() {
    let headers =
        [header("2026-11-24 09:00", &[]), header("2026-11-24 08:00", &[]), header("2020-01-01", &[])];
    let rules = Retention { per_day: Some(1), ..Default::default() };
    assert_eq!(kept(&rules, "2026-11-24 10:00", &headers), ["day:2026-11-24 1", "", "day:2020-01-01 1"]);
    let rules = Retention { per_day: Some(1), hours: Some(3), ..Default::default() };
    assert_eq!(kept(&rules, "2026-11-24 10:00", &headers)[1], "hour:2026-11-24-08 1");
}

#[test]
fn weeks_are_iso_weeks_and_weekdays_count_their_own_kind() {
    // 2027-01-01 is a Friday of week 53 of 2026.
    let headers = [header("2027-01-01", &[]), header("2026-12-28", &[]), header("2026-12-21", &[])];
    let rules = Retention { weeks: Some(1), ..Default::default() };
    assert_eq!(kept(&rules, "2027-01-03", &headers), ["week:2026-W53 1", "week:2026-W53 2", ""]);
    let rules = Retention { mondays: Some(1), ..Default::default() };
    assert_eq!(kept(&rules, "2027-01-03", &headers), ["", "monday:2026-W53-monday 1", ""]);
    let rules = Retention { sundays: Some(1), ..Default::default() };
    assert_eq!(kept(&rules, "2027-01-02", &[header("2026-12-27", &[])]), ["sunday:2026-W52-sunday 1"]);
}

#[test]
fn groups_are_counted_apart_and_many_values_fan_out() {
    let headers = [header("2026-11-24 09:00", &["a"]), header("2026-11-24 08:00", &["a", "b"])];
    let rules = Retention { per_day: Some(1), group_by: Some(GroupKey::Tag), ..Default::default() };
    assert_eq!(
        kept(&rules, "2026-11-24 10:00", &headers),
        ["day:2026-11-24 1", "day:2026-11-24 1"],
        "the second is the newest of group b"
    );
}

#[test]
fn the_future_is_never_outside() {
    let rules = Retention { days: Some(1), ..Default::default() };
    assert_eq!(kept(&rules, "2026-11-24", &[header("2030-01-01", &[])]), ["day:2030-01-01 1"]);
}
