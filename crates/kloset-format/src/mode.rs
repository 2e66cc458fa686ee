//! File modes: Go's mode word, which is what the format stores.

/// Permission bits as in Unix, file type and special bits at the top of the word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct FileMode(pub u32);

/// What kind of thing an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum FileKind {
    /// Regular file.
    Regular,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// Block device.
    BlockDevice,
    /// Character device.
    CharacterDevice,
    /// Named pipe.
    Pipe,
    /// Socket.
    Socket,
    /// Anything else.
    Irregular,
}

impl FileMode {
    /// Bit 31.
    pub const DIRECTORY: u32 = 1 << 31;
    /// Bit 27.
    pub const SYMLINK: u32 = 1 << 27;
    /// Bit 26: block device, or character device together with bit 21.
    pub const DEVICE: u32 = 1 << 26;
    /// Bit 25.
    pub const PIPE: u32 = 1 << 25;
    /// Bit 24.
    pub const SOCKET: u32 = 1 << 24;
    /// Bit 23.
    pub const SETUID: u32 = 1 << 23;
    /// Bit 22.
    pub const SETGID: u32 = 1 << 22;
    /// Bit 21.
    pub const CHARACTER_DEVICE: u32 = 1 << 21;
    /// Bit 20.
    pub const STICKY: u32 = 1 << 20;
    /// Bit 19.
    pub const IRREGULAR: u32 = 1 << 19;

    const KIND_BITS: u32 = Self::DIRECTORY
        | Self::SYMLINK
        | Self::DEVICE
        | Self::PIPE
        | Self::SOCKET
        | Self::CHARACTER_DEVICE
        | Self::IRREGULAR;

    /// Converts the `st_mode` of a Unix stat call.
    pub fn from_st_mode(st_mode: u32) -> Self {
        let mut mode = st_mode & 0o777;
        mode |= match st_mode & 0o170_000 {
            0o040_000 => Self::DIRECTORY,
            0o120_000 => Self::SYMLINK,
            0o060_000 => Self::DEVICE,
            0o020_000 => Self::DEVICE | Self::CHARACTER_DEVICE,
            0o010_000 => Self::PIPE,
            0o140_000 => Self::SOCKET,
            0o100_000 | 0 => 0,
            _ => Self::IRREGULAR,
        };
        if st_mode & 0o4000 != 0 {
            mode |= Self::SETUID;
        }
        if st_mode & 0o2000 != 0 {
            mode |= Self::SETGID;
        }
        if st_mode & 0o1000 != 0 {
            mode |= Self::STICKY;
        }
        Self(mode)
    }

    /// The twelve bits that chmod takes: permissions, setuid, setgid, sticky.
    pub fn unix_permissions(self) -> u32 {
        let mut mode = self.0 & 0o777;
        if self.0 & Self::SETUID != 0 {
            mode |= 0o4000;
        }
        if self.0 & Self::SETGID != 0 {
            mode |= 0o2000;
        }
        if self.0 & Self::STICKY != 0 {
            mode |= 0o1000;
        }
        mode
    }

    /// The kind of file these bits name.
    pub fn kind(self) -> FileKind {
        let bits = self.0;
        if bits & Self::KIND_BITS == 0 {
            FileKind::Regular
        } else if bits & Self::DIRECTORY != 0 {
            FileKind::Directory
        } else if bits & Self::SYMLINK != 0 {
            FileKind::Symlink
        } else if bits & Self::DEVICE != 0 {
            if bits & Self::CHARACTER_DEVICE != 0 { FileKind::CharacterDevice } else { FileKind::BlockDevice }
        } else if bits & Self::PIPE != 0 {
            FileKind::Pipe
        } else if bits & Self::SOCKET != 0 {
            FileKind::Socket
        } else {
            FileKind::Irregular
        }
    }

    /// Whether this is a directory.
    pub fn is_directory(self) -> bool {
        self.0 & Self::DIRECTORY != 0
    }

    /// Whether this is a regular file.
    pub fn is_regular(self) -> bool {
        self.0 & Self::KIND_BITS == 0
    }

    /// Whether this is a symbolic link.
    pub fn is_symlink(self) -> bool {
        self.0 & Self::SYMLINK != 0
    }

    /// The mode in Go's letters, as listings show it: `drwxr-xr-x`, `Lrwxrwxrwx`, `urwxr-xr-x`.
    pub fn to_text(self) -> String {
        const LETTERS: &[u8; 32] = b"dalTLDpSugct?\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let mut text = String::with_capacity(12);
        for (i, &letter) in LETTERS.iter().enumerate().take(13) {
            if self.0 & (1 << (31 - i)) != 0 {
                text.push(letter as char);
            }
        }
        if text.is_empty() {
            text.push('-');
        }
        for (i, letter) in "rwxrwxrwx".chars().enumerate() {
            text.push(if self.0 & (1 << (8 - i)) != 0 { letter } else { '-' });
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words() {
        assert_eq!(FileMode::from_st_mode(0o100_644).0, 0x0000_01a4);
        assert_eq!(FileMode::from_st_mode(0o040_755).0, 0x8000_01ed);
        assert_eq!(FileMode::from_st_mode(0o120_777).0, 0x0800_01ff);
        assert_eq!(FileMode::from_st_mode(0o140_755).0, 0x0100_01ed);
        assert_eq!(FileMode::from_st_mode(0o020_666).0, 0x0420_01b6);
        assert_eq!(FileMode::from_st_mode(0o107_755).unix_permissions(), 0o7755);
        assert_eq!(FileMode::from_st_mode(0o041_777).to_text(), "dtrwxrwxrwx");
        assert_eq!(FileMode::from_st_mode(0o104_755).to_text(), "urwxr-xr-x");
        assert_eq!(FileMode::from_st_mode(0o020_600).to_text(), "Dcrw-------");
        assert_eq!(FileMode::from_st_mode(0o100_600).to_text(), "-rw-------");
    }
}
