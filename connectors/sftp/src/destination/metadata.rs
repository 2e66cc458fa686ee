//! Owner, mode and times in the protocol's words, and what it has no words for.

use kloset_connector::{Applied, ConnectorError, ErrorKind, Limitation, Target as Item};
use kloset_format::FileMode;

use crate::attributes::wire_time;
use crate::packet::Attributes;

/// Bits that give a program another's rights: only set once the owner is right.
const SPECIAL_BITS: u32 = 0o6000;

/// What to set, in the order it must be set: the owner first, since changing it clears the special
/// bits; then mode and times.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    pub(crate) owner: Attributes,
    /// Mode without special bits, and times.
    pub(crate) rest: Attributes,
    /// The whole mode, if it has special bits.
    pub(crate) special: Option<Attributes>,
    limitations: Vec<Limitation>,
}

impl Metadata {
    pub(crate) fn of(item: &Item) -> Self {
        let info = &item.info;
        let mut limitations = Vec::new();
        let owner = match (u32::try_from(info.uid), u32::try_from(info.gid)) {
            (Ok(user), Ok(group)) => Some((user, group)),
            _ => {
                limitations.push(Limitation::Owner);
                None
            }
        };
        let time = wire_time(info.mod_time);
        if time.is_none() {
            limitations.push(Limitation::TimeRange);
        } else if info.mod_time.nanoseconds != 0 {
            limitations.push(Limitation::SubSecondTime);
        }
        if !item.xattrs.is_empty() {
            limitations.push(Limitation::Xattrs);
        }
        let mode = info.mode.unix_permissions();
        Self {
            owner: Attributes { owner, ..Attributes::default() },
            rest: Attributes {
                permissions: Some(mode & !SPECIAL_BITS),
                times: time.map(|time| (time, time)),
                ..Attributes::default()
            },
            special: (mode & SPECIAL_BITS != 0).then(|| Attributes::with_permissions(mode)),
            limitations,
        }
    }

    /// As for a symbolic link, whose mode nobody can set.
    pub(crate) fn for_link(mut self) -> Self {
        self.rest.permissions = None;
        self.special = None;
        self
    }

    /// Takes the answer to the request for the owner. A refusal is a limitation: the account is not
    /// privileged, and special bits then stay off.
    pub(crate) fn owner_answered(
        &mut self,
        answer: Result<(), ConnectorError>,
    ) -> Result<(), ConnectorError> {
        match answer {
            Ok(()) => Ok(()),
            Err(error)
                if matches!(
                    error.kind,
                    ErrorKind::Permission | ErrorKind::Unsupported | ErrorKind::Other
                ) =>
            {
                self.special = None;
                self.limit(Limitation::Owner);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn limit(&mut self, limitation: Limitation) {
        if !self.limitations.contains(&limitation) {
            self.limitations.push(limitation);
        }
    }

    pub(crate) fn applied(self) -> Applied {
        Applied { limitations: self.limitations, kept: false }
    }
}

/// Whether a node is something the protocol cannot make.
pub(crate) fn is_special_file(mode: FileMode) -> bool {
    !mode.is_directory() && !mode.is_regular() && !mode.is_symlink()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kloset_format::{FileInfo, Timestamp};

    fn item(mode: u32, seconds: i64, nanoseconds: u32) -> Item {
        let mut info = FileInfo::made_up_directory(b"x");
        info.mode = FileMode::from_st_mode(mode);
        info.mod_time = Timestamp { seconds, nanoseconds };
        Item { path: b"x".to_vec(), info, xattrs: Vec::new(), link: None }
    }

    #[test]
    fn special_bits_need_the_right_owner() {
        let mut metadata = Metadata::of(&item(0o104_755, 5, 0));
        assert_eq!(metadata.rest.permissions, Some(0o755));
        assert_eq!(metadata.special.and_then(|all| all.permissions), Some(0o4755));
        let refused = ConnectorError::new(ErrorKind::Permission, "set", "x", "permission denied");
        metadata.owner_answered(Err(refused)).unwrap();
        assert!(metadata.special.is_none());
        assert_eq!(metadata.applied().limitations, [Limitation::Owner]);
    }

    #[test]
    fn times_without_words_are_counted_and_not_set() {
        let metadata = Metadata::of(&item(0o100_644, -5, 0));
        assert_eq!(metadata.rest.times, None);
        assert_eq!(metadata.applied().limitations, [Limitation::TimeRange]);
        let metadata = Metadata::of(&item(0o100_644, 5, 1));
        assert_eq!(metadata.rest.times, Some((5, 5)));
        assert_eq!(metadata.applied().limitations, [Limitation::SubSecondTime]);
    }
}
