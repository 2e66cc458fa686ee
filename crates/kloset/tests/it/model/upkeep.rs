//! Steps that keep a store in order, and copies between stores.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use kloset::dup::duplicate;
use kloset::maintenance::{MaintenanceOptions, maintain};
use kloset::remove::remove;
use kloset::repair::repair;
use kloset::sync::{Removed, sync};
use kloset::{Error, Repository, SilentMonitor, Snapshot};
use kloset_connector::StoreFile;
use kloset_format::SnapshotId;

use super::Model;
use super::side::Side;
use crate::rig::{other_store, small_store};

/// Bytes of a store at most, for each hundred of a fresh one with the same snapshots.
const PERCENT_MAX: u64 = 120;
/// Stores below this are made of a few packfiles of which half is padding.
const SMALL_BYTES: u64 = 1 << 20;
/// Padding of a packfile.
const PADDING_BYTES: u64 = 76 << 10;

pub fn copy(
    source: &Arc<Repository>,
    target: &Arc<Repository>,
    ids: &[SnapshotId],
    removed: Removed,
) -> Result<(), Error> {
    let report = sync(source, target, ids, removed, &SilentMonitor, &mut |_| {})?;
    assert_eq!(report.failed, 0, "a snapshot that is whole was not copied");
    Ok(())
}

impl Model {
    pub fn maintenance(&mut self) -> MaintenanceOptions {
        let grace = Duration::from_secs(self.numbers.below(2) as u64 * 900);
        let repack = self.numbers.below(2) == 0;
        MaintenanceOptions { grace, repack, ..MaintenanceOptions::default() }
    }

    pub fn maintain(&mut self) {
        let (options, machine) = (self.maintenance(), self.some_machine());
        self.stale.swept_since = true;
        let client = match self.numbers.below(3) {
            0 => Arc::clone(&self.stale.repository),
            1 => self.cached_client(),
            _ => self.main.open(&machine),
        };
        let outcome = maintain(&client, &options, &SilentMonitor);
        self.say(format!("maintenance, repack: {}, grace {:?}: {outcome:?}", options.repack, options.grace));
        self.done(outcome);
    }

    pub fn repair(&mut self) {
        let machine = self.some_machine();
        let client = if self.numbers.below(2) == 0 {
            Arc::clone(&self.stale.repository)
        } else {
            self.main.open(&machine)
        };
        let outcome = repair(&client, &SilentMonitor);
        self.say(format!(
            "repair: {:?}",
            outcome.as_ref().map(|done| (done.packfiles, done.snapshots.len()))
        ));
        if let Some(done) = self.done(outcome) {
            assert_eq!(done.damaged, 0, "{}", self.story());
            self.adopt_what_was_unfinished();
        }
    }

    pub fn duplicate(&mut self) {
        let by_stale = self.numbers.below(2) == 0;
        let client =
            if by_stale { Arc::clone(&self.stale.repository) } else { self.main.open(&self.machine()) };
        let ids = if by_stale { self.stale.seen.clone() } else { self.main.ids() };
        let Some(&id) = ids.get(self.numbers.below(ids.len())) else { return };
        self.say(format!("dup of {}, stale: {by_stale}", id.short()));
        let is_listed = self.main.ids().contains(&id);
        let outcome = Snapshot::open(&client, id).and_then(|snapshot| duplicate(&snapshot));
        match outcome {
            // Removed by others, or moved by them to where an old view does not look.
            Err(_) if !is_listed || (by_stale && self.stale.swept_since) => {}
            outcome => {
                if let Some(copy) = self.done(outcome) {
                    assert!(is_listed, "a removed snapshot was duplicated: {}", self.story());
                    self.main.expect(copy.snapshot, self.main.contents(id));
                }
            }
        }
    }

    /// Copies some snapshots to the other store.
    pub fn synchronize(&mut self) {
        let ids = self.main.ids();
        let chosen = self.choose(&ids, 2);
        let machine = self.some_machine();
        let (source, target) = (self.main.open(&self.machine()), self.peer.open(&machine));
        self.say(format!("sync {} to the other store", chosen.len()));
        if self.done(copy(&source, &target, &chosen, Removed::Skip)).is_some() {
            let kept = chosen.iter().filter(|id| !self.peer.removed.iter().any(|(gone, _)| gone == *id));
            for &id in kept.collect::<Vec<_>>() {
                self.peer.expect(id, self.main.contents(id));
            }
        }
    }

    /// Copies some snapshots back, removed ones too.
    pub fn bring_back(&mut self) {
        let mut chosen = self.choose(&self.peer.ids(), 3);
        chosen.retain(|id| !self.removed_behind.contains(id));
        let machine = self.some_machine();
        let (source, target) = (self.peer.open(&self.machine()), self.main.open(&machine));
        self.say(format!("bring {} back", chosen.len()));
        if self.done(copy(&source, &target, &chosen, Removed::BringBack)).is_some() {
            for &id in &chosen {
                self.main.expect(id, self.peer.contents(id));
                self.brought_back.insert(id);
                // The stale client cannot know that its removal would come after this.
                self.stale.seen.retain(|seen| *seen != id);
            }
        }
    }

    /// The other store gets rid of some, and of their space.
    pub fn remove_from_peer(&mut self) {
        let chosen = self.choose(&self.peer.ids(), 2);
        self.say(format!("remove {} of the other store", chosen.len()));
        let client = self.peer.open(&self.machine());
        if self.done(remove(&client, &chosen)).is_some() {
            chosen.iter().for_each(|&id| self.peer.forget(id));
        }
        let options = self.maintenance();
        let outcome = maintain(&client, &options, &SilentMonitor);
        self.done(outcome);
    }

    /// Locks of the dead become stale.
    pub fn wait(&mut self) {
        self.pass_time(Duration::from_secs(660));
        self.say("time passes");
    }

    /// Two runs of maintenance leave hardly more than the snapshots need.
    pub fn tidy_up(&mut self) {
        self.pass_time(Duration::from_secs(24 * 3600));
        self.say("tidy up");
        self.stale.swept_since = true;
        let options =
            MaintenanceOptions { grace: Duration::ZERO, repack: true, ..MaintenanceOptions::default() };
        for side in [&self.main, &self.peer] {
            for _ in 0..2 {
                let report = maintain(&side.open(&self.machine()), &options, &SilentMonitor)
                    .unwrap_or_else(|error| panic!("{error}: {}", self.story()));
                println!("model: {}: {report:?}", side.name);
                self.clock.seconds.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        self.compare(true);
        for side in [&self.main, &self.peer] {
            let fresh = if side.name == "main" { other_store(4 << 10) } else { small_store() };
            let fresh = Side::new("fresh", fresh);
            let (source, target) = (side.open(&self.machine()), fresh.open(&self.machine()));
            copy(&source, &target, &side.ids(), Removed::Skip).unwrap();
            let bytes = |side: &Side| {
                let [packfiles, states] =
                    [StoreFile::Packfile, StoreFile::State].map(|file| side.store.bytes_in(file));
                println!(
                    "model: {}: {} snapshots, {packfiles} bytes of packfiles, {states} of {} states",
                    side.name,
                    side.snapshots.len(),
                    side.store.names(StoreFile::State).len(),
                );
                packfiles + states
            };
            let (ours, least) = (bytes(side), bytes(&fresh));
            let percent = (ours * 100).checked_div(least).unwrap_or(100);
            println!("model: {}: {percent} % of a fresh store", side.name);
            // Of a store of a few packfiles, half is padding: one more or less is not waste.
            let rounding = if least < SMALL_BYTES { PADDING_BYTES } else { 0 };
            assert!(
                ours * 100 <= least * PERCENT_MAX + rounding * 100,
                "{}: {ours}, not {least}: {}",
                side.name,
                self.story()
            );
        }
    }

    /// Takes over snapshots that a repair has found, if they are what somebody wanted to store.
    pub fn adopt_what_was_unfinished(&mut self) {
        let machine = self.machine();
        for id in self.main.unexpected(&machine) {
            assert!(!self.main.removed.iter().any(|(gone, _)| *gone == id), "{id} is back: {}", self.story());
            let read = crate::rig::read_back(&self.main.open(&machine), id);
            let read = read.unwrap_or_else(|error| panic!("{id} is not whole: {error}: {}", self.story()));
            assert!(self.main.unfinished.iter().any(|one| **one == read), "{id}: {}", self.story());
            self.main.expect(id, Rc::new(read));
        }
    }
}
