//! Merge rules, on states made by hand.

use kloset_format::state::StateWriter;
use kloset_format::{Mac, PackfileId, ResourceType, SnapshotId, StateId, Version};

use super::{Index, LoadedState, View};
use crate::BlobId;

fn build(states: Vec<LoadedState>) -> Result<Index, crate::OpenError> {
    super::build(states, View::Live)
}

fn mac(byte: u8) -> Mac {
    Mac([byte; 32])
}

fn pack(byte: u8) -> PackfileId {
    PackfileId([byte; 32])
}

fn state(id: u8, parent: u8, time: i64, fill: impl FnOnce(&mut StateWriter)) -> LoadedState {
    let parent = if parent == 0 { StateId::ZERO } else { StateId([parent; 32]) };
    let mut writer = StateWriter::new(parent);
    fill(&mut writer);
    LoadedState {
        id: StateId([id; 32]),
        version: Version::V1_1_0,
        plain: writer.finish(Version::V1_1_0, time, [0; 16]),
    }
}

fn with_snapshot(id: u8, parent: u8, time: i64, snapshot: u8, packfile: u8) -> LoadedState {
    state(id, parent, time, |writer| {
        writer.location(ResourceType::SNAPSHOT, Version::V1_0_0, &mac(snapshot), &pack(packfile), 7, 9);
        writer.packfile(&pack(packfile), &StateId([id; 32]), time);
    })
}

#[test]
fn location_counts_only_with_its_packfile_entry() {
    let orphan = state(1, 0, 1, |writer| {
        writer.location(ResourceType::CHUNK, Version::V1_0_0, &mac(5), &pack(6), 0, 1);
    });
    let index = build(vec![orphan, with_snapshot(2, 1, 2, 9, 8)]).unwrap();
    assert!(index.find(BlobId::new(ResourceType::CHUNK, mac(5))).is_none());
    assert_eq!(index.snapshots(), vec![SnapshotId([9; 32])]);
    assert_eq!(index.newest_state(), StateId([2; 32]));
}

#[test]
fn coloured_packfile_hides_its_blobs_and_uncolouring_brings_them_back() {
    let colour = state(2, 1, 2, |writer| writer.coloured(ResourceType::PACKFILE, &mac(8), 5));
    let index = build(vec![with_snapshot(1, 0, 1, 9, 8), colour]).unwrap();
    assert!(index.snapshots().is_empty());
    let colour = state(2, 1, 2, |writer| writer.coloured(ResourceType::PACKFILE, &mac(8), 5));
    let undo = state(3, 2, 3, |writer| writer.delete(3, ResourceType::PACKFILE, &mac(8), &pack(0)));
    let index = build(vec![undo, colour, with_snapshot(1, 0, 1, 9, 8)]).unwrap();
    assert_eq!(index.snapshots().len(), 1);
}

#[test]
fn removed_snapshot_is_not_listed() {
    let removal = state(2, 1, 2, |writer| writer.coloured(ResourceType::SNAPSHOT, &mac(9), 5));
    let index = build(vec![removal, with_snapshot(1, 0, 1, 9, 8)]).unwrap();
    assert!(index.snapshots().is_empty());
}

#[test]
fn deleting_a_packfile_is_final_even_when_applied_first() {
    let deletion = state(1, 0, 1, |writer| writer.delete(4, ResourceType(0), &mac(0), &pack(8)));
    let index = build(vec![deletion, with_snapshot(2, 0, 2, 9, 8)]).unwrap();
    assert!(index.snapshots().is_empty());
}

#[test]
fn the_newest_copy_of_a_blob_is_the_one_that_counts() {
    let blob = BlobId::new(ResourceType::SNAPSHOT, mac(9));
    let copies = [with_snapshot(1, 0, 1, 9, 8), with_snapshot(2, 1, 2, 9, 7)];
    let [old, new] = copies;
    assert_eq!(build(vec![new, old]).unwrap().find(blob).unwrap().packfile, pack(7));
}

#[test]
fn the_whole_view_shows_marked_packfiles_and_prefers_copies_that_are_there() {
    let blob = BlobId::new(ResourceType::SNAPSHOT, mac(9));
    let colour = || state(3, 2, 3, |writer| writer.coloured(ResourceType::PACKFILE, &mac(7), 5));
    let states = || vec![with_snapshot(1, 0, 1, 9, 8), with_snapshot(2, 1, 2, 9, 7), colour()];
    let found = |listed: &[u8]| {
        let listed = listed.iter().map(|&byte| pack(byte)).collect();
        let index = super::build(states(), View::Everything { listed: &listed }).unwrap();
        assert_eq!(index.packfile_list().len(), 2);
        assert_eq!(index.coloured().get(&pack(7)), Some(&5));
        assert!(index.held().iter().all(|held| (held.blobs, held.bytes) == (1, 9)));
        index.find(blob).unwrap().packfile
    };
    assert_eq!(found(&[7, 8]), pack(8));
    assert_eq!(found(&[7]), pack(7));
    assert_eq!(found(&[8]), pack(8));
}

#[test]
fn states_that_packfiles_name_and_that_are_gone_are_known() {
    let strange = state(1, 0, 1, |writer| writer.packfile(&pack(8), &StateId([6; 32]), 1));
    assert!(build(vec![strange]).unwrap().missing_states().contains_key(&StateId([6; 32])));
    assert!(build(vec![with_snapshot(1, 0, 1, 9, 8)]).unwrap().missing_states().is_empty());
}

#[test]
fn loop_of_parents_is_damage() {
    assert!(build(vec![with_snapshot(1, 2, 1, 9, 8), with_snapshot(2, 1, 2, 7, 6)]).is_err());
}
