//! Chooses the snapshot that a backup is compared with: the newest one of the same source.
//!
//! Reading all headers would make each backup slower than the one before it. A backup names its state
//! after its snapshot, and the index has the states in order: the snapshots that came last are looked at
//! first, the others only if none of these is of the same source. A wrong choice costs time, never data.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use kloset_connector::SourceInfo;
use kloset_format::{SnapshotId, StateId};

use crate::{Error, Repository, Snapshot};

/// Headers read at once.
const HEADERS_AT_ONCE: usize = 64;

/// The newest snapshot of `source`, by its own time, among those that came last.
pub(super) fn choose_parent(
    repository: &Arc<Repository>,
    source: &SourceInfo,
) -> Result<Option<Arc<Snapshot>>, Error> {
    let turns: HashMap<StateId, usize> = repository.states().iter().copied().zip(0..).collect();
    let turn = |id: &SnapshotId| turns.get(&StateId(id.0)).copied();
    // What came with others, as from a sync, can be of any age.
    let (mut in_turn, of_any_age): (Vec<SnapshotId>, Vec<SnapshotId>) =
        repository.snapshots().into_iter().partition(|id| turn(id).is_some());
    in_turn.sort_by_cached_key(|id| Reverse(turn(id)));
    let mut found = of_source(repository, &of_any_age, source)?;
    for batch in in_turn.chunks(HEADERS_AT_ONCE) {
        let last = of_source(repository, batch, source)?;
        let is_enough = !last.is_empty();
        found.extend(last);
        if is_enough {
            break;
        }
    }
    Ok(found.into_iter().max_by_key(|snapshot| snapshot.header().timestamp).map(Arc::new))
}

/// Those of some snapshots that are of a source; what cannot be read is none of them.
fn of_source(
    repository: &Arc<Repository>,
    ids: &[SnapshotId],
    source: &SourceInfo,
) -> Result<Vec<Snapshot>, Error> {
    let mut found = Vec::new();
    for snapshot in Snapshot::open_many(repository, ids) {
        match snapshot {
            Err(error) if error.is_out_of_reach() => return Err(error),
            other => found.extend(other.ok().filter(|snapshot| is_of(snapshot, source))),
        }
    }
    Ok(found)
}

fn is_of(snapshot: &Snapshot, wanted: &SourceInfo) -> bool {
    snapshot.header().source().is_some_and(|source| {
        source.importer.kind.as_bytes() == wanted.kind.as_bytes()
            && source.importer.origin.as_bytes() == wanted.origin.as_bytes()
            && source.importer.directory == wanted.directory
    })
}
