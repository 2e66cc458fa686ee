//! Colours for `cat -highlight` and `diff -highlight`.

use syntect::easy::HighlightLines;
use syntect::highlighting::{Theme, ThemeSet};
use syntect::parsing::{SyntaxReference, SyntaxSet};
use syntect::util::{LinesWithEndings, as_24_bit_terminal_escaped};

/// Longer texts stay plain: nobody reads their colours, and parsing takes its time.
pub const TEXT_BYTES_MAX: u64 = 1 << 20;

/// The theme, one that is readable on dark and on light terminals alike.
const THEME: &str = "base16-ocean.dark";

/// Turns text into text with terminal colours.
pub struct Highlighter {
    syntaxes: SyntaxSet,
    theme: Theme,
}

impl Highlighter {
    /// Loads the syntaxes; takes some ten milliseconds.
    pub fn new() -> Self {
        let mut themes = ThemeSet::load_defaults();
        let theme = themes.themes.remove(THEME).unwrap_or_default();
        Self { syntaxes: SyntaxSet::load_defaults_newlines(), theme }
    }

    /// A file, by its name and its first line; `None` if its language is not known or it is no text.
    pub fn file(&self, name: &[u8], content: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(content).ok()?;
        let name = std::str::from_utf8(name).ok()?;
        let name = name.rsplit('/').next().unwrap_or(name);
        let extension = name.rsplit_once('.').map_or(name, |(_, extension)| extension);
        let syntax = self
            .syntaxes
            .find_syntax_by_extension(name)
            .or_else(|| self.syntaxes.find_syntax_by_extension(extension))
            .or_else(|| self.syntaxes.find_syntax_by_first_line(text))?;
        self.coloured(syntax, text)
    }

    /// A unified diff.
    pub fn diff(&self, content: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(content).ok()?;
        self.coloured(self.syntaxes.find_syntax_by_name("Diff")?, text)
    }

    fn coloured(&self, syntax: &SyntaxReference, text: &str) -> Option<String> {
        if text.len() as u64 > TEXT_BYTES_MAX {
            return None;
        }
        let mut lines = HighlightLines::new(syntax, &self.theme);
        let mut out = String::with_capacity(text.len() * 2);
        for line in LinesWithEndings::from(text) {
            let parts = lines.highlight_line(line, &self.syntaxes).ok()?;
            // The line feed comes after the reset, so that no colour runs into the next line.
            let ending = if line.ends_with('\n') { "\n" } else { "" };
            let escaped = as_24_bit_terminal_escaped(&parts, false);
            out.push_str(escaped.strip_suffix('\n').unwrap_or(&escaped));
            out.push_str("\x1b[0m");
            out.push_str(ending);
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(coloured: &str) -> String {
        let mut out = String::new();
        let mut rest = coloured;
        while let Some((before, after)) = rest.split_once('\x1b') {
            out.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        out + rest
    }

    #[test]
    fn colours_leave_the_text_as_it_is() {
        let highlighter = Highlighter::new();
        let text = "fn main() {\n    // done\n}";
        let coloured = highlighter.file(b"/src/main.rs", text.as_bytes()).unwrap();
        assert!(coloured.contains("\x1b[38;2;"), "{coloured:?}");
        assert_eq!(plain(&coloured), text);
        assert_eq!(coloured.lines().count(), 3);
        let script = highlighter.file(b"/bin/run", b"#!/bin/bash\necho x\n").unwrap();
        assert_eq!(plain(&script), "#!/bin/bash\necho x\n");
        let diff = "--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\n";
        assert_eq!(plain(&highlighter.diff(diff.as_bytes()).unwrap()), diff);
    }

    #[test]
    fn what_is_no_text_of_a_known_language_stays() {
        let highlighter = Highlighter::new();
        assert_eq!(highlighter.file(b"/x.rs", b"\xff\xfe"), None);
        assert_eq!(highlighter.file(b"/x.nosuchlanguage", b"text"), None);
        let long = vec![b'a'; TEXT_BYTES_MAX as usize + 1];
        assert_eq!(highlighter.file(b"/x.rs", &long), None);
    }
}
