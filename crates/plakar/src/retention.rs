//! Retention rules: which snapshots lie in the last buckets, and how many per bucket are kept.
//!
//! Buckets are UTC minutes, hours, days, ISO weeks, months, years, and single weekdays. A window
//! (`-days 7`) keeps what lies in the last seven days, today included; a cap (`-per-day 1`) keeps the
//! newest of each day. A snapshot is kept if any rule keeps it. What lies in the future counts as
//! inside of every window: no clock error deletes anything.

use std::collections::HashMap;

use clap::Args;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, Zoned};
use kloset_format::Timestamp;
use kloset_format::header::Header;

/// A unit of time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unit {
    /// `2006-01-02-15:04`
    Minute,
    /// `2006-01-02-15`
    Hour,
    /// `2006-01-02`
    Day,
    /// ISO week, `2006-W05`
    Week,
    /// `2006-01`
    Month,
    /// `2006`
    Year,
    /// One weekday of each week, `2006-W05-monday`
    On(Weekday),
}

/// What is kept of one unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// The unit.
    pub unit: Unit,
    /// Its word in reports: `day`.
    pub word: &'static str,
    /// Number of last buckets that count; all if unset.
    pub window: Option<u32>,
    /// Number of newest snapshots kept per bucket; all if unset.
    pub cap: Option<u32>,
}

macro_rules! retention {
    ($($window:ident $window_flag:literal, $cap:ident $cap_flag:literal, $word:literal, $unit:expr;)*) => {
        /// Retention flags.
        #[derive(Args, Clone, Debug, Default)]
        pub struct Retention {
            $(
                #[arg(long = $window_flag, value_name = "N", value_parser = count,
                      help = concat!("Keep what was made in the last N ", $window_flag))]
                $window: Option<u32>,

                #[arg(long = $cap_flag, value_name = "N", value_parser = count,
                      help = concat!("Keep at most the N newest of each ", $word))]
                $cap: Option<u32>,
            )*

            /// Apply retention to each group: name, category, environment, perimeter, job, dataset,
            /// data-class, tag, origin, type or root
            #[arg(long, value_name = "KEY", value_parser = GroupKey::parse)]
            pub group_by: Option<GroupKey>,
        }

        impl Retention {
            /// Sets the number of a flag (`days`, `per-day`) that was not given; `false` if there is
            /// no such flag.
            pub fn set_default(&mut self, flag: &str, count: u32) -> bool {
                match flag {
                    $(
                        $window_flag => _ = self.$window.get_or_insert(count),
                        $cap_flag => _ = self.$cap.get_or_insert(count),
                    )*
                    _ => return false,
                }
                true
            }

            /// The rules that were given.
            pub fn rules(&self) -> Vec<Rule> {
                let all = [$(Rule { unit: $unit, word: $word, window: self.$window, cap: self.$cap },)*];
                all.into_iter().filter(|rule| rule.window.is_some() || rule.cap.is_some()).collect()
            }
        }
    };
}

retention! {
    minutes "minutes", per_minute "per-minute", "minute", Unit::Minute;
    hours "hours", per_hour "per-hour", "hour", Unit::Hour;
    days "days", per_day "per-day", "day", Unit::Day;
    weeks "weeks", per_week "per-week", "week", Unit::Week;
    months "months", per_month "per-month", "month", Unit::Month;
    years "years", per_year "per-year", "year", Unit::Year;
    mondays "mondays", per_monday "per-monday", "monday", Unit::On(Weekday::Monday);
    tuesdays "tuesdays", per_tuesday "per-tuesday", "tuesday", Unit::On(Weekday::Tuesday);
    wednesdays "wednesdays", per_wednesday "per-wednesday", "wednesday", Unit::On(Weekday::Wednesday);
    thursdays "thursdays", per_thursday "per-thursday", "thursday", Unit::On(Weekday::Thursday);
    fridays "fridays", per_friday "per-friday", "friday", Unit::On(Weekday::Friday);
    saturdays "saturdays", per_saturday "per-saturday", "saturday", Unit::On(Weekday::Saturday);
    sundays "sundays", per_sunday "per-sunday", "sunday", Unit::On(Weekday::Sunday);
}

fn count(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "must be a number that is not negative".to_owned())
}

impl Retention {
    /// Whether no rule is given.
    pub fn is_empty(&self) -> bool {
        self.rules().is_empty()
    }
}

/// Header field by which snapshots are grouped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupKey {
    /// By name.
    Name,
    /// By category.
    Category,
    /// By environment.
    Environment,
    /// By perimeter.
    Perimeter,
    /// By job.
    Job,
    /// By dataset.
    Dataset,
    /// By each data class.
    DataClass,
    /// By each tag.
    Tag,
    /// By host.
    Origin,
    /// By type of source.
    Type,
    /// By directory.
    Root,
}

impl GroupKey {
    /// Reads the word of a key.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "name" => Self::Name,
            "category" => Self::Category,
            "environment" => Self::Environment,
            "perimeter" => Self::Perimeter,
            "job" => Self::Job,
            "dataset" => Self::Dataset,
            "data-class" => Self::DataClass,
            "tag" => Self::Tag,
            "origin" => Self::Origin,
            "type" => Self::Type,
            "root" => Self::Root,
            _ => return Err("unknown key".to_owned()),
        })
    }

    /// The groups of a snapshot; at least one.
    fn groups(self, header: &Header) -> Vec<Vec<u8>> {
        let importer = header.source().map(|source| &source.importer);
        let many = |list: &[kloset_format::Text]| {
            if list.is_empty() { vec![Vec::new()] } else { list.iter().map(|text| text.0.clone()).collect() }
        };
        let one = match self {
            Self::Tag => return many(&header.tags),
            Self::DataClass => return many(&header.data_classes),
            Self::Name => header.name.0.clone(),
            Self::Category => header.category.0.clone(),
            Self::Environment => header.environment.0.clone(),
            Self::Perimeter => header.perimeter.0.clone(),
            Self::Job => header.job.0.clone(),
            Self::Dataset => header.dataset.0.clone(),
            Self::Origin => importer.map(|importer| importer.origin.0.clone()).unwrap_or_default(),
            Self::Type => importer.map(|importer| importer.kind.0.clone()).unwrap_or_default(),
            Self::Root => importer.map(|importer| importer.directory.clone()).unwrap_or_default(),
        };
        vec![one]
    }
}

/// Which rule keeps a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// `day`
    pub rule: &'static str,
    /// `2026-11-22`
    pub bucket: String,
    /// 1 for the newest of the bucket.
    pub rank: u32,
    /// Cap of the rule.
    pub cap: Option<u32>,
}

/// For each snapshot (newest first), what keeps it; `None` for those outside of every rule.
pub fn apply(retention: &Retention, now: Timestamp, headers: &[&Header]) -> Vec<Option<Kept>> {
    let rules = retention.rules();
    let now = zoned(now);
    let mut counted: HashMap<(Unit, Vec<u8>, i64), u32> = HashMap::new();
    headers
        .iter()
        .map(|header| {
            let time = zoned(header.timestamp);
            let groups = retention.group_by.map_or_else(|| vec![Vec::new()], |key| key.groups(header));
            let mut kept = None;
            for rule in &rules {
                let Some(bucket) = bucket(rule.unit, &time) else { continue };
                if !in_window(rule, bucket, &now) {
                    continue;
                }
                for group in &groups {
                    let rank = counted.entry((rule.unit, group.clone(), bucket)).or_default();
                    *rank += 1;
                    if kept.is_none() && rule.cap.is_none_or(|cap| *rank <= cap) {
                        let (rank, bucket) = (*rank, label(rule.unit, &time));
                        kept = Some(Kept { rule: rule.word, bucket, rank, cap: rule.cap });
                    }
                }
            }
            kept
        })
        .collect()
}

fn zoned(time: Timestamp) -> Zoned {
    Instant::new(time.seconds, 0).unwrap_or(Instant::MIN).to_zoned(TimeZone::UTC)
}

/// Days since a Monday.
fn monday_based_days(time: &Zoned) -> i64 {
    // 1970-01-01 was a Thursday.
    time.timestamp().as_second().div_euclid(86_400) + 3
}

/// Number of the bucket that holds a time; neighbouring buckets have neighbouring numbers.
fn bucket(unit: Unit, time: &Zoned) -> Option<i64> {
    let seconds = time.timestamp().as_second();
    Some(match unit {
        Unit::Minute => seconds.div_euclid(60),
        Unit::Hour => seconds.div_euclid(3600),
        Unit::Day => seconds.div_euclid(86_400),
        Unit::Week => monday_based_days(time).div_euclid(7),
        Unit::Month => i64::from(time.year()) * 12 + i64::from(time.month()),
        Unit::Year => i64::from(time.year()),
        Unit::On(weekday) if time.weekday() == weekday => monday_based_days(time).div_euclid(7),
        Unit::On(_) => return None,
    })
}

fn in_window(rule: &Rule, found: i64, now: &Zoned) -> bool {
    let Some(window) = rule.window else { return true };
    let current = match rule.unit {
        Unit::On(weekday) => {
            let days = monday_based_days(now);
            (days - i64::from(weekday.to_monday_zero_offset())).div_euclid(7)
        }
        unit => bucket(unit, now).unwrap_or(found),
    };
    found > current - i64::from(window)
}

fn label(unit: Unit, time: &Zoned) -> String {
    let format = match unit {
        Unit::Minute => "%Y-%m-%d-%H:%M",
        Unit::Hour => "%Y-%m-%d-%H",
        Unit::Day => "%Y-%m-%d",
        Unit::Week | Unit::On(_) => "%G-W%V",
        Unit::Month => "%Y-%m",
        Unit::Year => "%Y",
    };
    let mut text = time.strftime(format).to_string();
    if let Unit::On(_) = unit {
        text.push_str(&time.strftime("-%A").to_string().to_lowercase());
    }
    text
}

#[cfg(test)]
mod tests;
