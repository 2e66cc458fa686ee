//! A reader that trusts nothing: neither lengths nor nesting nor types.

use crate::{DecodeError, Text, Timestamp};

/// Deepest nesting of lists and maps that is read.
pub const DEPTH_MAX: u32 = 32;

/// Reads values one after the other from a slice.
///
/// Every method takes the name of the field for its error. Nil stands for the zero value of
/// whatever is asked for.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    resource: &'static str,
    bytes: &'a [u8],
    rest: &'a [u8],
    depth: u32,
}

enum Token<'a> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bytes(&'a [u8]),
    List(usize),
    Map(usize),
    Extension(u8, &'a [u8]),
}

impl Token<'_> {
    fn describe(&self) -> String {
        match self {
            Self::Nil => "nil".into(),
            Self::Bool(value) => value.to_string(),
            Self::Unsigned(value) => value.to_string(),
            Self::Signed(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Bytes(value) => format!("a string of {} bytes", value.len()),
            Self::List(length) => format!("a list of {length} items"),
            Self::Map(length) => format!("a map of {length} keys"),
            Self::Extension(kind, _) => format!("extension {}", *kind as i8),
        }
    }
}

impl<'a> Reader<'a> {
    /// Starts at the first byte; `resource` names the record in errors.
    pub fn new(resource: &'static str, bytes: &'a [u8]) -> Self {
        Self { resource, bytes, rest: bytes, depth: 0 }
    }

    /// Position of the next value.
    pub fn offset(&self) -> usize {
        self.bytes.len() - self.rest.len()
    }

    /// Makes an error that points at the current position.
    #[cold]
    pub fn error(
        &self,
        field: &'static str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> DecodeError {
        DecodeError::new(self.resource, field, self.offset(), expected, found)
    }

    /// Ends the record: nothing may follow its value.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.error("end", "end of record", format!("{} more bytes", self.rest.len())))
    }

    /// Reads an unsigned integer of any width.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let start = self.clone();
        match self.token(field)? {
            Token::Nil => Ok(0),
            Token::Unsigned(value) => Ok(value),
            other => Err(start.error(field, "an unsigned integer", other.describe())),
        }
    }

    fn unsigned<T: TryFrom<u64>>(&mut self, field: &'static str, bits: u32) -> Result<T, DecodeError> {
        let start = self.clone();
        let value = self.u64(field)?;
        T::try_from(value)
            .map_err(|_| start.error(field, format!("an integer of {bits} bits"), value.to_string()))
    }

    /// Reads an unsigned integer that fits 32 bits.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.unsigned(field, 32)
    }

    /// Reads an unsigned integer that fits 16 bits.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.unsigned(field, 16)
    }

    /// Reads an unsigned integer that fits 8 bits.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.unsigned(field, 8)
    }

    /// Reads a signed integer of any width.
    pub fn i64(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        let start = self.clone();
        match self.token(field)? {
            Token::Nil => Ok(0),
            Token::Signed(value) => Ok(value),
            Token::Unsigned(value) => i64::try_from(value)
                .map_err(|_| start.error(field, "a signed integer of 64 bits", value.to_string())),
            other => Err(start.error(field, "an integer", other.describe())),
        }
    }

    /// Reads a floating-point number; integers are taken too.
    pub fn f64(&mut self, field: &'static str) -> Result<f64, DecodeError> {
        let start = self.clone();
        match self.token(field)? {
            Token::Nil => Ok(0.0),
            Token::Float(value) => Ok(value),
            Token::Unsigned(value) => Ok(value as f64),
            Token::Signed(value) => Ok(value as f64),
            other => Err(start.error(field, "a number", other.describe())),
        }
    }

    /// Reads a boolean.
    pub fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        let start = self.clone();
        match self.token(field)? {
            Token::Nil => Ok(false),
            Token::Bool(value) => Ok(value),
            other => Err(start.error(field, "a boolean", other.describe())),
        }
    }

    /// Reads a string or byte string, `None` for nil.
    pub fn optional_bytes(&mut self, field: &'static str) -> Result<Option<&'a [u8]>, DecodeError> {
        let start = self.clone();
        match self.token(field)? {
            Token::Nil => Ok(None),
            Token::Bytes(value) => Ok(Some(value)),
            other => Err(start.error(field, "a string", other.describe())),
        }
    }

    /// Reads a string or byte string without copying it.
    pub fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        Ok(self.optional_bytes(field)?.unwrap_or_default())
    }

    /// Reads a string or byte string.
    pub fn vec(&mut self, field: &'static str) -> Result<Vec<u8>, DecodeError> {
        Ok(self.bytes(field)?.to_vec())
    }

    /// Reads a text, byte for byte.
    pub fn text(&mut self, field: &'static str) -> Result<Text, DecodeError> {
        Ok(Text(self.vec(field)?))
    }

    /// Reads a text that is only shown or compared with known words: bytes that are not UTF-8
    /// become replacement characters.
    pub fn string(&mut self, field: &'static str) -> Result<String, DecodeError> {
        Ok(String::from_utf8_lossy(self.bytes(field)?).into_owned())
    }

    /// Reads a byte string of exactly `N` bytes; nil is all zero.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let start = self.clone();
        match self.optional_bytes(field)? {
            None => Ok([0; N]),
            Some(value) => value
                .try_into()
                .map_err(|_| start.error(field, format!("{N} bytes"), format!("{} bytes", value.len()))),
        }
    }

    /// Reads a 32-byte identifier.
    pub fn id<T: From<[u8; 32]>>(&mut self, field: &'static str) -> Result<T, DecodeError> {
        Ok(T::from(self.array::<32>(field)?))
    }

    /// Reads a time in any of the three timestamp forms.
    pub fn time(&mut self, field: &'static str) -> Result<Timestamp, DecodeError> {
        let start = self.clone();
        let token = self.token(field)?;
        let time = match &token {
            Token::Nil => Some(Timestamp::UNSET),
            Token::Extension(0xff, body) => time_from_extension(body),
            _ => None,
        };
        match time {
            Some(time) if time.nanoseconds < 1_000_000_000 => Ok(time),
            _ => Err(start.error(field, "a timestamp", token.describe())),
        }
    }

    /// Consumes a nil if there is one.
    pub fn take_nil(&mut self) -> bool {
        match self.rest.split_first() {
            Some((0xc0, rest)) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Reads a map and hands each key to `value`, which must read or skip exactly one value.
    pub fn map(
        &mut self,
        field: &'static str,
        mut value: impl FnMut(&mut Self, &'a [u8]) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let start = self.clone();
        let length = match self.token(field)? {
            Token::Nil => return Ok(()),
            Token::Map(length) => length,
            other => return Err(start.error(field, "a map", other.describe())),
        };
        self.enter(field)?;
        for _ in 0..length {
            let at = self.clone();
            let Some(key) = self.optional_bytes(field)? else {
                return Err(at.error(field, "a string key", "nil"));
            };
            value(self, key)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads a list whose items take at least `item_bytes_min` bytes each.
    ///
    /// The minimum keeps a list of one-byte items from growing to many times the input.
    pub fn list<T>(
        &mut self,
        field: &'static str,
        item_bytes_min: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let start = self.clone();
        let length = match self.token(field)? {
            Token::Nil => return Ok(Vec::new()),
            Token::List(length) => length,
            other => return Err(start.error(field, "a list", other.describe())),
        };
        if length.saturating_mul(item_bytes_min) > self.rest.len() {
            return Err(start.error(
                field,
                format!("items of at least {item_bytes_min} bytes"),
                format!("{length} items in {} bytes", self.rest.len()),
            ));
        }
        self.enter(field)?;
        let mut items = Vec::with_capacity(length);
        for _ in 0..length {
            items.push(item(self)?);
        }
        self.depth -= 1;
        Ok(items)
    }

    /// Reads a list of strings.
    pub fn vec_list(&mut self, field: &'static str) -> Result<Vec<Vec<u8>>, DecodeError> {
        self.list(field, 1, |reader| reader.vec(field))
    }

    /// Reads a list of texts.
    pub fn text_list(&mut self, field: &'static str) -> Result<Vec<Text>, DecodeError> {
        self.list(field, 1, |reader| reader.text(field))
    }

    /// Skips one value of any type, the value of a key unknown to this build.
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        let field = "unknown key";
        let items = match self.token(field)? {
            Token::List(length) => length,
            Token::Map(length) => length.saturating_mul(2),
            _ => return Ok(()),
        };
        self.enter(field)?;
        for _ in 0..items {
            self.skip()?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn enter(&mut self, field: &'static str) -> Result<(), DecodeError> {
        if self.depth >= DEPTH_MAX {
            return Err(self.error(field, format!("at most {DEPTH_MAX} levels"), "deeper nesting"));
        }
        self.depth += 1;
        Ok(())
    }

    #[inline]
    fn take<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(*head)
            }
            None => Err(self.missing(field, N)),
        }
    }

    #[cold]
    fn missing(&self, field: &'static str, length: usize) -> DecodeError {
        self.error(field, format!("{length} bytes"), format!("{} bytes", self.rest.len()))
    }

    fn blob(&mut self, field: &'static str, length: usize) -> Result<Token<'a>, DecodeError> {
        match self.rest.split_at_checked(length) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(Token::Bytes(head))
            }
            None => Err(self.missing(field, length)),
        }
    }

    fn extension(&mut self, field: &'static str, length: usize) -> Result<Token<'a>, DecodeError> {
        let [kind] = self.take(field)?;
        match self.blob(field, length)? {
            Token::Bytes(body) => Ok(Token::Extension(kind, body)),
            other => Ok(other),
        }
    }

    /// Every item takes a byte at least, so a longer list cannot be true.
    fn counted(&self, field: &'static str, length: usize, per_item: usize) -> Result<usize, DecodeError> {
        if length.saturating_mul(per_item) > self.rest.len() {
            return Err(self.missing(field, length.saturating_mul(per_item)));
        }
        Ok(length)
    }

    fn list_of(&self, field: &'static str, length: usize) -> Result<Token<'a>, DecodeError> {
        Ok(Token::List(self.counted(field, length, 1)?))
    }

    fn map_of(&self, field: &'static str, length: usize) -> Result<Token<'a>, DecodeError> {
        Ok(Token::Map(self.counted(field, length, 2)?))
    }

    fn length8(&mut self, field: &'static str) -> Result<usize, DecodeError> {
        let [byte] = self.take(field)?;
        Ok(usize::from(byte))
    }

    fn length16(&mut self, field: &'static str) -> Result<usize, DecodeError> {
        Ok(usize::from(u16::from_be_bytes(self.take(field)?)))
    }

    fn length32(&mut self, field: &'static str) -> Result<usize, DecodeError> {
        Ok(u32::from_be_bytes(self.take(field)?) as usize)
    }

    fn signed(value: i64) -> Token<'a> {
        u64::try_from(value).map_or(Token::Signed(value), Token::Unsigned)
    }

    fn token(&mut self, field: &'static str) -> Result<Token<'a>, DecodeError> {
        let [marker] = self.take(field)?;
        Ok(match marker {
            0x00..=0x7f => Token::Unsigned(u64::from(marker)),
            0x80..=0x8f => return self.map_of(field, usize::from(marker & 0x0f)),
            0x90..=0x9f => return self.list_of(field, usize::from(marker & 0x0f)),
            0xa0..=0xbf => return self.blob(field, usize::from(marker & 0x1f)),
            0xc0 => Token::Nil,
            0xc1 => return Err(self.error(field, "a MessagePack value", "the unused marker c1")),
            0xc2 => Token::Bool(false),
            0xc3 => Token::Bool(true),
            0xc4 | 0xd9 => {
                let length = self.length8(field)?;
                return self.blob(field, length);
            }
            0xc5 | 0xda => {
                let length = self.length16(field)?;
                return self.blob(field, length);
            }
            0xc6 | 0xdb => {
                let length = self.length32(field)?;
                return self.blob(field, length);
            }
            0xc7..=0xc9 => {
                let length = match marker {
                    0xc7 => self.length8(field)?,
                    0xc8 => self.length16(field)?,
                    _ => self.length32(field)?,
                };
                return self.extension(field, length);
            }
            0xca => Token::Float(f64::from(f32::from_bits(u32::from_be_bytes(self.take(field)?)))),
            0xcb => Token::Float(f64::from_bits(u64::from_be_bytes(self.take(field)?))),
            0xcc => Token::Unsigned(u64::from(u8::from_be_bytes(self.take(field)?))),
            0xcd => Token::Unsigned(u64::from(u16::from_be_bytes(self.take(field)?))),
            0xce => Token::Unsigned(u64::from(u32::from_be_bytes(self.take(field)?))),
            0xcf => Token::Unsigned(u64::from_be_bytes(self.take(field)?)),
            0xd0 => Self::signed(i64::from(i8::from_be_bytes(self.take(field)?))),
            0xd1 => Self::signed(i64::from(i16::from_be_bytes(self.take(field)?))),
            0xd2 => Self::signed(i64::from(i32::from_be_bytes(self.take(field)?))),
            0xd3 => Self::signed(i64::from_be_bytes(self.take(field)?)),
            0xd4..=0xd8 => return self.extension(field, 1 << (marker - 0xd4)),
            0xdc => {
                let length = self.length16(field)?;
                return self.list_of(field, length);
            }
            0xdd => {
                let length = self.length32(field)?;
                return self.list_of(field, length);
            }
            0xde => {
                let length = self.length16(field)?;
                return self.map_of(field, length);
            }
            0xdf => {
                let length = self.length32(field)?;
                return self.map_of(field, length);
            }
            0xe0..=0xff => Token::Signed(i64::from(marker as i8)),
        })
    }
}

fn time_from_extension(body: &[u8]) -> Option<Timestamp> {
    if let Ok(word) = <[u8; 4]>::try_from(body) {
        return Some(Timestamp { seconds: i64::from(u32::from_be_bytes(word)), nanoseconds: 0 });
    }
    if let Ok(word) = <[u8; 8]>::try_from(body) {
        let word = u64::from_be_bytes(word);
        let seconds = (word & ((1 << 34) - 1)) as i64;
        return Some(Timestamp { seconds, nanoseconds: (word >> 34) as u32 });
    }
    let (nanoseconds, seconds) = body.split_first_chunk::<4>()?;
    let seconds = <[u8; 8]>::try_from(seconds).ok()?;
    Some(Timestamp { seconds: i64::from_be_bytes(seconds), nanoseconds: u32::from_be_bytes(*nanoseconds) })
}
