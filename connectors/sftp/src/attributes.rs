//! Between the protocol's attributes and those of a snapshot.

use std::time::{SystemTime, UNIX_EPOCH};

use kloset_format::{FileInfo, FileMode, Timestamp};

use crate::packet::Attributes;

/// Times further ahead than this are taken for times before 1970.
const AHEAD_SECONDS: u64 = 10 * 365 * 24 * 3600;

/// What a server says of a path. Owner names are added by whoever knows them; version 3 of the
/// protocol has no device, inode or link count.
pub(crate) fn file_info(name: &[u8], attributes: &Attributes) -> FileInfo {
    let (uid, gid) = attributes.owner.unwrap_or_default();
    FileInfo {
        name: name.to_vec(),
        size: attributes.size.map_or(-1, |size| i64::try_from(size).unwrap_or(i64::MAX)),
        mode: FileMode::from_st_mode(attributes.permissions.unwrap_or(0o100_000)),
        mod_time: attributes.times.map_or(Timestamp::EPOCH, |(_, modified)| time(modified, now())),
        dev: 0,
        ino: 0,
        uid: u64::from(uid),
        gid: u64::from(gid),
        nlink: 0,
        username: Vec::new(),
        groupname: Vec::new(),
        flags: 0,
    }
}

/// Seconds as the wire carries them: unsigned, but a file of 1965 is likelier than one of 2101.
fn time(seconds: u32, now: u64) -> Timestamp {
    let far = u64::from(seconds) > now.saturating_add(AHEAD_SECONDS);
    let seconds = if far { i64::from(seconds as i32) } else { i64::from(seconds) };
    Timestamp { seconds, nanoseconds: 0 }
}

/// Seconds that mean `time` to a server and, read back, to us; `None` where there are none.
pub(crate) fn wire_time(time: Timestamp) -> Option<u32> {
    u32::try_from(time.seconds).ok()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_future_times_are_read_as_past_ones() {
        let now = 1_800_000_000;
        assert_eq!(time(1_700_000_000, now).seconds, 1_700_000_000);
        assert_eq!(time(1_900_000_000, now).seconds, 1_900_000_000);
        assert_eq!(time(u32::MAX, now).seconds, -1);
        assert_eq!(time((-157_766_400i32) as u32, now).seconds, -157_766_400);
    }

    #[test]
    fn link_and_directory_modes_are_known() {
        let info = file_info(b"x", &Attributes::with_permissions(0o120_777));
        assert!(info.mode.is_symlink() && info.size == -1);
    }
}
