//! What a stat call says about one path, as entries record it.

use crate::{FileMode, Timestamp};

/// Attributes of one path. Names are bytes: they need not be UTF-8.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileInfo {
    /// Base name; `/` for the root.
    pub name: Vec<u8>,
    /// Size in bytes; for directories and links what lstat said; -1 when the source cannot tell.
    pub size: i64,
    /// Type, permissions and special bits.
    pub mode: FileMode,
    /// Last modification.
    pub mod_time: Timestamp,
    /// Device number of the file system.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// Number of hard links, cut to 16 bits.
    pub nlink: u16,
    /// Name of the owner, empty if unknown.
    pub username: Vec<u8>,
    /// Name of the group, empty if unknown.
    pub groupname: Vec<u8>,
    /// Always 0 nowadays.
    pub flags: u32,
}

impl FileInfo {
    /// A directory that no source described: mode 0750, time 0, all else zero.
    pub fn made_up_directory(name: &[u8]) -> Self {
        Self {
            name: name.to_vec(),
            size: 0,
            mode: FileMode(FileMode::DIRECTORY | 0o750),
            mod_time: Timestamp::EPOCH,
            dev: 0,
            ino: 0,
            uid: 0,
            gid: 0,
            nlink: 0,
            username: Vec::new(),
            groupname: Vec::new(),
            flags: 0,
        }
    }
}
