//! Names of what walks have met, shared by all of them: 13 bytes each.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::sync::Mutex;

use kloset_format::Mac;

use crate::guard::guard;
use crate::state::MacHasher;

/// What was met: how it was met, and the start of its name. Two of 2^40 names share their first 12
/// bytes with a chance below one in 2^17.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Met([u8; 13]);

/// Parts of the names that were met: so many that walks hardly ever wait for each other.
const SHARDS: usize = 64;

/// Names of what was met by any walk.
pub(super) struct Names(Vec<Mutex<Shard>>);

type Shard = HashSet<Met, BuildHasherDefault<MacHasher>>;

impl Names {
    pub(super) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    fn shard(&self, met: Met) -> Option<&Mutex<Shard>> {
        let [_, .., last] = met.0;
        self.0.get(usize::from(last) % SHARDS)
    }

    /// Adds a name; whether it is new.
    pub(super) fn insert(&self, met: Met) -> bool {
        self.shard(met).is_some_and(|shard| guard(shard).insert(met))
    }

    pub(super) fn contains(&self, met: Met) -> bool {
        self.shard(met).is_some_and(|shard| guard(shard).contains(&met))
    }
}

impl Met {
    pub(super) fn new(role: u8, mac: Mac) -> Self {
        Self(std::array::from_fn(|at| match at.checked_sub(1) {
            None => role,
            Some(at) => mac.0.get(at).copied().unwrap_or_default(),
        }))
    }
}
