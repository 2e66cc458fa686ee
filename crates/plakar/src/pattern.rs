//! Shell patterns for single names: `*`, `?`, `[a-z]`, `[^a]`, and `\` before a character that stands
//! for itself. No slash is special: a name has none.

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(Vec<u8>),
    /// `?`
    One,
    /// `*`
    Any,
    /// `[…]`: ranges, and whether they are what is not wanted.
    Class(Vec<(Vec<u8>, Vec<u8>)>, bool),
}

impl Pattern {
    /// Reads a pattern; `None` if it is malformed.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(&first) = rest.first() {
            let after = rest.get(1..)?;
            match first {
                b'*' => {
                    if tokens.last() != Some(&Token::Any) {
                        tokens.push(Token::Any);
                    }
                    rest = after;
                }
                b'?' => {
                    tokens.push(Token::One);
                    rest = after;
                }
                b'[' => {
                    let (class, after) = parse_class(after)?;
                    tokens.push(class);
                    rest = after;
                }
                _ => {
                    let (character, after) = literal(rest)?;
                    tokens.push(Token::Literal(character.to_vec()));
                    rest = after;
                }
            }
        }
        Some(Self(tokens))
    }

    /// Whether a whole name matches.
    pub fn matches(&self, name: &[u8]) -> bool {
        // The last `*` met and where the name stood then: the only place to go back to.
        let mut retry: Option<(usize, &[u8])> = None;
        let (mut at, mut rest) = (0, name);
        loop {
            match self.0.get(at) {
                Some(Token::Any) => {
                    retry = Some((at, rest));
                    at += 1;
                    continue;
                }
                Some(token) => {
                    if let Some(after) = token.take(rest) {
                        (at, rest) = (at + 1, after);
                        continue;
                    }
                }
                None if rest.is_empty() => return true,
                None => {}
            }
            match retry {
                Some((star, from)) if !from.is_empty() => {
                    let shorter = from.get(character_length(from)..).unwrap_or_default();
                    retry = Some((star, shorter));
                    (at, rest) = (star + 1, shorter);
                }
                _ => return false,
            }
        }
    }
}

impl Token {
    /// What is left of a name behind this token, if it fits.
    fn take<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        match self {
            Self::Literal(wanted) => name.strip_prefix(wanted.as_slice()),
            Self::Any => Some(name),
            Self::One | Self::Class(..) => {
                let (character, after) =
                    name.split_at_checked(character_length(name)).filter(|_| !name.is_empty())?;
                match self {
                    Self::Class(ranges, negated) => {
                        let inside = ranges.iter().any(|(low, high)| {
                            let (low, high) = (low.as_slice(), high.as_slice());
                            (low..=high).contains(&character)
                        });
                        (inside != *negated).then_some(after)
                    }
                    _ => Some(after),
                }
            }
        }
    }
}

/// Length of the first character: one of UTF-8, or a single byte that is none. UTF-8 sorts like its
/// characters, so bytes can be compared.
fn character_length(text: &[u8]) -> usize {
    let length = match text.first() {
        None => return 0,
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        Some(_) => return 1,
    };
    if text.get(..length).is_some_and(|bytes| std::str::from_utf8(bytes).is_ok()) { length } else { 1 }
}

/// One character that stands for itself, maybe behind a backslash.
fn literal(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"\\").unwrap_or(text);
    text.split_at_checked(character_length(text)).filter(|(character, _)| !character.is_empty())
}

/// What stands behind `[`.
fn parse_class(text: &[u8]) -> Option<(Token, &[u8])> {
    let (negated, mut rest) = match text.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut ranges = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(b"]")
            && !ranges.is_empty()
        {
            return Some((Token::Class(ranges, negated), after));
        }
        if matches!(rest.first(), Some(b'-' | b']')) {
            return None;
        }
        let (low, after) = literal(rest)?;
        rest = after;
        let mut high = low;
        if let Some(after) = rest.strip_prefix(b"-") {
            if matches!(after.first(), Some(b'-' | b']')) {
                return None;
            }
            (high, rest) = literal(after)?;
        }
        ranges.push((low.to_vec(), high.to_vec()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("*", "", true),
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt.gz", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("?", "é", true),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[à-ü]", "é", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[\\]]", "]", true),
            ("*[0-9]", "run-42", true),
        ] {
            let parsed = Pattern::parse(pattern.as_bytes()).unwrap();
            assert_eq!(parsed.matches(name.as_bytes()), expected, "{pattern} {name}");
        }
        assert!(Pattern::parse(b"?\xff*").unwrap().matches(b"\xfe\xffx"));
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for bad in ["[", "[]", "[a", "[a-", "[-a]", "a\\", "[a-]"] {
            assert_eq!(Pattern::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
