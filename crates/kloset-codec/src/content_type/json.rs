//! JSON, whole or cut off, and JSON line by line.

use super::Head;

/// Deeper nesting than this is not looked into.
const DEPTH_MAX: u32 = 128;

/// The type of text whose first visible character is `{` or `[`.
pub(super) fn detect(head: Head<'_>) -> Option<&'static str> {
    match Scanner::document(head.bytes) {
        Ok(()) => return Some("application/json"),
        Err(Stop::OutOfInput) if head.cut_off => return Some("application/json"),
        Err(_) => {}
    }
    is_json_lines(head).then_some("application/x-ndjson")
}

/// Whether there are two lines or more and each holds a document.
fn is_json_lines(head: Head<'_>) -> bool {
    let mut lines = 0;
    for line in head.whole_lines().split(|&b| b == b'\n') {
        if line.trim_ascii().is_empty() {
            continue;
        }
        if Scanner::document(line).is_err() {
            return false;
        }
        lines += 1;
    }
    lines > 1
}

/// Why a document does not end well.
enum Stop {
    OutOfInput,
    Invalid,
}

/// Walks through a document without keeping anything of it.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    /// One value with nothing but white space around it.
    fn document(bytes: &[u8]) -> Result<(), Stop> {
        let mut scanner = Scanner { rest: bytes };
        scanner.value(0)?;
        scanner.skip_space();
        if scanner.rest.is_empty() { Ok(()) } else { Err(Stop::Invalid) }
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn next(&mut self) -> Result<u8, Stop> {
        let (&byte, rest) = self.rest.split_first().ok_or(Stop::OutOfInput)?;
        self.rest = rest;
        Ok(byte)
    }

    fn next_visible(&mut self) -> Result<u8, Stop> {
        self.skip_space();
        self.next()
    }

    fn value(&mut self, depth: u32) -> Result<(), Stop> {
        if depth > DEPTH_MAX {
            return Err(Stop::Invalid);
        }
        match self.next_visible()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string(),
            b't' => self.word(b"rue"),
            b'f' => self.word(b"alse"),
            b'n' => self.word(b"ull"),
            digit @ (b'-' | b'0'..=b'9') => self.number(digit),
            _ => Err(Stop::Invalid),
        }
    }

    fn object(&mut self, depth: u32) -> Result<(), Stop> {
        let mut first = true;
        loop {
            match self.next_visible()? {
                b'}' if first => return Ok(()),
                b'"' => self.string()?,
                _ => return Err(Stop::Invalid),
            }
            if self.next_visible()? != b':' {
                return Err(Stop::Invalid);
            }
            self.value(depth + 1)?;
            match self.next_visible()? {
                b',' => first = false,
                b'}' => return Ok(()),
                _ => return Err(Stop::Invalid),
            }
        }
    }

    fn array(&mut self, depth: u32) -> Result<(), Stop> {
        self.skip_space();
        if let [b']', rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            match self.next_visible()? {
                b',' => {}
                b']' => return Ok(()),
                _ => return Err(Stop::Invalid),
            }
        }
    }

    fn string(&mut self) -> Result<(), Stop> {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        for _ in 0..4 {
                            if !self.next()?.is_ascii_hexdigit() {
                                return Err(Stop::Invalid);
                            }
                        }
                    }
                    _ => return Err(Stop::Invalid),
                },
                0..0x20 => return Err(Stop::Invalid),
                _ => {}
            }
        }
    }

    fn word(&mut self, letters: &[u8]) -> Result<(), Stop> {
        for &letter in letters {
            if self.next()? != letter {
                return Err(Stop::Invalid);
            }
        }
        Ok(())
    }

    fn number(&mut self, first: u8) -> Result<(), Stop> {
        let first = if first == b'-' { self.next()? } else { first };
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return Err(Stop::Invalid),
        }
        if let [b'.', rest @ ..] = self.rest {
            self.rest = rest;
            self.some_digits()?;
        }
        if let [b'e' | b'E', rest @ ..] = self.rest {
            self.rest = rest;
            if let [b'+' | b'-', rest @ ..] = self.rest {
                self.rest = rest;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Result<(), Stop> {
        if !self.next()?.is_ascii_digit() {
            return Err(Stop::Invalid);
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while let [b'0'..=b'9', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }
}
