//! What a server says, decoded.

use bytes::Bytes;
use kloset_connector::ErrorKind;

use super::{
    ATTRS, Attributes, DATA, EXTENDED_REPLY, HANDLE, Handle, Input, Malformed, NAME, STATUS, printable,
};

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
