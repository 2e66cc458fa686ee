//! From stat calls to the attributes that entries record.

use kloset_format::{FileInfo, FileMode, Timestamp};
use rustix::fs::Stat;

/// Attributes without owner names.
pub(crate) fn file_info(name: &[u8], stat: &Stat) -> FileInfo {
    FileInfo {
        name: name.to_vec(),
        size: stat.st_size,
        mode: FileMode::from_st_mode(stat.st_mode),
        mod_time: Timestamp { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 },
        dev: stat.st_dev,
        ino: stat.st_ino,
        uid: u64::from(stat.st_uid),
        gid: u64::from(stat.st_gid),
        // The format cuts it.
        nlink: stat.st_nlink as u16,
        username: Vec::new(),
        groupname: Vec::new(),
        flags: 0,
    }
}
