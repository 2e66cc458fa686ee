//! Policies: named filters and retention rules for `prune`, in `policies.yml`.
//!
//! In memory a policy is a map from the names of flags to texts. A relative date (`3 months`) stays the
//! text that it is and is counted back when the policy is used; beside it the file has the date of
//! the day it was set, which is what the reference implementation reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use kloset_format::Timestamp;
use serde::Deserialize;

use crate::app::App;
use crate::cli::date;
use crate::config::{ConfigError, files, yaml};
use crate::error::Failure;
use crate::filters::{Filters, parse_date};
use crate::retention::{GroupKey, Retention};

const FILE: &str = "policies.yml";
const WORDS: [&str; 5] = ["name", "category", "environment", "perimeter", "job"];
const DATES: [&str; 2] = ["before", "since"];
const LISTS: [&str; 3] = ["tags", "ids", "roots"];

/// One policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy(pub BTreeMap<String, String>);

/// Policies by name.
pub type Policies = BTreeMap<String, Policy>;

#[derive(Deserialize, Default)]
struct File {
    policies: Option<BTreeMap<String, Option<RawPolicy>>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawPolicy {
    filters: Option<RawFilters>,
    periods: Option<BTreeMap<String, Option<RawPeriod>>>,
    group_by: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawFilters {
    before: Option<String>,
    before_text: Option<String>,
    since: Option<String>,
    since_text: Option<String>,
    name: Option<String>,
    category: Option<String>,
    environment: Option<String>,
    perimeter: Option<String>,
    job: Option<String>,
    tags: Option<Vec<String>>,
    ids: Option<Vec<String>>,
    roots: Option<Vec<String>>,
    latest: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawPeriod {
    keep: Option<u32>,
    cap: Option<u32>,
}

/// The file of the policies.
fn file(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

/// Reads all policies.
pub fn load(directory: &Path) -> Result<Policies, ConfigError> {
    let path = file(directory);
    match files::read_if_present(&path)? {
        None => Ok(Policies::new()),
        Some(text) => read(&text).map_err(|reason| ConfigError::Parse { path, reason }),
    }
}

/// Changes the policies: lock, load, `change`, write. Nothing is written when `change` fails.
pub fn update(
    directory: &Path,
    now: Timestamp,
    change: impl FnOnce(&mut Policies) -> Result<(), Failure>,
) -> Result<(), Failure> {
    files::locked(directory, || {
        let mut policies = load(directory)?;
        change(&mut policies)?;
        Ok(files::replace(&file(directory), &write(&policies, now))?)
    })
}

/// The policy of this name.
pub fn find(app: &App, name: &str) -> Result<Policy, Failure> {
    let mut policies = load(&app.directories.config)?;
    policies.remove(name).ok_or_else(|| Failure::refused(format!("policy \"{name}\" not found")))
}

impl Policy {
    /// Sets one key; an `Err` is why it cannot be.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let value = match key {
            "latest" => match value {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => "true".to_owned(),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => String::new(),
                _ => return Err(format!("invalid value: {value}")),
            },
            "group-by" => GroupKey::parse(value).map(|_| value.to_owned())?,
            key if DATES.contains(&key) => parse_date(value).map(|_| value.to_owned())?,
            key if WORDS.contains(&key) => value.to_owned(),
            key if LISTS.contains(&key) => {
                let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
                items.collect::<Vec<_>>().join(",")
            }
            key if Retention::default().set_default(key, 0) => {
                if value.starts_with('-') {
                    return Err("negative value".to_owned());
                }
                let count: u32 = value.parse().map_err(|_| format!("invalid value: {value}"))?;
                if count == 0 { String::new() } else { count.to_string() }
            }
            _ => return Err("invalid key".to_owned()),
        };
        match value.is_empty() {
            true => self.0.remove(key),
            false => self.0.insert(key.to_owned(), value),
        };
        Ok(())
    }

    /// Fills in what the line does not say; returns the prefixes of ids that are wanted.
    pub fn apply(&self, filters: &mut Filters, retention: &mut Retention) -> Result<Vec<String>, String> {
        let mut ids = Vec::new();
        for (key, value) in &self.0 {
            let names = &mut filters.names;
            let text = || value.clone();
            match key.as_str() {
                "name" => _ = names.name.get_or_insert_with(text),
                "category" => _ = names.category.get_or_insert_with(text),
                "environment" => _ = names.environment.get_or_insert_with(text),
                "perimeter" => _ = names.perimeter.get_or_insert_with(text),
                "job" => _ = names.job.get_or_insert_with(text),
                "tags" if names.tag.is_empty() => names.tag.push(text()),
                "roots" if filters.root.is_empty() => filters.root.push(text()),
                "tags" | "roots" => {}
                "ids" => ids.extend(value.split(',').map(str::to_owned)),
                "latest" => filters.latest = true,
                "before" => filters.before = Some(filters.before.map_or_else(|| parse_date(value), Ok)?),
                "since" => filters.since = Some(filters.since.map_or_else(|| parse_date(value), Ok)?),
                "group-by" => {
                    retention.group_by = Some(retention.group_by.map_or_else(|| GroupKey::parse(value), Ok)?);
                }
                flag => {
                    let count = value.parse().map_err(|_| format!("policy: invalid {flag}: {value}"))?;
                    if !retention.set_default(flag, count) {
                        return Err(format!("policy: unknown key {flag}"));
                    }
                }
            }
        }
        Ok(ids)
    }

    /// The policy as it stands in the file.
    pub fn yaml(&self, name: &str, now: Timestamp) -> String {
        let mut out = format!("{}:", yaml::scalar(name));
        if self.0.is_empty() {
            out.push_str(" {}\n");
            return out;
        }
        out.push('\n');
        let filters = self.filter_lines(now);
        if !filters.is_empty() {
            out.push_str("    filters:\n");
            filters.iter().for_each(|line| _ = writeln!(out, "        {line}"));
        }
        let periods = self.periods();
        if !periods.is_empty() {
            out.push_str("    periods:\n");
        }
        for (unit, numbers) in periods {
            let _ = writeln!(out, "        {unit}:");
            for (kind, count) in numbers {
                let _ = writeln!(out, "            {kind}: {count}");
            }
        }
        if let Some(key) = self.0.get("group-by") {
            let _ = writeln!(out, "    group_by: {}", yaml::scalar(key));
        }
        out
    }

    fn filter_lines(&self, now: Timestamp) -> Vec<String> {
        let mut lines = Vec::new();
        for key in DATES {
            let Some(text) = self.0.get(key) else { continue };
            let Ok(fixed) = date::parse(text, now) else { continue };
            lines.push(format!("{key}: {}", date::show(fixed)));
            if date::parse(text, Timestamp::EPOCH) != Ok(fixed) {
                lines.push(format!("{key}_text: {}", yaml::scalar(text)));
            }
        }
        for key in WORDS {
            lines.extend(self.0.get(key).map(|text| format!("{key}: {}", yaml::scalar(text))));
        }
        for key in LISTS {
            let Some(text) = self.0.get(key) else { continue };
            lines.push(format!("{key}:"));
            lines.extend(text.split(',').map(|item| format!("    - {}", yaml::scalar(item))));
        }
        if self.0.contains_key("latest") {
            lines.push("latest: true".to_owned());
        }
        lines
    }

    /// Numbers by unit: `day` has `keep` from `days` and `cap` from `per-day`.
    fn periods(&self) -> BTreeMap<&str, Vec<(&'static str, &str)>> {
        let mut periods: BTreeMap<&str, Vec<(&'static str, &str)>> = BTreeMap::new();
        for (key, value) in &self.0 {
            if !Retention::default().set_default(key, 0) {
                continue;
            }
            match key.strip_prefix("per-") {
                Some(unit) => periods.entry(unit).or_default().push(("cap", value)),
                None => periods.entry(key.trim_end_matches('s')).or_default().push(("keep", value)),
            }
        }
        periods
    }
}

fn read(text: &str) -> Result<Policies, String> {
    if yaml::is_empty(text) {
        return Ok(Policies::new());
    }
    let file: File = yaml::parse(text)?;
    let mut policies = Policies::new();
    for (name, raw) in file.policies.unwrap_or_default() {
        let policy = plain(raw.unwrap_or_default()).map_err(|why| format!("policy {name}: {why}"))?;
        policies.insert(name, policy);
    }
    Ok(policies)
}

fn plain(raw: RawPolicy) -> Result<Policy, String> {
    let mut policy = Policy::default();
    let mut set = |key: &str, value: Option<String>| match value.filter(|value| !value.is_empty()) {
        Some(value) => policy.set(key, &value).map_err(|why| format!("{key}: {why}")),
        None => Ok(()),
    };
    let filters = raw.filters.unwrap_or_default();
    set("before", filters.before_text.or(filters.before))?;
    set("since", filters.since_text.or(filters.since))?;
    set("name", filters.name)?;
    set("category", filters.category)?;
    set("environment", filters.environment)?;
    set("perimeter", filters.perimeter)?;
    set("job", filters.job)?;
    set("tags", filters.tags.map(|items| items.join(",")))?;
    set("ids", filters.ids.map(|items| items.join(",")))?;
    set("roots", filters.roots.map(|items| items.join(",")))?;
    set("latest", filters.latest.filter(|latest| *latest).map(|latest| latest.to_string()))?;
    set("group-by", raw.group_by)?;
    for (unit, period) in raw.periods.unwrap_or_default() {
        let period = period.unwrap_or_default();
        set(&format!("{unit}s"), period.keep.map(|count| count.to_string()))?;
        set(&format!("per-{unit}"), period.cap.map(|count| count.to_string()))?;
    }
    Ok(policy)
}

fn write(policies: &Policies, now: Timestamp) -> String {
    let mut out = format!("version: {}\n", yaml::VERSION);
    if policies.is_empty() {
        out.push_str("policies: {}\n");
        return out;
    }
    out.push_str("policies:\n");
    for (name, policy) in policies {
        policy.yaml(name, now).lines().for_each(|line| _ = writeln!(out, "    {line}"));
    }
    out
}

#[cfg(test)]
mod tests;
