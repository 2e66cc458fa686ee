//! What can be asked, as bytes.

use bytes::Bytes;

use super::{Attributes, Handle, put_string, put_u32};

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
