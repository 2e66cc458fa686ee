//! Merging states: few new ones say what all of them say together, and replace them.
//!
//! Every backup adds a state, and only what the last ones said of a blob still matters. What is left of all
//! states is written anew behind the newest of them, in the order in which it was said. A new state names
//! those that it replaces, so that nobody misses them.
//!
//! States whose writers had not yet seen the new ones when the old ones went stand beside them, in no order
//! that other readers agree on; merging once more puts them in their place.
//!
//! The old states stay as long as packfiles do, for a grace period. They are deleted only once it was seen
//! that the others say the same without them, and strictly one after the other, the oldest first: an old one
//! that stayed while what builds on it went would come, for other readers, after what took it back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kloset_connector::StoreFile;
use kloset_format::StateId;

use super::gather::{Gatherer, Part, Refusal};
use super::plan::{Plan, Repack, cutoff_ns, is_ahead};
use super::{MaintenanceOptions, Run};
use crate::repository::read_states;
use crate::state::{Merged, Merger};
use crate::write::{StateName, publish_state};
use crate::{Error, Event, OpenError, Repository};

/// Decoded size of a new state, about: a reader holds a whole state in memory.
const PART_BYTES: usize = 32 << 20;

/// What to do, as far as it concerns states that were there before the run.
#[derive(Default)]
pub(super) struct Choice {
    /// States to merge.
    pub(super) merged: HashSet<StateId>,
    /// States to delete.
    pub(super) removed: HashSet<StateId>,
}

impl Choice {
    /// Chooses from a repository that was just looked at.
    pub(super) fn make(
        repository: &Repository,
        options: &MaintenanceOptions,
        plan: &Plan,
        now_ns: i64,
    ) -> Result<Self, Error> {
        let all = repository.index.merged();
        let mut choice = Self::default();
        let moved: &[Repack] = if options.grace.is_zero() { &plan.repack } else { &[] };
        let leaving = plan.doomed.iter().copied().chain(moved.iter().map(|one| one.packfile)).collect();
        let moved_blobs = moved.iter().map(|one| one.blobs.len() as u64).sum();
        let is_worth_it = options.repack && all.are_wasteful(&leaving, moved_blobs);
        if is_worth_it || !all.loose().is_empty() {
            choice.merged.extend(all.unreplaced().map(|(id, _)| id));
        }
        if !options.keep_files {
            choice.removed = outlived(repository, options, now_ns)?;
            if options.grace.is_zero() {
                choice.removed.extend(&choice.merged);
            }
        }
        Ok(choice)
    }
}

/// States whose grace period is over: what replaces them is old enough, by its own time and by the server's.
fn outlived(
    repository: &Repository,
    options: &MaintenanceOptions,
    now_ns: i64,
) -> Result<HashSet<StateId>, Error> {
    let all = repository.index.merged();
    let present: HashSet<StateId> = all.replaced().map(|(id, _)| id).collect();
    if present.is_empty() || options.grace.is_zero() {
        return Ok(present);
    }
    let is_over = |time_ns: i64| time_ns <= cutoff_ns(now_ns, options.grace);
    let listed = repository.storage().list(StoreFile::State).map_err(Error::Storage)?;
    let stored: HashMap<StateId, i64> = listed
        .iter()
        .filter_map(|file| Some((StateId(file.name), file.modified?.to_nanoseconds())))
        .collect();
    // One that was replaced itself and is gone already is in neither.
    let young: HashSet<StateId> = all
        .history()
        .filter(|(id, extent)| match stored.get(id) {
            // A time far ahead tells nothing.
            Some(&stored) if is_ahead(extent.written_ns, now_ns) => !is_over(stored),
            Some(&stored) => !is_over(stored.max(extent.written_ns)),
            None => !is_over(extent.written_ns),
        })
        .map(|(id, _)| id)
        .collect();
    let outlived = all.replacements().filter(|(state, by)| present.contains(state) && !young.contains(by));
    Ok(outlived.map(|(state, _)| state).collect())
}

impl Run<'_> {
    /// Writes states that replace all others.
    pub(super) fn merge_states(&mut self) -> Result<(), Error> {
        if self.merge.merged.is_empty() {
            return Ok(());
        }
        self.look_again()?;
        self.ensure_alone()?;
        let whole = Arc::clone(&self.whole);
        let all = whole.index.merged();
        let (mut gatherer, mut part) = (Gatherer::new(all), Part::default());
        let mut time_ns = whole.state_time_ns();
        let ids: Vec<StateId> = all.unreplaced().map(|(id, _)| id).collect();
        let gathered = read_states(&whole, &ids, &mut |state| {
            gatherer.add(&mut part, &state)?;
            if part.bytes() >= PART_BYTES {
                self.publish_part(std::mem::take(&mut part), time_ns).map_err(Refusal::Failed)?;
                time_ns = time_ns.saturating_add(1);
            }
            Ok(())
        });
        match gathered {
            Ok(()) if part.bytes() > 0 => self.publish_part(part, time_ns),
            Ok(()) => Ok(()),
            Err(Refusal::Failed(error)) => Err(error),
            Err(Refusal::Strange(state)) => {
                let text = format!("states are not merged: {state} says something unknown");
                self.monitor.event(Event::Warning(&text));
                self.merge.merged.clear();
                Ok(())
            }
        }
    }

    fn publish_part(&mut self, part: Part, time_ns: i64) -> Result<(), Error> {
        self.whole.runtime().proceed()?;
        self.ensure_locked()?;
        let name = StateId(self.whole.runtime().random_name());
        let plain = part.write(name, self.newest, time_ns);
        publish_state(&self.whole, StateName::Given(name), &plain)?;
        self.states.insert(name);
        self.newest = name;
        Ok(())
    }

    /// Deletes states that others replace; returns how many of the chosen ones stayed.
    pub(super) fn remove_replaced(&mut self) -> Result<u64, Error> {
        if self.merge.removed.is_empty() {
            return Ok(0);
        }
        self.look_again()?;
        self.ensure_alone()?;
        let whole = Arc::clone(&self.whole);
        let all = whole.index.merged();
        // Those that the run has written itself are replaced as soon as the others.
        let is_doomed = |id: &StateId| {
            self.merge.removed.contains(id)
                || (self.options.grace.is_zero() && !self.states_before.contains(id))
        };
        let doomed: Vec<_> = all.replaced().filter(|(id, _)| is_doomed(id)).collect();
        let names: HashSet<StateId> = doomed.iter().map(|(id, _)| *id).collect();
        let left: Vec<StateId> = whole.states().iter().copied().filter(|id| !names.contains(id)).collect();
        let without = merged(&whole, &left)?;
        let accounted: HashSet<StateId> = without.replacements().map(|(state, _)| state).collect();
        if !all.says_the_same(&without) || !accounted.is_superset(&names) {
            let text = "replaced states stay: without them, the others do not say the same";
            self.monitor.event(Event::Warning(text));
            return Ok(self.merge.removed.len() as u64);
        }
        self.ensure_alone()?;
        // One after the other, and none after one that stays.
        for (id, _) in doomed {
            self.whole.runtime().proceed()?;
            self.ensure_locked()?;
            if let Err(error) = self.whole.storage().delete(StoreFile::State, &id.0) {
                let text = format!("replaced state {id} is not deleted, a later run will: {error}");
                self.monitor.event(Event::Warning(&text));
                break;
            }
            self.states.remove(&id);
        }
        Ok(self.merge.removed.iter().filter(|id| self.states.contains(id)).count() as u64)
    }
}

/// What some states say together.
fn merged(repository: &Repository, states: &[StateId]) -> Result<Merged, OpenError> {
    let mut merger = Merger::new(Merged::default());
    read_states(repository, states, &mut |state| merger.add(&state))?;
    merger.finish()
}
