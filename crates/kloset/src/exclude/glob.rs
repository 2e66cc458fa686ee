//! Gitignore globs: a pattern cut at its slashes, each part matched against one component.

use std::fmt;

/// One component of a pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `**`: any number of components, none included.
    AnyDepth,
    /// A pattern for exactly one component.
    Name(Vec<Token>),
}

/// One step of a pattern for a component.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// This byte.
    Byte(u8),
    /// `?`: one character, or one byte where the name is not UTF-8.
    One,
    /// `*`: any run of bytes.
    Run,
    /// `[…]`: one character of these ranges, or of all others.
    Class { negated: bool, ranges: Vec<(char, char)> },
}

/// Why a pattern cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PatternFault {
    /// `[` without its `]`.
    OpenClass,
    /// A class name between `[:` and `:]` that does not exist.
    UnknownClass(String),
    /// A backslash at the end.
    LoneEscape,
}

impl fmt::Display for PatternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenClass => f.write_str("'[' without ']'"),
            Self::UnknownClass(name) => write!(f, "no character class is called {name:?}"),
            Self::LoneEscape => f.write_str("nothing follows the backslash"),
        }
    }
}

impl Part {
    /// Whether this part matches one component.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        match self {
            Self::AnyDepth => true,
            Self::Name(tokens) => matches_name(tokens, name),
        }
    }

    /// Whether this is `**`.
    pub(super) fn is_any_depth(&self) -> bool {
        matches!(self, Self::AnyDepth)
    }

    /// Whether this part has no wildcard and spells `name`.
    pub(super) fn is_literally(&self, name: &[u8]) -> bool {
        matches!(self, Self::Name(tokens) if tokens.len() == name.len()
            && tokens.iter().zip(name).all(|(token, byte)| *token == Token::Byte(*byte)))
    }
}

/// Cuts a pattern into parts. A leading slash only anchors, which the caller has seen.
pub(super) fn parse(pattern: &str) -> Result<Vec<Part>, PatternFault> {
    let mut parts = Vec::new();
    for piece in pattern.split('/') {
        if piece.is_empty() {
            continue;
        }
        if piece == "**" {
            if parts.last() != Some(&Part::AnyDepth) {
                parts.push(Part::AnyDepth);
            }
        } else {
            parts.push(Part::Name(parse_name(piece)?));
        }
    }
    if parts.len() > 1 && parts.last() == Some(&Part::AnyDepth) {
        // `a/**` is everything inside `a`, not `a` itself.
        parts.push(Part::Name(vec![Token::Run]));
    }
    Ok(parts)
}

fn parse_name(piece: &str) -> Result<Vec<Token>, PatternFault> {
    let mut tokens = Vec::new();
    let mut chars = piece.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => {
                if tokens.last() != Some(&Token::Run) {
                    tokens.push(Token::Run);
                }
            }
            '?' => tokens.push(Token::One),
            '[' => {
                let (token, rest) = parse_class(chars.as_str())?;
                tokens.push(token);
                chars = rest.chars();
            }
            '\\' => push_char(&mut tokens, chars.next().ok_or(PatternFault::LoneEscape)?),
            other => push_char(&mut tokens, other),
        }
    }
    Ok(tokens)
}

fn push_char(tokens: &mut Vec<Token>, c: char) {
    let mut buffer = [0u8; 4];
    tokens.extend(c.encode_utf8(&mut buffer).bytes().map(Token::Byte));
}

/// Reads a class from after its `[`; returns it and what follows its `]`.
fn parse_class(text: &str) -> Result<(Token, &str), PatternFault> {
    let negated = text.starts_with(['!', '^']);
    let mut rest = if negated { &text[1..] } else { text };
    let mut ranges = Vec::new();
    let mut first = true;
    loop {
        if let Some(after) = rest.strip_prefix(']').filter(|_| !first) {
            return Ok((Token::Class { negated, ranges }, after));
        }
        first = false;
        if let Some(named) = rest.strip_prefix("[:") {
            let end = named.find(":]").ok_or(PatternFault::OpenClass)?;
            let (name, after) = (&named[..end], &named[end + 2..]);
            ranges.extend_from_slice(
                named_class(name).ok_or_else(|| PatternFault::UnknownClass(name.to_owned()))?,
            );
            rest = after;
            continue;
        }
        let (low, after) = class_char(rest)?;
        rest = after;
        let high = match rest.strip_prefix('-') {
            Some(after) if !after.starts_with(']') => {
                let (high, after) = class_char(after)?;
                rest = after;
                high
            }
            _ => low,
        };
        ranges.push((low, high));
    }
}

fn class_char(text: &str) -> Result<(char, &str), PatternFault> {
    let mut chars = text.chars();
    match chars.next().ok_or(PatternFault::OpenClass)? {
        '\\' => Ok((chars.next().ok_or(PatternFault::LoneEscape)?, chars.as_str())),
        c => Ok((c, chars.as_str())),
    }
}

fn named_class(name: &str) -> Option<&'static [(char, char)]> {
    Some(match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "blank" => &[(' ', ' '), ('\t', '\t')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[(' ', ' '), ('\t', '\r')],
        "upper" => &[('A', 'Z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    })
}

/// Whether the parts match all components of a path.
///
/// Greedy with one way back: on a mismatch the last `**` takes one component more, which is enough
/// because an earlier `**` could only have taken what the later one can take too.
pub(super) fn matches_path(parts: &[Part], names: &[&[u8]]) -> bool {
    let (mut part, mut name) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match parts.get(part) {
            Some(Part::AnyDepth) => {
                retry = Some((part, name));
                part += 1;
                continue;
            }
            Some(Part::Name(tokens))
                if names.get(name).is_some_and(|candidate| matches_name(tokens, candidate)) =>
            {
                part += 1;
                name += 1;
                continue;
            }
            Some(Part::Name(_)) => {}
            None if name == names.len() => return true,
            None => {}
        }
        match retry {
            Some((back, taken)) if taken < names.len() => {
                retry = Some((back, taken + 1));
                part = back + 1;
                name = taken + 1;
            }
            _ => return false,
        }
    }
}

/// Whether the tokens match the whole name; same way back as [`matches_path`], for `*`.
fn matches_name(tokens: &[Token], name: &[u8]) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = match tokens.get(token) {
            Some(Token::Run) => {
                retry = Some((token, at));
                token += 1;
                continue;
            }
            Some(Token::Byte(byte)) => (name.get(at) == Some(byte)).then_some(1),
            Some(Token::One) => next_char(name, at).map(|(_, length)| length),
            Some(Token::Class { negated, ranges }) => next_char(name, at).and_then(|(c, length)| {
                let inside = c.is_some_and(|c| ranges.iter().any(|&(low, high)| low <= c && c <= high));
                (inside != *negated).then_some(length)
            }),
            None if at == name.len() => return true,
            None => None,
        };
        if let Some(length) = step {
            token += 1;
            at += length;
            continue;
        }
        match retry {
            Some((back, taken)) if taken < name.len() => {
                retry = Some((back, taken + 1));
                token = back + 1;
                at = taken + 1;
            }
            _ => return false,
        }
    }
}

/// The character at `at` and its length; a byte that starts no character counts as one.
fn next_char(name: &[u8], at: usize) -> Option<(Option<char>, usize)> {
    let rest = name.get(at..).filter(|rest| !rest.is_empty())?;
    let window = &rest[..rest.len().min(4)];
    let valid = match std::str::from_utf8(window) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&window[..error.valid_up_to()]).unwrap_or_default(),
    };
    match valid.chars().next() {
        Some(c) => Some((Some(c), c.len_utf8())),
        None => Some((None, 1)),
    }
}
