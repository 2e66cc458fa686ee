//! Tar as POSIX has it: ustar headers, and pax records for what does not fit in them.

use std::collections::HashMap;
use std::io::{self, Write};

use kloset_format::FileInfo;

use super::{Item, Special, wrong_size};

const BLOCK_BYTES: usize = 512;
/// Largest number of a size field: eleven octal digits.
const SIZE_MAX: u64 = 0o77_777_777_777;
/// Largest number of an owner field: seven octal digits.
const OWNER_MAX: u64 = 0o7_777_777;
const NAME_BYTES_MAX: usize = 100;
const PREFIX_BYTES_MAX: usize = 155;
const OWNER_NAME_BYTES_MAX: usize = 31;

/// A tar file being written.
pub struct Tar<W: Write> {
    out: W,
    /// Names of files with several links, by device and inode.
    links: HashMap<(u64, u64), Vec<u8>>,
}

/// The content of one file.
pub struct Content<'a, W: Write> {
    out: &'a mut W,
    left: u64,
    size: u64,
}

impl<W: Write> Tar<W> {
    pub fn new(out: W) -> Self {
        Self { out, links: HashMap::new() }
    }

    pub fn special(&mut self, item: &Item<'_>, special: &Special<'_>) -> io::Result<()> {
        match special {
            Special::Directory => {
                let name = [item.name, b"/"].concat();
                self.header(&Item { name: &name, ..*item }, b'5', 0, b"")
            }
            Special::Symlink(target) => self.header(item, b'2', 0, target),
            Special::Pipe => self.header(item, b'6', 0, b""),
        }
    }

    pub fn file(&mut self, item: &Item<'_>) -> io::Result<Option<Content<'_, W>>> {
        let info = item.info;
        if info.nlink > 1 && info.ino != 0 {
            if let Some(first) = self.links.get(&(info.dev, info.ino)).cloned() {
                self.header(item, b'1', 0, &first)?;
                return Ok(None);
            }
            self.links.insert((info.dev, info.ino), item.name.to_vec());
        }
        let size = u64::try_from(info.size).unwrap_or(0);
        self.header(item, b'0', size, b"")?;
        Ok(Some(Content { out: &mut self.out, left: size, size }))
    }

    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; BLOCK_BYTES * 2])?;
        Ok(self.out)
    }

    fn header(&mut self, item: &Item<'_>, kind: u8, size: u64, link: &[u8]) -> io::Result<()> {
        let records = records(item, size, link);
        if !records.is_empty() {
            let info = FileInfo { name: Vec::new(), ..item.info.clone() };
            let name = b"PaxHeaders/entry".as_slice();
            let block = ustar(name, &info, b'x', records.len() as u64, b"");
            self.out.write_all(&block)?;
            self.out.write_all(&records)?;
            self.out.write_all(padding(records.len() as u64))?;
        }
        self.out.write_all(&ustar(item.name, item.info, kind, size, link))
    }
}

impl<W: Write> Content<'_, W> {
    pub fn end(self) -> io::Result<()> {
        if self.left > 0 {
            return Err(wrong_size());
        }
        self.out.write_all(padding(self.size))
    }
}

impl<W: Write> Write for Content<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(wrong_size)?;
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Zeros up to the next block.
fn padding(size: u64) -> &'static [u8] {
    static ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];
    let over = (size % BLOCK_BYTES as u64) as usize;
    if over == 0 { &[] } else { ZEROS.get(over..).unwrap_or_default() }
}

/// Where a name is cut into prefix and name, if it fits at all.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME_BYTES_MAX {
        return Some((b"", name));
    }
    let cuts = name.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let cut = cuts.map(|(at, _)| at).find(|&at| at > 0 && name.len() - at - 1 <= NAME_BYTES_MAX)?;
    let (prefix, rest) = name.split_at(cut);
    let rest = rest.get(1..).unwrap_or_default();
    (prefix.len() <= PREFIX_BYTES_MAX && !rest.is_empty()).then_some((prefix, rest))
}

/// The pax records of an item; empty if its header says everything.
fn records(item: &Item<'_>, size: u64, link: &[u8]) -> Vec<u8> {
    let info = item.info;
    let mut out = Vec::new();
    let texts = [item.name, link, &info.username, &info.groupname];
    let mut add = |key: &[u8], value: &[u8]| put_record(&mut out, key, value);
    if texts.iter().any(|text| std::str::from_utf8(text).is_err()) {
        add(b"hdrcharset", b"BINARY");
    }
    if split(item.name).is_none() || !item.name.is_ascii() {
        add(b"path", item.name);
    }
    if link.len() > NAME_BYTES_MAX || !link.is_ascii() {
        add(b"linkpath", link);
    }
    let time = info.mod_time;
    if time.nanoseconds != 0 || !(0..=SIZE_MAX as i64).contains(&time.seconds) {
        add(b"mtime", decimal(time.seconds, time.nanoseconds).as_bytes());
    }
    if size > SIZE_MAX {
        add(b"size", size.to_string().as_bytes());
    }
    for (key, number) in [(b"uid", info.uid), (b"gid", info.gid)] {
        if number > OWNER_MAX {
            add(key, number.to_string().as_bytes());
        }
    }
    for (key, name) in [(b"uname", &info.username), (b"gname", &info.groupname)] {
        if name.len() > OWNER_NAME_BYTES_MAX || !name.is_ascii() {
            add(key, name);
        }
    }
    for (name, value) in item.xattrs {
        add(&[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    out
}

/// Seconds with a fraction; before 1970 the fraction counts the other way.
fn decimal(seconds: i64, nanoseconds: u32) -> String {
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    let (sign, total) = if total < 0 { ("-", -total) } else { ("", total) };
    let text = format!("{sign}{}.{:09}", total / 1_000_000_000, total % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `LENGTH key=value\n`, where the length counts itself.
fn put_record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} ").as_bytes());
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// A header block; what does not fit is cut, and stands in pax records.
fn ustar(name: &[u8], info: &FileInfo, kind: u8, size: u64, link: &[u8]) -> [u8; BLOCK_BYTES] {
    let mut block = [0u8; BLOCK_BYTES];
    let (prefix, name) = split(name).unwrap_or((b"", name));
    let mut put = |at: usize, width: usize, bytes: &[u8]| {
        let length = bytes.len().min(width);
        if let (Some(field), Some(bytes)) = (block.get_mut(at..at + length), bytes.get(..length)) {
            field.copy_from_slice(bytes);
        }
    };
    let octal = |number: u64, digits: usize| format!("{number:0digits$o}\0").into_bytes();
    put(0, NAME_BYTES_MAX, name);
    put(100, 8, &octal(u64::from(info.mode.unix_permissions()), 7));
    put(108, 8, &octal(if info.uid > OWNER_MAX { 0 } else { info.uid }, 7));
    put(116, 8, &octal(if info.gid > OWNER_MAX { 0 } else { info.gid }, 7));
    put(124, 12, &octal(if size > SIZE_MAX { 0 } else { size }, 11));
    let seconds = u64::try_from(info.mod_time.seconds).unwrap_or(0).min(SIZE_MAX);
    put(136, 12, &octal(seconds, 11));
    put(148, 8, b"        ");
    put(156, 1, &[kind]);
    put(157, NAME_BYTES_MAX, link);
    put(257, 8, b"ustar\x0000");
    put(265, OWNER_NAME_BYTES_MAX, &info.username);
    put(297, OWNER_NAME_BYTES_MAX, &info.groupname);
    put(329, 8, &octal(0, 7));
    put(337, 8, &octal(0, 7));
    put(345, PREFIX_BYTES_MAX, prefix);
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    if let Some(field) = block.get_mut(148..156) {
        field.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_their_own_length() {
        for length in [1usize, 80, 88, 89, 90, 91, 985, 990, 991] {
            let mut out = Vec::new();
            put_record(&mut out, b"k", &vec![b'v'; length]);
            let text = String::from_utf8(out.clone()).unwrap();
            let (number, _) = text.split_once(' ').unwrap();
            assert_eq!(number.parse::<usize>().unwrap(), out.len());
        }
    }

    #[test]
    fn long_names_are_cut_at_a_slash_or_not_at_all() {
        let long = [vec![b'a'; 90], vec![b'/'], vec![b'b'; 90]].concat();
        assert_eq!(split(&long).unwrap(), (&long[..90], &long[91..]));
        assert_eq!(split(&[b'a'; 101]), None);
        assert_eq!(split(&[vec![b'a'; 200], vec![b'/'], vec![b'b'; 20]].concat()), None);
    }

    #[test]
    fn times_before_1970_count_backwards() {
        assert_eq!(decimal(-1, 250_000_000), "-0.75");
        assert_eq!(decimal(5, 0), "5");
        assert_eq!(decimal(5, 1), "5.000000001");
    }
}
