//! SFTP version 3 messages: requests to bytes, bytes to answers.
//!
//! Names are byte strings. Decoding never panics, never indexes, and allocates no more than the
//! message that arrived justifies. Framing and the bounds on it are in `codec.rs`.

use bytes::{Buf, Bytes};
use kloset_connector::ErrorKind;

/// A server's name for an open file or directory.
pub(crate) type Handle = Bytes;

/// `SSH_FXP_VERSION`
pub(crate) const VERSION: u8 = 2;
/// `SSH_FXP_STATUS`
const STATUS: u8 = 101;
/// `SSH_FXP_HANDLE`
const HANDLE: u8 = 102;
/// `SSH_FXP_DATA`
pub(crate) const DATA: u8 = 103;
/// `SSH_FXP_NAME`
const NAME: u8 = 104;
/// `SSH_FXP_ATTRS`
const ATTRS: u8 = 105;
/// `SSH_FXP_EXTENDED_REPLY`
const EXTENDED_REPLY: u8 = 201;

/// Flags of [`Request::Open`].
pub(crate) mod open {
    pub(crate) const READ: u32 = 0x01;
    pub(crate) const WRITE: u32 = 0x02;
    pub(crate) const CREATE: u32 = 0x08;
    pub(crate) const EXCLUSIVE: u32 = 0x20;
}

/// Codes of [`Response::Status`].
pub(crate) mod status {
    pub(crate) const OK: u32 = 0;
    pub(crate) const EOF: u32 = 1;
    pub(crate) const NO_SUCH_FILE: u32 = 2;
    pub(crate) const PERMISSION_DENIED: u32 = 3;
    pub(crate) const FAILURE: u32 = 4;
    pub(crate) const BAD_MESSAGE: u32 = 5;
    pub(crate) const NO_CONNECTION: u32 = 6;
    pub(crate) const CONNECTION_LOST: u32 = 7;
    pub(crate) const OP_UNSUPPORTED: u32 = 8;
}

const ATTR_SIZE: u32 = 0x1;
const ATTR_OWNER: u32 = 0x2;
const ATTR_PERMISSIONS: u32 = 0x4;
const ATTR_TIMES: u32 = 0x8;
const ATTR_EXTENDED: u32 = 0x8000_0000;

/// Attributes of a path; what is `None` was not sent or shall not be changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) size: Option<u64>,
    /// User and group.
    pub(crate) owner: Option<(u32, u32)>,
    /// `st_mode`, type included.
    pub(crate) permissions: Option<u32>,
    /// Access and modification, seconds.
    pub(crate) times: Option<(u32, u32)>,
}

impl Attributes {
    pub(crate) fn with_permissions(permissions: u32) -> Self {
        Self { permissions: Some(permissions), ..Self::default() }
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.is_type(0o040_000)
    }

    pub(crate) fn is_symlink(&self) -> bool {
        self.is_type(0o120_000)
    }

    pub(crate) fn is_regular(&self) -> bool {
        self.is_type(0o100_000)
    }

    fn is_type(&self, bits: u32) -> bool {
        self.permissions.is_some_and(|mode| mode & 0o170_000 == bits)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let mut flags = 0;
        let mut body = Vec::with_capacity(32);
        if let Some(size) = self.size {
            flags |= ATTR_SIZE;
            body.extend_from_slice(&size.to_be_bytes());
        }
        if let Some((user, group)) = self.owner {
            flags |= ATTR_OWNER;
            put_u32(&mut body, user);
            put_u32(&mut body, group);
        }
        if let Some(mode) = self.permissions {
            flags |= ATTR_PERMISSIONS;
            put_u32(&mut body, mode);
        }
        if let Some((access, modification)) = self.times {
            flags |= ATTR_TIMES;
            put_u32(&mut body, access);
            put_u32(&mut body, modification);
        }
        put_u32(out, flags);
        out.extend_from_slice(&body);
    }

    fn decode(input: &mut Input) -> Result<Self, Malformed> {
        let flags = input.u32()?;
        let mut found = Self::default();
        if flags & ATTR_SIZE != 0 {
            found.size = Some(input.u64()?);
        }
        if flags & ATTR_OWNER != 0 {
            found.owner = Some((input.u32()?, input.u32()?));
        }
        if flags & ATTR_PERMISSIONS != 0 {
            found.permissions = Some(input.u32()?);
        }
        if flags & ATTR_TIMES != 0 {
            found.times = Some((input.u32()?, input.u32()?));
        }
        if flags & ATTR_EXTENDED != 0 {
            for _ in 0..input.u32()? {
                input.string()?;
                input.string()?;
            }
        }
        Ok(found)
    }
}

/// What can be asked of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Request {
    Open {
        path: Vec<u8>,
        flags: u32,
        attributes: Attributes,
    },
    Close {
        handle: Handle,
    },
    Read {
        handle: Handle,
        offset: u64,
        length: u32,
    },
    Write {
        handle: Handle,
        offset: u64,
        data: Bytes,
    },
    Lstat {
        path: Vec<u8>,
    },
    Fstat {
        handle: Handle,
    },
    Setstat {
        path: Vec<u8>,
        attributes: Attributes,
    },
    Fsetstat {
        handle: Handle,
        attributes: Attributes,
    },
    Opendir {
        path: Vec<u8>,
    },
    Readdir {
        handle: Handle,
    },
    Remove {
        path: Vec<u8>,
    },
    Mkdir {
        path: Vec<u8>,
        attributes: Attributes,
    },
    Realpath {
        path: Vec<u8>,
    },
    Stat {
        path: Vec<u8>,
    },
    /// Fails if `to` exists.
    Rename {
        from: Vec<u8>,
        to: Vec<u8>,
    },
    Readlink {
        path: Vec<u8>,
    },
    Symlink {
        target: Vec<u8>,
        link: Vec<u8>,
    },
    /// Replaces `to`.
    PosixRename {
        from: Vec<u8>,
        to: Vec<u8>,
    },
    Fsync {
        handle: Handle,
    },
    Hardlink {
        original: Vec<u8>,
        link: Vec<u8>,
    },
    /// As `Setstat`, without following a link.
    Lsetstat {
        path: Vec<u8>,
        attributes: Attributes,
    },
    Statvfs {
        path: Vec<u8>,
    },
    OwnerNames {
        users: Vec<u32>,
        groups: Vec<u32>,
    },
    Limits,
}

impl Request {
    /// Appends the message for `id` to `out`; the bytes returned follow it on the wire.
    pub(crate) fn encode(&self, id: u32, out: &mut Vec<u8>) -> Option<Bytes> {
        let start = out.len();
        put_u32(out, 0);
        out.push(self.kind());
        put_u32(out, id);
        let tail = self.encode_body(out);
        let length = out.len() - start - 4 + tail.as_ref().map_or(0, Bytes::len);
        if let Some(place) = out.get_mut(start..start + 4) {
            place.copy_from_slice(&(length as u32).to_be_bytes());
        }
        tail
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Open { .. } => 3,
            Self::Close { .. } => 4,
            Self::Read { .. } => 5,
            Self::Write { .. } => 6,
            Self::Lstat { .. } => 7,
            Self::Fstat { .. } => 8,
            Self::Setstat { .. } => 9,
            Self::Fsetstat { .. } => 10,
            Self::Opendir { .. } => 11,
            Self::Readdir { .. } => 12,
            Self::Remove { .. } => 13,
            Self::Mkdir { .. } => 14,
            Self::Realpath { .. } => 16,
            Self::Stat { .. } => 17,
            Self::Rename { .. } => 18,
            Self::Readlink { .. } => 19,
            Self::Symlink { .. } => 20,
            Self::PosixRename { .. }
            | Self::Fsync { .. }
            | Self::Hardlink { .. }
            | Self::Lsetstat { .. }
            | Self::Statvfs { .. }
            | Self::OwnerNames { .. }
            | Self::Limits => 200,
        }
    }

    fn encode_body(&self, out: &mut Vec<u8>) -> Option<Bytes> {
        match self {
            Self::Open { path, flags, attributes } => {
                put_string(out, path);
                put_u32(out, *flags);
                attributes.encode(out);
            }
            Self::Close { handle } | Self::Fstat { handle } | Self::Readdir { handle } => {
                put_string(out, handle)
            }
            Self::Read { handle, offset, length } => {
                put_string(out, handle);
                out.extend_from_slice(&offset.to_be_bytes());
                put_u32(out, *length);
            }
            Self::Write { handle, offset, data } => {
                put_string(out, handle);
                out.extend_from_slice(&offset.to_be_bytes());
                put_u32(out, data.len() as u32);
                return Some(data.clone());
            }
            Self::Lstat { path }
            | Self::Opendir { path }
            | Self::Remove { path }
            | Self::Realpath { path }
            | Self::Stat { path }
            | Self::Readlink { path } => put_string(out, path),
            Self::Setstat { path, attributes } | Self::Mkdir { path, attributes } => {
                put_string(out, path);
                attributes.encode(out);
            }
            Self::Fsetstat { handle, attributes } => {
                put_string(out, handle);
                attributes.encode(out);
            }
            Self::Rename { from, to } => {
                put_string(out, from);
                put_string(out, to);
            }
            // The draft names the link first; OpenSSH, and all who follow it, the target.
            Self::Symlink { target, link } => {
                put_string(out, target);
                put_string(out, link);
            }
            _ => self.encode_extension(out),
        }
        None
    }

    fn encode_extension(&self, out: &mut Vec<u8>) {
        match self {
            Self::PosixRename { from, to } => {
                put_string(out, b"posix-rename@openssh.com");
                put_string(out, from);
                put_string(out, to);
            }
            Self::Fsync { handle } => {
                put_string(out, b"fsync@openssh.com");
                put_string(out, handle);
            }
            Self::Hardlink { original, link } => {
                put_string(out, b"hardlink@openssh.com");
                put_string(out, original);
                put_string(out, link);
            }
            Self::Lsetstat { path, attributes } => {
                put_string(out, b"lsetstat@openssh.com");
                put_string(out, path);
                attributes.encode(out);
            }
            Self::Statvfs { path } => {
                put_string(out, b"statvfs@openssh.com");
                put_string(out, path);
            }
            Self::OwnerNames { users, groups } => {
                put_string(out, b"users-groups-by-id@openssh.com");
                for ids in [users, groups] {
                    let mut packed = Vec::with_capacity(ids.len() * 4);
                    ids.iter().for_each(|&id| put_u32(&mut packed, id));
                    put_string(out, &packed);
                }
            }
            Self::Limits => put_string(out, b"limits@openssh.com"),
            _ => {}
        }
    }
}

/// One name of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NameEntry {
    pub(crate) name: Vec<u8>,
    pub(crate) attributes: Attributes,
}

/// What a server answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Response {
    Status { code: u32, message: String },
    Handle(Handle),
    Data(Bytes),
    Names(Vec<NameEntry>),
    Attributes(Attributes),
    Extended(Bytes),
}

/// A message that contradicts the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl Response {
    /// Decodes an answer from what follows its type byte; returns the request's id with it.
    pub(crate) fn decode(kind: u8, body: Bytes) -> Result<(u32, Self), Malformed> {
        let mut input = Input(body);
        let id = input.u32()?;
        let response = match kind {
            STATUS => {
                let code = input.u32()?;
                // Old servers leave the words out.
                let message = input.string().unwrap_or_default();
                Self::Status { code, message: printable(&message) }
            }
            HANDLE => {
                let handle = input.string()?;
                if handle.len() > 256 {
                    return Err(Malformed("handle longer than 256 bytes"));
                }
                Self::Handle(Bytes::copy_from_slice(&handle))
            }
            DATA => Self::Data(input.string()?),
            NAME => Self::Names(Self::names(&mut input)?),
            ATTRS => Self::Attributes(Attributes::decode(&mut input)?),
            EXTENDED_REPLY => Self::Extended(input.0),
            _ => return Err(Malformed("unknown kind of answer")),
        };
        Ok((id, response))
    }

    fn names(input: &mut Input) -> Result<Vec<NameEntry>, Malformed> {
        let count = input.u32()? as usize;
        // A name needs at least 12 bytes: two lengths and the attributes' flags.
        if count > input.0.len() / 12 {
            return Err(Malformed("more names announced than the message can hold"));
        }
        let mut names = Vec::with_capacity(count);
        for _ in 0..count {
            let name = input.string()?.to_vec();
            input.string()?;
            names.push(NameEntry { name, attributes: Attributes::decode(input)? });
        }
        Ok(names)
    }
}

/// What a server announces in its first message, apart from the version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Features {
    pub(crate) posix_rename: bool,
    pub(crate) fsync: bool,
    pub(crate) hardlink: bool,
    pub(crate) lsetstat: bool,
    pub(crate) statvfs: bool,
    pub(crate) owner_names: bool,
    pub(crate) limits: bool,
}

impl Features {
    /// Decodes `SSH_FXP_VERSION` from what follows its type byte.
    pub(crate) fn decode(body: Bytes) -> Result<(u32, Self), Malformed> {
        let mut input = Input(body);
        let version = input.u32()?;
        let mut found = Self::default();
        while !input.0.is_empty() {
            let name = input.string()?;
            input.string()?;
            match name.as_ref() {
                b"posix-rename@openssh.com" => found.posix_rename = true,
                b"fsync@openssh.com" => found.fsync = true,
                b"hardlink@openssh.com" => found.hardlink = true,
                b"lsetstat@openssh.com" => found.lsetstat = true,
                b"statvfs@openssh.com" => found.statvfs = true,
                b"users-groups-by-id@openssh.com" => found.owner_names = true,
                b"limits@openssh.com" => found.limits = true,
                _ => {}
            }
        }
        Ok((version, found))
    }
}

/// Answer to [`Request::Limits`]; 0 means "not told".
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) packet: u64,
    pub(crate) read: u64,
    pub(crate) write: u64,
    pub(crate) handles: u64,
}

impl Limits {
    pub(crate) fn decode(body: Bytes) -> Result<Self, Malformed> {
        let mut input = Input(body);
        Ok(Self { packet: input.u64()?, read: input.u64()?, write: input.u64()?, handles: input.u64()? })
    }
}

/// Answer to [`Request::Statvfs`], as far as it is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct FileSystem {
    pub(crate) fragment_bytes: u64,
    pub(crate) free_fragments: u64,
    pub(crate) files: u64,
    pub(crate) free_files: u64,
    pub(crate) id: u64,
    pub(crate) read_only: bool,
}

impl FileSystem {
    pub(crate) fn decode(body: Bytes) -> Result<Self, Malformed> {
        let mut input = Input(body);
        let _block_bytes = input.u64()?;
        let fragment_bytes = input.u64()?;
        let _blocks = input.u64()?;
        let _free = input.u64()?;
        let free_fragments = input.u64()?;
        let files = input.u64()?;
        let _free_files_all = input.u64()?;
        let free_files = input.u64()?;
        let id = input.u64()?;
        let read_only = input.u64()? & 1 != 0;
        Ok(Self { fragment_bytes, free_fragments, files, free_files, id, read_only })
    }

    /// What keeps `bytes` from being written, if anything does.
    pub(crate) fn trouble(&self, bytes: u64) -> Option<(ErrorKind, &'static str)> {
        if self.read_only {
            Some((ErrorKind::Permission, "the file system is read-only"))
        } else if self.free_fragments.saturating_mul(self.fragment_bytes) < bytes.max(4096) {
            Some((ErrorKind::NoSpace, "no space left on the server"))
        } else if self.files > 0 && self.free_files == 0 {
            Some((ErrorKind::NoSpace, "no room for more files on the server"))
        } else {
            None
        }
    }
}

/// Names of users and names of groups.
pub(crate) type OwnerNames = (Vec<Vec<u8>>, Vec<Vec<u8>>);

/// Answer to [`Request::OwnerNames`]: names in the order asked, empty where there is none.
pub(crate) fn decode_owner_names(body: Bytes) -> Result<OwnerNames, Malformed> {
    let mut input = Input(body);
    let mut lists = [Vec::new(), Vec::new()];
    for list in &mut lists {
        let mut packed = Input(input.string()?);
        while !packed.0.is_empty() {
            list.push(packed.string()?.to_vec());
        }
    }
    let [users, groups] = lists;
    Ok((users, groups))
}

/// Server text made fit for a line of ours.
pub(crate) fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text.get(..text.len().min(1000)).unwrap_or_default())
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}

pub(crate) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_string(out: &mut Vec<u8>, value: &[u8]) {
    put_u32(out, value.len() as u32);
    out.extend_from_slice(value);
}

/// Bytes still to be decoded.
struct Input(Bytes);

impl Input {
    fn u32(&mut self) -> Result<u32, Malformed> {
        self.0.try_get_u32().map_err(|_| Malformed("message ends early"))
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.0.try_get_u64().map_err(|_| Malformed("message ends early"))
    }

    fn string(&mut self) -> Result<Bytes, Malformed> {
        let length = self.u32()? as usize;
        if length > self.0.len() {
            return Err(Malformed("string longer than its message"));
        }
        Ok(self.0.split_to(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_their_length_in_front() {
        let mut out = Vec::new();
        let request =
            Request::Write { handle: Bytes::from_static(b"h"), offset: 5, data: Bytes::from_static(b"abc") };
        let tail = request.encode(7, &mut out).unwrap();
        assert_eq!(out, b"\0\0\0\x19\x06\0\0\0\x07\0\0\0\x01h\0\0\0\0\0\0\0\x05\0\0\0\x03");
        assert_eq!(&tail[..], b"abc");
        out.clear();
        assert!(Request::Lstat { path: vec![0xff] }.encode(1, &mut out).is_none());
        assert_eq!(out, b"\0\0\0\x0a\x07\0\0\0\x01\0\0\0\x01\xff");
    }

    #[test]
    fn names_keep_their_bytes_and_counts_are_bounded() {
        let mut body = Vec::new();
        put_u32(&mut body, 9);
        put_u32(&mut body, 1);
        put_string(&mut body, b"\xff/x");
        put_string(&mut body, b"long");
        Attributes { size: Some(3), owner: Some((1, 2)), permissions: Some(0o100_644), times: Some((4, 5)) }
            .encode(&mut body);
        let (id, response) = Response::decode(NAME, Bytes::from(body.clone())).unwrap();
        assert_eq!(id, 9);
        let Response::Names(names) = response else { panic!("names expected") };
        assert_eq!(names[0].name, b"\xff/x");
        assert_eq!(names[0].attributes.times, Some((4, 5)));
        body[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(Response::decode(NAME, Bytes::from(body)).is_err());
    }

    #[test]
    fn no_bytes_make_a_decoder_panic() {
        let mut seed = 1u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as u8
        };
        for round in 0..200_000usize {
            let mut body: Vec<u8> =
                (0..round % 60).map(|_| next() & if next() > 100 { 7 } else { 255 }).collect();
            if let Some(first) = body.first_mut() {
                *first = 0;
            }
            let body = Bytes::from(body);
            for kind in [STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED_REPLY, next()] {
                let _ = Response::decode(kind, body.clone());
            }
            let _ = Features::decode(body.clone());
            let _ = Limits::decode(body.clone());
            let _ = FileSystem::decode(body.clone());
            let _ = decode_owner_names(body);
        }
    }
}
