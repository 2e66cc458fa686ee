//! SFTP version 3 messages: requests to bytes, bytes to answers.
//!
//! Names are byte strings. Decoding never panics, never indexes, and allocates no more than the
//! message that arrived justifies. Framing and the bounds on it are in `codec.rs`.

mod request;
mod response;

use bytes::{Buf, Bytes};

pub(crate) use self::request::Request;
pub(crate) use self::response::{Features, FileSystem, Limits, NameEntry, Response, decode_owner_names};

/// A server's name for an open file or directory.
pub(crate) type Handle = Bytes;

/// `SSH_FXP_VERSION`
pub(crate) const VERSION: u8 = 2;
/// `SSH_FXP_STATUS`
const STATUS: u8 = 101;
/// `SSH_FXP_HANDLE`
const HANDLE: u8 = 102;
/// `SSH_FXP_DATA`
const DATA: u8 = 103;
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
    /// Ours: a failure to open something that may come from too much being open.
    pub(crate) const CROWDED: u32 = u32::MAX;
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

/// A message that contradicts the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed(pub(crate) &'static str);

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
