//! Names of owners, looked up once per number and thread.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;

/// Remembers the names that the system knows for owner numbers.
#[derive(Default)]
pub(crate) struct Owners {
    users: HashMap<u32, Vec<u8>>,
    groups: HashMap<u32, Vec<u8>>,
}

impl Owners {
    /// Name of a user; empty if the number has none.
    pub(crate) fn user(&mut self, uid: u32) -> Vec<u8> {
        let name = self.users.entry(uid).or_insert_with(|| {
            uzers::get_user_by_uid(uid).map_or_else(Vec::new, |user| user.name().as_bytes().to_vec())
        });
        name.clone()
    }

    /// Name of a group; empty if the number has none.
    pub(crate) fn group(&mut self, gid: u32) -> Vec<u8> {
        let name = self.groups.entry(gid).or_insert_with(|| {
            uzers::get_group_by_gid(gid).map_or_else(Vec::new, |group| group.name().as_bytes().to_vec())
        });
        name.clone()
    }
}
