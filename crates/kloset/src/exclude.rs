//! Exclusion rules: gitignore patterns matched against absolute paths inside the snapshot.
//!
//! The last pattern that matches decides; `!` takes a path back in. A pattern with a slash at its
//! start or in its middle is anchored at `/` of the snapshot, not at the directory backed up. A
//! pattern that is anchored so and cannot name anything in this backup is tried below the roots
//! instead: `/build` then means `build` in the directory backed up.
//!
//! Excluded directories are not entered by the caller, so a path is matched by itself, without a
//! look at its parents. Paths are bytes; one that is not UTF-8 is matched byte by byte there.

mod glob;

use std::sync::atomic::{AtomicBool, Ordering};

use glob::{Part, PatternFault};

use crate::Error;

/// Folders at the top of a Unix system: an anchored pattern that starts with one of them is meant
/// as an absolute path, even when that lies outside of this backup.
const TOP_LEVEL: [&[u8]; 20] = [
    b"bin", b"boot", b"dev", b"etc", b"home", b"lib", b"lib32", b"lib64", b"media", b"mnt", b"nix", b"opt",
    b"proc", b"root", b"run", b"sbin", b"srv", b"sys", b"tmp", b"var",
];

/// A set of exclusion rules, in order.
#[derive(Debug, Default)]
pub struct Exclude {
    rules: Vec<Rule>,
    roots: Vec<Vec<Vec<u8>>>,
}

#[derive(Debug)]
struct Rule {
    text: String,
    parts: Vec<Part>,
    anchored: bool,
    negated: bool,
    directories_only: bool,
    /// Indexes of the roots that this rule is tried below.
    below_roots: Vec<usize>,
    matched: AtomicBool,
}

impl Exclude {
    /// Reads `patterns`, one gitignore line each (blank lines and comments are skipped). `roots` are
    /// the directories backed up, as absolute paths inside the snapshot.
    pub fn new(patterns: &[String], roots: &[Vec<u8>]) -> Result<Self, Error> {
        let roots: Vec<Vec<Vec<u8>>> =
            roots.iter().map(|root| components(root).map(<[u8]>::to_vec).collect()).collect();
        let mut rules = Vec::new();
        for pattern in patterns {
            if let Some(rule) = Rule::parse(pattern, &roots)? {
                rules.push(rule);
            }
        }
        Ok(Self { rules, roots })
    }

    /// Whether there is no rule at all.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether the rules leave out the clean absolute `path`. `/` is never left out.
    pub fn excluded(&self, path: &[u8], is_dir: bool) -> bool {
        if self.rules.is_empty() {
            return false;
        }
        let names: Vec<&[u8]> = components(path).collect();
        let Some(base) = names.last() else { return false };
        let mut decision = None;
        for rule in self.rules.iter().rev() {
            // Rules shadowed by a later one are looked at once, for the warning about unused ones.
            if decision.is_some() && rule.matched.load(Ordering::Relaxed) {
                continue;
            }
            if (is_dir || !rule.directories_only) && rule.matches(&names, base, &self.roots) {
                rule.matched.store(true, Ordering::Relaxed);
                decision.get_or_insert(!rule.negated);
            }
        }
        decision.unwrap_or(false)
    }

    /// Patterns that have matched no path so far, as they were given.
    pub fn unmatched_patterns(&self) -> Vec<&str> {
        self.rules
            .iter()
            .filter(|rule| !rule.matched.load(Ordering::Relaxed))
            .map(|rule| rule.text.as_str())
            .collect()
    }
}

impl Rule {
    fn parse(text: &str, roots: &[Vec<Vec<u8>>]) -> Result<Option<Self>, Error> {
        let line = trim_blanks(text.trim_end_matches(['\r', '\n']));
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let (negated, line) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (directories_only, line) = match line.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        if line.is_empty() {
            // `/` and `!` name nothing.
            return Ok(None);
        }
        let anchored = line.contains('/');
        let bad =
            |fault: PatternFault| Error::BadPattern { pattern: text.to_owned(), reason: fault.to_string() };
        let parts = glob::parse(line).map_err(bad)?;
        let below_roots = if anchored && !starts_at_top_level(&parts) {
            (0..roots.len()).filter(|&i| !may_name(&parts, &roots[i])).collect()
        } else {
            Vec::new()
        };
        let matched = AtomicBool::new(false);
        let text = text.to_owned();
        Ok(Some(Self { text, parts, anchored, negated, directories_only, below_roots, matched }))
    }

    fn matches(&self, names: &[&[u8]], base: &[u8], roots: &[Vec<Vec<u8>>]) -> bool {
        if !self.anchored {
            return self.parts.first().is_some_and(|part| part.matches(base));
        }
        glob::matches_path(&self.parts, names)
            || self
                .below_roots
                .iter()
                .filter_map(|&i| roots.get(i))
                .any(|root| below(names, root).is_some_and(|rest| glob::matches_path(&self.parts, rest)))
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
}

/// The components of a path below `root`, if it lies there.
fn below<'a, 'b>(names: &'a [&'b [u8]], root: &[Vec<u8>]) -> Option<&'a [&'b [u8]]> {
    let inside = names.len() > root.len() && names.iter().zip(root).all(|(name, wanted)| name == wanted);
    if inside { names.get(root.len()..) } else { None }
}

/// Whether an anchored pattern can name an ancestor of `root`, the root, or something below it.
fn may_name(parts: &[Part], root: &[Vec<u8>]) -> bool {
    match (parts.first(), root.first()) {
        (Some(part), Some(name)) => part.is_any_depth() || part.matches(name),
        _ => true,
    }
}

fn starts_at_top_level(parts: &[Part]) -> bool {
    parts.first().is_some_and(|part| TOP_LEVEL.iter().any(|name| part.is_literally(name)))
}

/// Drops trailing blanks unless the last one is escaped.
fn trim_blanks(line: &str) -> &str {
    let trimmed = line.trim_end_matches([' ', '\t']);
    let escapes = trimmed.bytes().rev().take_while(|&byte| byte == b'\\').count();
    if escapes % 2 == 1 && trimmed.len() < line.len() {
        // The backslash keeps exactly one blank.
        &line[..=trimmed.len()]
    } else {
        trimmed
    }
}

#[cfg(test)]
mod tests;
