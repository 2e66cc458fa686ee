//! Names of numeric owners, asked of the server and remembered.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use kloset_connector::Record;

use crate::packet::{Request, decode_owner_names};

/// Ids asked for in one request.
const IDS_MAX: usize = 1000;

/// What is known so far; a number without a name is known to have none.
#[derive(Default)]
pub(crate) struct Owners {
    users: HashMap<u64, Vec<u8>>,
    groups: HashMap<u64, Vec<u8>>,
}

/// Numbers asked for, in the order of the answer.
pub(crate) struct Question {
    users: Vec<u32>,
    groups: Vec<u32>,
}

impl Owners {
    /// What must be asked before `records` can be completed.
    pub(crate) fn unknown(&self, records: &[Record]) -> Option<Question> {
        let mut users = BTreeSet::new();
        let mut groups = BTreeSet::new();
        for record in records {
            if !self.users.contains_key(&record.info.uid) {
                users.insert(record.info.uid as u32);
            }
            if !self.groups.contains_key(&record.info.gid) {
                groups.insert(record.info.gid as u32);
            }
        }
        if users.is_empty() && groups.is_empty() {
            return None;
        }
        let first = |ids: BTreeSet<u32>| ids.into_iter().take(IDS_MAX).collect();
        Some(Question { users: first(users), groups: first(groups) })
    }

    /// Takes an answer; without one, the numbers have no names.
    pub(crate) fn learn(&mut self, question: Question, answer: Option<Bytes>) {
        let (users, groups) = answer.and_then(|body| decode_owner_names(body).ok()).unwrap_or_default();
        for (known, ids, names) in
            [(&mut self.users, question.users, users), (&mut self.groups, question.groups, groups)]
        {
            let mut names = names.into_iter();
            for id in ids {
                known.insert(u64::from(id), names.next().unwrap_or_default());
            }
        }
    }

    /// Adds the names that are known.
    pub(crate) fn name(&self, records: &mut [Record]) {
        for record in records {
            let info = &mut record.info;
            if let Some(name) = self.users.get(&info.uid) {
                info.username.clone_from(name);
            }
            if let Some(name) = self.groups.get(&info.gid) {
                info.groupname.clone_from(name);
            }
        }
    }
}

impl Question {
    pub(crate) fn request(&self) -> Request {
        Request::OwnerNames { users: self.users.clone(), groups: self.groups.clone() }
    }
}
