//! Locations: URL-like text that names a place.

use std::collections::BTreeMap;
use std::fmt;

/// Options of a configuration entry or of `-o`; all values are strings.
pub type Options = BTreeMap<String, String>;

/// A scheme and the rest of a location, as typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Location {
    /// `fs`, `sftp`, …; `fs` when the text names none.
    pub scheme: String,
    /// What follows the scheme, minus one leading `//`.
    pub rest: String,
}

impl Location {
    /// Splits a location: `A-Za-z0-9+-.` at the start, at least two of them and then `:`, are the
    /// scheme; everything else is a local path. `C:\x` and `a:b` are therefore paths.
    pub fn parse(text: &str) -> Self {
        let taken =
            text.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')).count();
        if taken >= 2 && text.as_bytes().get(taken) == Some(&b':') {
            let scheme = &text[..taken];
            let rest = &text[taken + 1..];
            let rest = rest.strip_prefix("//").unwrap_or(rest);
            if scheme != rest {
                return Self { scheme: scheme.to_owned(), rest: rest.to_owned() };
            }
        }
        Self { scheme: "fs".to_owned(), rest: text.to_owned() }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_and_paths() {
        for (text, scheme, rest) in [
            ("/a/b", "fs", "/a/b"),
            ("fs:rel", "fs", "rel"),
            ("fs:///abs", "fs", "/abs"),
            ("sftp://h:/p", "sftp", "h:/p"),
            ("sftp:h/p", "sftp", "h/p"),
            ("C:\\x", "fs", "C:\\x"),
            ("a:b", "fs", "a:b"),
            ("", "fs", ""),
            ("XX:XX", "fs", "XX:XX"),
        ] {
            let found = Location::parse(text);
            assert_eq!((found.scheme.as_str(), found.rest.as_str()), (scheme, rest), "{text}");
        }
    }
}
