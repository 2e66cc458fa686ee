//! Zip, written as a stream: sizes and checksums follow their contents. Modes, owners and times of
//! Unix stand in the extra fields that Info-ZIP reads.

use std::io::{self, Write};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use kloset_format::FileInfo;

use super::{Item, Special, wrong_size};

/// From here on sizes need eight bytes; contents that deflate makes longer stay below.
const LARGE: u64 = 0xfff0_0000;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Sizes and checksum follow the content; names are UTF-8.
const FLAG_STREAMED: u16 = 1 << 3;
const FLAG_UTF8: u16 = 1 << 11;

/// A zip file being written.
pub struct Zip<W: Write> {
    out: Counted<W>,
    entries: Vec<Central>,
}

struct Counted<W: Write> {
    out: W,
    written: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What the directory at the end says of an entry.
struct Central {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    unix_mode: u32,
    dos_time: u32,
    extra: Vec<u8>,
    offset: u64,
    crc: u32,
    packed: u64,
    size: u64,
}

/// The content of one file.
pub struct Content<'a, W: Write> {
    encoder: DeflateEncoder<&'a mut Counted<W>>,
    entries: &'a mut Vec<Central>,
    central: Central,
    crc: Crc,
    left: u64,
    start: u64,
}

impl<W: Write> Zip<W> {
    pub fn new(out: W) -> Self {
        Self { out: Counted { out, written: 0 }, entries: Vec::new() }
    }

    pub fn special(&mut self, item: &Item<'_>, special: &Special<'_>) -> io::Result<()> {
        let (name, kind, content) = match special {
            Special::Directory => ([item.name, b"/"].concat(), 0o040_000, &b""[..]),
            Special::Symlink(target) => (item.name.to_vec(), 0o120_000, *target),
            Special::Pipe => return Err(io::Error::other("zip has no pipes")),
        };
        let mut central = central(name, item.info, kind, STORED, self.out.written);
        let mut crc = Crc::new();
        crc.update(content);
        central.crc = crc.sum();
        (central.packed, central.size) = (content.len() as u64, content.len() as u64);
        self.out.write_all(&local(&central))?;
        self.out.write_all(content)?;
        self.entries.push(central);
        Ok(())
    }

    pub fn file(&mut self, item: &Item<'_>) -> io::Result<Content<'_, W>> {
        let mut central = central(item.name.to_vec(), item.info, 0o100_000, DEFLATED, self.out.written);
        central.flags |= FLAG_STREAMED;
        central.size = u64::try_from(item.info.size).unwrap_or(0);
        self.out.write_all(&local(&central))?;
        let (left, start) = (central.size, self.out.written);
        let encoder = DeflateEncoder::new(&mut self.out, Compression::default());
        Ok(Content { encoder, entries: &mut self.entries, central, crc: Crc::new(), left, start })
    }

    pub fn finish(mut self) -> io::Result<W> {
        let start = self.out.written;
        for entry in &self.entries {
            self.out.write_all(&directory_entry(entry))?;
        }
        let bytes = self.out.written - start;
        let count = self.entries.len() as u64;
        let end = end_of_directory(count, start, bytes, self.out.written);
        self.out.write_all(&end)?;
        Ok(self.out.out)
    }
}

impl<W: Write> Content<'_, W> {
    pub fn end(self) -> io::Result<()> {
        if self.left > 0 {
            return Err(wrong_size());
        }
        let mut central = self.central;
        let out = self.encoder.finish()?;
        central.crc = self.crc.sum();
        central.packed = out.written - self.start;
        let mut descriptor = Fields::default();
        descriptor.u32(0x0807_4b50).u32(central.crc);
        if central.size >= LARGE {
            descriptor.u64(central.packed).u64(central.size);
        } else {
            descriptor.u32(central.packed as u32).u32(central.size as u32);
        }
        out.write_all(&descriptor.0)?;
        self.entries.push(central);
        Ok(())
    }
}

impl<W: Write> Write for Content<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(wrong_size)?;
        self.crc.update(bytes);
        self.encoder.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Little-endian fields one after the other.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

fn central(name: Vec<u8>, info: &FileInfo, kind: u32, method: u16, offset: u64) -> Central {
    let flags = if std::str::from_utf8(&name).is_ok() { FLAG_UTF8 } else { 0 };
    let mut extra = Fields::default();
    if let Ok(seconds) = i32::try_from(info.mod_time.seconds) {
        extra.u16(0x5455).u16(5).bytes(&[1]).u32(seconds as u32);
    }
    let owner = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    extra.u16(0x7875).u16(11).bytes(&[1, 4]).u32(owner(info.uid)).bytes(&[4]).u32(owner(info.gid));
    Central {
        name,
        flags,
        method,
        unix_mode: kind | info.mode.unix_permissions(),
        dos_time: dos_time(info.mod_time.seconds),
        extra: extra.0,
        offset,
        crc: 0,
        packed: 0,
        size: 0,
    }
}

/// Date and time of DOS, UTC, two seconds exact, from 1980 on.
fn dos_time(seconds: i64) -> u32 {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let time = time.to_zoned(jiff::tz::TimeZone::UTC);
    let year = u32::try_from(time.year()).unwrap_or(0);
    if !(1980..=2107).contains(&year) {
        return (1 << 21) | (1 << 16);
    }
    let part = |value: i8| u32::from(value.unsigned_abs());
    ((year - 1980) << 25)
        | (part(time.month()) << 21)
        | (part(time.day()) << 16)
        | (part(time.hour()) << 11)
        | (part(time.minute()) << 5)
        | (part(time.second()) / 2)
}

fn is_large(entry: &Central) -> bool {
    entry.size >= LARGE
}

fn local(entry: &Central) -> Vec<u8> {
    let streamed = entry.flags & FLAG_STREAMED != 0;
    let mut extra = Fields::default();
    if is_large(entry) {
        extra.u16(1).u16(16).u64(0).u64(0);
    }
    extra.bytes(&entry.extra);
    let known = |value: u64| match (is_large(entry), streamed) {
        (true, _) => u32::MAX,
        (false, true) => 0,
        (false, false) => value as u32,
    };
    let mut out = Fields::default();
    out.u32(0x0403_4b50).u16(if is_large(entry) { 45 } else { 20 }).u16(entry.flags).u16(entry.method);
    out.u32(entry.dos_time).u32(entry.crc).u32(known(entry.packed)).u32(known(entry.size));
    out.u16(entry.name.len() as u16).u16(extra.0.len() as u16).bytes(&entry.name).bytes(&extra.0);
    out.0
}

fn directory_entry(entry: &Central) -> Vec<u8> {
    let far = entry.offset >= u64::from(u32::MAX);
    let large = is_large(entry);
    let mut wide = Fields::default();
    if large {
        wide.u64(entry.size).u64(entry.packed);
    }
    if far {
        wide.u64(entry.offset);
    }
    let mut extra = Fields::default();
    if !wide.0.is_empty() {
        extra.u16(1).u16(wide.0.len() as u16).bytes(&wide.0);
    }
    extra.bytes(&entry.extra);
    let shown = |value: u64| if large { u32::MAX } else { value as u32 };
    let version: u16 = if wide.0.is_empty() { 20 } else { 45 };
    let mut out = Fields::default();
    // Made by Unix: the upper half of the outer attributes is the mode.
    out.u32(0x0201_4b50).u16(3 << 8 | version).u16(version).u16(entry.flags).u16(entry.method);
    out.u32(entry.dos_time).u32(entry.crc).u32(shown(entry.packed)).u32(shown(entry.size));
    out.u16(entry.name.len() as u16).u16(extra.0.len() as u16).u16(0).u16(0).u16(0);
    out.u32(entry.unix_mode << 16).u32(if far { u32::MAX } else { entry.offset as u32 });
    out.bytes(&entry.name).bytes(&extra.0);
    out.0
}

fn end_of_directory(count: u64, start: u64, bytes: u64, at: u64) -> Vec<u8> {
    let mut out = Fields::default();
    let narrow = count < u64::from(u16::MAX) && start < u64::from(u32::MAX) && bytes < u64::from(u32::MAX);
    if !narrow {
        out.u32(0x0606_4b50).u64(44).u16(3 << 8 | 45).u16(45).u32(0).u32(0);
        out.u64(count).u64(count).u64(bytes).u64(start);
        out.u32(0x0706_4b50).u32(0).u64(at).u32(1);
    }
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    let word = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    out.u32(0x0605_4b50).u16(0).u16(0).u16(count).u16(count).u32(word(bytes)).u32(word(start)).u16(0);
    out.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_fit_into_dos_words() {
        assert_eq!(dos_time(0), 1 << 21 | 1 << 16);
        assert_eq!(dos_time(1_700_000_000), 43 << 25 | 11 << 21 | 14 << 16 | 22 << 11 | 13 << 5 | 10);
    }
}
