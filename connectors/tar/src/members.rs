//! The members of an archive, one after the other: headers, and what pax and GNU say in front of them.

use std::io::{self, Read};

use kloset_connector::Xattr;
use tar::{EntryType, Header};

use crate::file::Stream;
use crate::pax;
use crate::sparse::{self, Piece};

const BLOCK_BYTES: u64 = 512;
/// Longest name or target.
const NAME_BYTES_MAX: u64 = 16 << 10;
/// Longest set of pax records: extended attributes of one file are at most a few hundred KiB.
const RECORDS_BYTES_MAX: u64 = 8 << 20;

/// What a member is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Regular,
    Directory,
    HardLink,
    Symlink,
    Character,
    Block,
    Pipe,
}

/// One member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) path: Vec<u8>,
    /// Target of either kind of link.
    pub(crate) link: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) permissions: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) user: Vec<u8>,
    pub(crate) group: Vec<u8>,
    pub(crate) modified: (i64, u32),
    pub(crate) xattrs: Vec<Xattr>,
    /// Size of the content, holes included.
    pub(crate) size: u64,
    /// Where its stored bytes start.
    pub(crate) start: u64,
    /// Runs that are stored; `None`: all of it.
    pub(crate) pieces: Option<Vec<Piece>>,
    /// Why it cannot be stored, if it cannot.
    pub(crate) problem: Option<&'static str>,
    /// It has an access control list in text form, which is not kept.
    pub(crate) has_text_acl: bool,
}

/// Reads members in order.
pub(crate) struct Members {
    stream: Stream,
    /// Where the next header is.
    next: u64,
    /// Records that hold for every member.
    global: Vec<u8>,
}

/// What stands in front of a member and holds for it alone.
#[derive(Default)]
struct Before {
    records: Vec<u8>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    problem: Option<&'static str>,
}

impl Members {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, next: 0, global: Vec::new() }
    }

    /// The next member; `None` behind the mark at the end of the archive.
    ///
    /// Errors: an end of file is a truncated archive, `InvalidData` one that cannot be followed.
    pub(crate) fn next(&mut self) -> io::Result<Option<Member>> {
        let mut before = Before::default();
        loop {
            self.stream.skip(self.next - self.stream.position())?;
            let Some(header) = self.header()? else { return Ok(None) };
            let size = stored_size(&header).ok_or_else(|| self.damaged("a size that is no number"))?;
            self.reserve(size)?;
            match header.entry_type() {
                EntryType::XHeader => before.records = self.bounded(size, RECORDS_BYTES_MAX, &mut before)?,
                EntryType::XGlobalHeader => {
                    let mut unused = Before::default();
                    self.global = self.bounded(size, RECORDS_BYTES_MAX, &mut unused)?;
                }
                EntryType::GNULongName => before.long_name = Some(self.long(size, &mut before)?),
                EntryType::GNULongLink => before.long_link = Some(self.long(size, &mut before)?),
                // The name of the whole archive.
                other if other.as_byte() == b'V' => {}
                _ => return self.member(&header, size, before).map(Some),
            }
        }
    }

    /// Reads on to the end of the file; says whether anything but zeros stands behind the mark.
    pub(crate) fn has_more(&mut self) -> io::Result<bool> {
        let mut buffer = vec![0; 64 << 10];
        let mut more = false;
        loop {
            let read = self.stream.read(&mut buffer)?;
            if read == 0 {
                return Ok(more);
            }
            more = more || buffer.iter().take(read).any(|&byte| byte != 0);
        }
    }

    /// A header with a good checksum; `None` at the mark of the end.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        self.stream.read_exact(header.as_mut_bytes())?;
        if header.as_bytes().iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let sum = |field: std::ops::Range<usize>| -> u32 {
            header
                .as_bytes()
                .iter()
                .enumerate()
                .map(|(at, &byte)| u32::from(if field.contains(&at) { b' ' } else { byte }))
                .sum()
        };
        if header.cksum().ok() != Some(sum(148..156)) {
            return Err(self.damaged("no tar header"));
        }
        self.next = self.stream.position();
        Ok(Some(header))
    }

    /// Moves the place of the next header behind `size` bytes of data.
    fn reserve(&mut self, size: u64) -> io::Result<()> {
        let end = size.checked_next_multiple_of(BLOCK_BYTES).and_then(|size| self.next.checked_add(size));
        self.next = end.ok_or_else(|| self.damaged("a size that no file has"))?;
        Ok(())
    }

    fn damaged(&self, what: &str) -> io::Error {
        let block = self.stream.position().saturating_sub(1) / BLOCK_BYTES;
        io::Error::new(io::ErrorKind::InvalidData, format!("damaged archive: {what} at block {block}"))
    }

    /// Data of a header that describes the next member.
    fn bounded(&mut self, size: u64, size_max: u64, before: &mut Before) -> io::Result<Vec<u8>> {
        if size > size_max {
            before.problem = Some("its names or attributes are too long");
            return Ok(Vec::new());
        }
        let mut bytes = Vec::new();
        if (self.stream.by_ref().take(size).read_to_end(&mut bytes)? as u64) < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }

    fn long(&mut self, size: u64, before: &mut Before) -> io::Result<Vec<u8>> {
        let mut name = self.bounded(size, NAME_BYTES_MAX, before)?;
        while name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }

    fn member(&mut self, header: &Header, size: u64, before: Before) -> io::Result<Member> {
        let mut member = plain_member(header, size);
        member.problem = member.problem.or(before.problem);
        if let Some(name) = before.long_name {
            member.path = name;
        }
        if let Some(link) = before.long_link {
            member.link = link;
        }
        if let Some(gnu) = header.as_gnu().filter(|_| header.entry_type() == EntryType::GNUSparse) {
            let found = sparse::gnu(gnu, &mut self.stream)?;
            // Extension blocks stand before the data.
            let blocks = self.stream.position() - (self.next - size.next_multiple_of(BLOCK_BYTES));
            self.next =
                self.next.checked_add(blocks).ok_or_else(|| self.damaged("a size that no file has"))?;
            member.set_pieces(found, size);
        }
        let mut records = Records { size: None, sparse: Sparse::default() };
        let global = std::mem::take(&mut self.global);
        let applied =
            records.apply(&mut member, &global).and_then(|()| records.apply(&mut member, &before.records));
        self.global = global;
        if let Err(problem) = applied {
            member.problem.get_or_insert(problem);
        }
        let mut stored = size;
        if let Some(real) = records.size.filter(|_| member.kind == Kind::Regular) {
            self.next -= size.next_multiple_of(BLOCK_BYTES);
            self.reserve(real)?;
            (stored, member.size) = (real, real);
        }
        member.start = self.stream.position();
        self.follow_map(&mut member, records.sparse, stored)?;
        // A link's or folder's size says nothing.
        if member.kind != Kind::Regular {
            member.size = 0;
        }
        if member.path.len() as u64 > NAME_BYTES_MAX || member.link.len() as u64 > NAME_BYTES_MAX {
            member.problem.get_or_insert("its name is too long");
        }
        Ok(member)
    }

    /// The holes of a pax sparse file.
    fn follow_map(&mut self, member: &mut Member, map: Sparse, stored: u64) -> io::Result<()> {
        if let Some(name) = &map.name {
            member.path.clone_from(name);
        }
        if map.major == Some(1) && map.size.is_some() {
            let found = sparse::in_data(&mut self.stream, stored)?;
            let taken = found.as_ref().map_or(0, |(_, taken)| *taken);
            member.start = self.stream.position();
            let pieces = found.map(|(pieces, _)| pieces).zip(map.size);
            member.set_pieces(pieces, stored.saturating_sub(taken));
        } else if let Some(size) = map.size {
            member.set_pieces(map.pieces().map(|pieces| (pieces, size)), stored);
        }
        Ok(())
    }
}

impl Member {
    fn set_pieces(&mut self, found: Option<(Vec<Piece>, u64)>, stored: u64) {
        match found {
            Some((pieces, size)) => {
                if let Err(problem) = sparse::check(&pieces, size, stored) {
                    self.problem.get_or_insert(problem);
                }
                self.size = size;
                self.pieces = Some(pieces);
            }
            None => {
                self.problem.get_or_insert("its map of holes cannot be read");
            }
        }
    }
}

/// The bytes of data behind a header; links, folders and the like have none, whatever they say.
fn stored_size(header: &Header) -> Option<u64> {
    match header.entry_type() {
        EntryType::Link
        | EntryType::Symlink
        | EntryType::Char
        | EntryType::Block
        | EntryType::Directory
        | EntryType::Fifo => Some(0),
        _ => header.entry_size().ok(),
    }
}

/// What the header alone says.
fn plain_member(header: &Header, size: u64) -> Member {
    let path = header.path_bytes().into_owned();
    let mut problem = None;
    let kind = match header.entry_type() {
        // Before there was a type for it, folders ended with a slash.
        EntryType::Regular if path.ends_with(b"/") => Kind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::Regular,
        EntryType::Link => Kind::HardLink,
        EntryType::Symlink => Kind::Symlink,
        EntryType::Char => Kind::Character,
        EntryType::Block => Kind::Block,
        EntryType::Fifo => Kind::Pipe,
        EntryType::Directory => Kind::Directory,
        // GNU's incremental archives: a folder with a list of names as data.
        other if other.as_byte() == b'D' => Kind::Directory,
        other => {
            problem = Some(match other.as_byte() {
                b'M' => "the rest of a file that begins in another volume",
                _ => "a member of unknown kind",
            });
            Kind::Regular
        }
    };
    if header.entry_type() == EntryType::GNUSparse && header.as_gnu().is_none() {
        problem = Some("a sparse file in a header that cannot tell its holes");
    }
    let text = |bytes: Option<&[u8]>| bytes.unwrap_or_default().to_vec();
    Member {
        path,
        link: header.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default(),
        kind,
        permissions: header.mode().unwrap_or(0) & 0o7777,
        uid: header.uid().unwrap_or(0),
        gid: header.gid().unwrap_or(0),
        user: text(header.username_bytes()),
        group: text(header.groupname_bytes()),
        modified: (i64::try_from(header.mtime().unwrap_or(0)).unwrap_or(i64::MAX), 0),
        xattrs: Vec::new(),
        size,
        start: 0,
        pieces: None,
        problem,
        has_text_acl: false,
    }
}

/// Pax records as they are applied to a member.
struct Records {
    size: Option<u64>,
    sparse: Sparse,
}

/// What pax says of holes, in the three ways that GNU has used.
#[derive(Default)]
struct Sparse {
    major: Option<u64>,
    size: Option<u64>,
    name: Option<Vec<u8>>,
    map: Option<Vec<u8>>,
    offsets: Vec<u64>,
    lengths: Vec<u64>,
}

impl Sparse {
    fn pieces(&self) -> Option<Vec<Piece>> {
        match &self.map {
            Some(map) => sparse::comma_list(map),
            None if self.offsets.len() == self.lengths.len() => {
                let both = self.offsets.iter().zip(&self.lengths);
                Some(both.map(|(&offset, &length)| Piece { offset, length }).collect())
            }
            None => None,
        }
    }
}

impl Records {
    fn apply(&mut self, member: &mut Member, bytes: &[u8]) -> Result<(), &'static str> {
        for (key, value) in pax::records(bytes)? {
            self.one(member, key, value).ok_or(pax::MALFORMED)?;
        }
        Ok(())
    }

    fn one(&mut self, member: &mut Member, key: &[u8], value: &[u8]) -> Option<()> {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            member.xattrs.retain(|attribute| attribute.name != name);
            member.xattrs.push(Xattr { name: name.to_vec(), value: value.to_vec() });
            return Some(());
        }
        // An empty value takes back what was said before.
        if value.is_empty() {
            return Some(());
        }
        match key {
            b"path" => member.path = value.to_vec(),
            b"linkpath" => member.link = value.to_vec(),
            b"size" => self.size = Some(pax::number(value)?),
            b"uid" => member.uid = pax::number(value)?,
            b"gid" => member.gid = pax::number(value)?,
            b"uname" => member.user = value.to_vec(),
            b"gname" => member.group = value.to_vec(),
            b"mtime" => member.modified = pax::time(value)?,
            b"GNU.sparse.major" => self.sparse.major = Some(pax::number(value)?),
            b"GNU.sparse.name" => self.sparse.name = Some(value.to_vec()),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.sparse.size = Some(pax::number(value)?),
            b"GNU.sparse.map" => self.sparse.map = Some(value.to_vec()),
            b"GNU.sparse.offset" => self.sparse.offsets.push(pax::number(value)?),
            b"GNU.sparse.numbytes" => self.sparse.lengths.push(pax::number(value)?),
            _ if key.starts_with(b"SCHILY.acl.") => member.has_text_acl = true,
            _ => {}
        }
        Some(())
    }
}
