//! What may come of a step: of one that nothing happens to, and of one that dies or fails midway.

use std::rc::Rc;
use std::sync::Arc;

use kloset::dup::duplicate;
use kloset::maintenance::maintain;
use kloset::remove::remove;
use kloset::repair::repair;
use kloset::sync::Removed;
use kloset::{Error, Repository, SilentMonitor, Snapshot};
use kloset_connector::{ErrorKind, StoreFile};
use kloset_format::SnapshotId;
use testkit::{Fault, FaultyStore, Operation, Script};

use super::Model;
use super::steps::backup_of;
use super::upkeep::copy;
use crate::rig::{Contents, open_with};

/// Calls at which a client dies or fails.
const CALLS: [(Operation, StoreFile, usize); 9] = [
    (Operation::Put, StoreFile::Packfile, 4),
    (Operation::Put, StoreFile::State, 3),
    (Operation::Get, StoreFile::State, 2),
    (Operation::List, StoreFile::State, 4),
    (Operation::List, StoreFile::Packfile, 3),
    (Operation::Delete, StoreFile::Packfile, 4),
    (Operation::Put, StoreFile::Lock, 1),
    (Operation::Delete, StoreFile::Lock, 1),
    (Operation::GetRanges, StoreFile::Packfile, 8),
];

/// Number of the step that is maintenance.
const MAINTENANCE: usize = 3;

const FAULTS: [Fault; 11] = [
    Fault::CrashBefore,
    Fault::CrashAfter,
    Fault::CrashBefore,
    Fault::CrashAfter,
    Fault::Fail(ErrorKind::Permission),
    Fault::FailAfterwards(ErrorKind::Other),
    Fault::FailOneRange(ErrorKind::Other),
    Fault::Truncate,
    Fault::FlipBit,
    Fault::Vanish,
    Fault::StaleListing,
];

impl Model {
    /// The result of a step that nothing happens to. Only locks of the dead may stand in its way.
    pub fn done<T>(&mut self, outcome: Result<T, Error>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(Error::Locked { .. }) if self.has_locks() => {
                self.say("locked by the dead");
                None
            }
            Err(error) => panic!("{error:?}: {}", self.story()),
        }
    }

    fn has_locks(&self) -> bool {
        [&self.main, &self.peer].iter().any(|side| !side.store.names(StoreFile::Lock).is_empty())
    }

    /// One step on a first store that misbehaves; whatever comes of it is taken over if it is right.
    pub fn fail_at_something(&mut self) {
        let (operation, file, most) = CALLS[self.numbers.below(CALLS.len())];
        let (nth, mut fault) = (self.numbers.below(most) as u64, FAULTS[self.numbers.below(FAULTS.len())]);
        let what = self.numbers.below(7);
        // A store that hides its newest state for good is not noticed by a client without a memory, and
        // without grace there is nothing else to keep maintenance from what that state tells of.
        if (what, operation, file) == (MAINTENANCE, Operation::List, StoreFile::State)
            && fault == Fault::Vanish
        {
            fault = Fault::StaleListing;
        }
        let script = match self.numbers.below(3) {
            0 => Script::FromNth { operation, file, nth, fault },
            _ => Script::OnNth { operation, file, nth, fault },
        };
        let faulty = FaultyStore::new(self.main.store.clone(), script, self.numbers.next());
        let machine = self.machine();
        let options = kloset::repository::OpenOptions::new(machine, Arc::new(SilentMonitor));
        let outcome = match open_with(faulty, options) {
            Ok(client) => self.do_something(what, &client),
            Err(error) => Err(Error::from(error)),
        };
        self.say(format!("step {what} under {script:?}: {outcome:?}"));
        self.check_what_came_of_it();
    }

    fn do_something(&mut self, what: usize, client: &Arc<Repository>) -> Result<(), Error> {
        match what {
            0 | 1 => {
                self.main.unfinished.push(self.contents_now());
                backup_of(client, &self.tree).map(|_| ())
            }
            2 => {
                let chosen = self.choose(&self.main.ids(), 4);
                let outcome = remove(client, &chosen);
                let left = self.main.open(&self.machine()).snapshots();
                let gone = chosen.iter().filter(|id| !left.contains(id)).count();
                assert!(gone == 0 || gone == chosen.len(), "half removed: {}", self.story());
                assert!(outcome.is_err() || gone == chosen.len(), "not removed: {}", self.story());
                if gone > 0 {
                    chosen.iter().for_each(|&id| self.main.forget(id));
                }
                outcome
            }
            MAINTENANCE => {
                let options = self.maintenance();
                self.stale.swept_since = true;
                maintain(client, &options, &SilentMonitor).map(|_| ())
            }
            4 => {
                let mut chosen = self.choose(&self.peer.ids(), 2);
                chosen.retain(|id| !self.removed_behind.contains(id));
                chosen.iter().for_each(|&id| self.main.unfinished.push(self.peer.contents(id)));
                let removed = if self.numbers.below(2) == 0 { Removed::Skip } else { Removed::BringBack };
                let outcome = copy(&self.peer.open(&self.machine()), client, &chosen, removed);
                self.take_over_brought_back(&chosen, removed);
                outcome
            }
            5 => {
                let ids = self.main.ids();
                let Some(&id) = ids.get(self.numbers.below(ids.len())) else { return Ok(()) };
                self.main.unfinished.push(self.main.contents(id));
                Snapshot::open(client, id).and_then(|snapshot| duplicate(&snapshot)).map(|_| ())
            }
            _ => repair(client, &SilentMonitor).map(|_| ()),
        }
    }

    /// A copy that was cut short may have arrived all the same.
    fn take_over_brought_back(&mut self, chosen: &[SnapshotId], removed: Removed) {
        let listed = self.main.open(&self.machine()).snapshots();
        for &id in chosen.iter().filter(|id| listed.contains(id)) {
            let was_removed = self.main.removed.iter().any(|(gone, _)| *gone == id);
            assert!(!was_removed || removed == Removed::BringBack, "{id} is back: {}", self.story());
            let contents: Rc<Contents> = self.peer.contents(id);
            self.main.expect(id, contents);
            self.brought_back.insert(id);
            self.stale.seen.retain(|seen| *seen != id);
        }
    }

    /// New snapshots are what somebody wanted to store; none is missing.
    fn check_what_came_of_it(&mut self) {
        self.adopt_what_was_unfinished();
    }
}
