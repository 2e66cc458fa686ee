//! YAML as the configuration files use it: maps of maps of strings.
//!
//! Reading goes through serde; every scalar is taken as the text that stands there. Writing is done
//! here, because the layout (indent 4, sorted keys, quotes only where needed) is part of the contract.

use std::collections::BTreeMap;

use kloset_connector::Options;
use serde::Deserialize;

use crate::config::{Kind, Section};

/// Version of the files that this program writes.
pub const VERSION: &str = "v1.0.0";

/// Entries as a parser gives them: anything may be missing.
pub type RawEntries = BTreeMap<String, Option<BTreeMap<String, Option<String>>>>;

#[derive(Deserialize, Default)]
struct File {
    default: Option<String>,
    stores: Option<RawEntries>,
    sources: Option<RawEntries>,
    destinations: Option<RawEntries>,
}

#[derive(Deserialize, Default)]
struct Versioned {
    version: Option<String>,
}

/// The oldest form: everything in `plakar.yml`.
#[derive(Deserialize, Default)]
struct Oldest {
    #[serde(rename = "default-repo")]
    default: Option<String>,
    repositories: Option<RawEntries>,
    remotes: Option<RawEntries>,
}

/// Reads one of the three files, in its present or its version-less form.
pub fn read_section(kind: Kind, text: &str) -> Result<Section, String> {
    if is_empty(text) {
        return Ok(Section::default());
    }
    let version = serde_saphyr::from_str::<Versioned>(text).ok().and_then(|file| file.version);
    match version.as_deref() {
        Some(VERSION) => {
            let file: File = parse(text)?;
            let raw = match kind {
                Kind::Store => file.stores,
                Kind::Source => file.sources,
                Kind::Destination => file.destinations,
            };
            Ok(Section { default: file.default.filter(|name| !name.is_empty()), entries: plain(raw) })
        }
        Some(other) => Err(format!("version {other} is not known to this program")),
        None => read_versionless(text),
    }
}

/// A bare map of entries; a store with the key `.isDefault` is the default one.
fn read_versionless(text: &str) -> Result<Section, String> {
    let mut entries = plain(Some(parse::<RawEntries>(text)?));
    let mut default = None;
    for (name, options) in &mut entries {
        if options.remove(".isDefault").is_some() && default.replace(name.clone()).is_some() {
            return Err("multiple default store".to_owned());
        }
    }
    Ok(Section { default, entries })
}

/// Reads the oldest file: (stores, remotes).
pub fn read_oldest(text: &str) -> Result<(Section, Section), String> {
    if is_empty(text) {
        return Ok(Default::default());
    }
    let file: Oldest = parse(text)?;
    let stores =
        Section { default: file.default.filter(|name| !name.is_empty()), entries: plain(file.repositories) };
    Ok((stores, Section { default: None, entries: plain(file.remotes) }))
}

/// Reads a bare map of maps.
pub fn read_entries(text: &str) -> Result<RawEntries, String> {
    parse(text)
}

/// Reads a document.
pub fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_saphyr::from_str(text).map_err(|error| {
        error
            .to_string()
            .lines()
            .next()
            .unwrap_or("cannot be parsed")
            .trim_start_matches("error: ")
            .to_owned()
    })
}

/// Nothing but blanks, comments and document marks.
pub fn is_empty(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

fn plain(raw: Option<RawEntries>) -> BTreeMap<String, Options> {
    raw.unwrap_or_default()
        .into_iter()
        .map(|(name, options)| {
            let options = options.unwrap_or_default();
            (name, options.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect())
        })
        .collect()
}

/// Writes one of the three files.
pub fn write_section(kind: Kind, section: &Section) -> String {
    let mut out = format!("version: {VERSION}\n");
    if let Some(default) = &section.default {
        out.push_str(&format!("default: {}\n", scalar(default)));
    }
    if section.entries.is_empty() {
        out.push_str(&format!("{}: {{}}\n", kind.plural()));
        return out;
    }
    out.push_str(&format!("{}:\n", kind.plural()));
    for (name, options) in &section.entries {
        for line in write_entry(name, options).lines() {
            out.push_str(&format!("    {line}\n"));
        }
    }
    out
}

/// One entry as a document of its own: `name:` and indented pairs.
pub fn write_entry(name: &str, options: &Options) -> String {
    if options.is_empty() {
        return format!("{}: {{}}\n", scalar(name));
    }
    let mut out = format!("{}:\n", scalar(name));
    for (key, value) in options {
        out.push_str(&format!("    {}: {}\n", scalar(key), scalar(value)));
    }
    out
}

/// A string as a YAML scalar, quoted where a reader could take it for something else.
pub fn scalar(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else if text.is_empty() || text.chars().any(needs_escape) || reads_as_other_type(text) {
        quoted(text)
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    if text.trim() != text || text.ends_with(':') || text.contains(": ") || text.contains(" #") {
        return false;
    }
    if text.chars().any(needs_escape) {
        return false;
    }
    if "!&*[]{}|>'\"%@`#,".contains(first) {
        return false;
    }
    if matches!(first, '-' | '?' | ':') && text.chars().nth(1).is_none_or(|c| c == ' ') {
        return false;
    }
    if text.starts_with("---") || text.starts_with("...") {
        return false;
    }
    !reads_as_other_type(text)
}

/// Whether YAML 1.1 or 1.2 would read the plain text as something that is not a string.
fn reads_as_other_type(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    if matches!(
        lower.as_str(),
        "y" | "n"
            | "yes"
            | "no"
            | "on"
            | "off"
            | "true"
            | "false"
            | "null"
            | "~"
            | "<<"
            | "="
            | ".inf"
            | "-.inf"
            | "+.inf"
            | ".nan"
    ) {
        return true;
    }
    // Numbers (also 0x, 0o, 1_000, 1e3, 10:30) and dates start with a digit, a sign or a dot.
    lower.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'))
        && lower.chars().all(|c| c.is_ascii_hexdigit() || "+-.:_xotz ".contains(c))
        && lower.contains(|c: char| c.is_ascii_digit())
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if needs_escape(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
