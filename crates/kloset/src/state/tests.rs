//! Merge rules, on states made by hand.

use kloset_codec::hash::{HashAlgorithm, MacKey};
use kloset_format::state::StateWriter;
use kloset_format::{Mac, PackfileId, ResourceType, SnapshotId, StateId, Version};

use super::{Index, LoadedState, Merged, Merger, View};
use crate::BlobId;

fn merge(base: Merged, states: &[LoadedState]) -> Result<Merger, crate::OpenError> {
    let mut merger = Merger::new(base);
    states.iter().try_for_each(|state| merger.add(state))?;
    Ok(merger)
}

fn build_as(states: Vec<LoadedState>, view: View<'_>) -> Result<Index, crate::OpenError> {
    Ok(Index::new(merge(Merged::default(), &states)?.finish()?, view))
}

fn build(states: Vec<LoadedState>) -> Result<Index, crate::OpenError> {
    build_as(states, View::Live)
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
        let index = build_as(states(), View::Everything { listed: &listed }).unwrap();
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

/// A state that tells of chunks in a packfile and of nothing else.
fn checkpoint(id: u8, parent: u8, time: i64, chunk: u8, packfile: u8) -> LoadedState {
    state(id, parent, time, |writer| {
        writer.location(ResourceType::CHUNK, Version::V1_0_0, &mac(chunk), &pack(packfile), 0, 5);
        writer.packfile(&pack(packfile), &StateId([id; 32]), time);
    })
}

fn left_in(index: &Index) -> Vec<PackfileId> {
    let left = index.packfiles().into_iter().zip(index.left_behind());
    let mut left: Vec<_> = left.filter(|(_, left)| *left).map(|(id, _)| id).collect();
    left.sort();
    left
}

fn left_behind(states: Vec<LoadedState>) -> Vec<PackfileId> {
    left_in(&build(states).unwrap())
}

#[test]
fn only_checkpoints_after_the_last_snapshot_were_left_behind() {
    let before = || vec![checkpoint(1, 0, 10, 1, 11), with_snapshot(2, 1, 20, 2, 12)];
    let with = |more: Vec<LoadedState>| left_behind(before().into_iter().chain(more).collect());
    assert_eq!(with(vec![]), []);
    let two = || vec![checkpoint(3, 2, 30, 3, 13), checkpoint(4, 3, 40, 4, 14)];
    assert_eq!(with(two()), [pack(13), pack(14)]);
    let removal = state(5, 4, 50, |writer| writer.coloured(ResourceType::SNAPSHOT, &mac(2), 5));
    assert_eq!(with(two().into_iter().chain([removal]).collect()), [pack(13), pack(14)]);
    let mark = state(5, 4, 50, |writer| writer.coloured(ResourceType::PACKFILE, &mac(13), 5));
    assert_eq!(with(two().into_iter().chain([mark]).collect()), [pack(14)]);
    let published = with_snapshot(5, 4, 50, 5, 15);
    assert_eq!(with(two().into_iter().chain([published]).collect()), []);
}

#[test]
fn states_that_only_move_blobs_leave_nothing_behind() {
    let moved = checkpoint(3, 2, 30, 1, 13);
    let marked = state(4, 3, 40, |writer| {
        writer.location(ResourceType::CHUNK, Version::V1_0_0, &mac(4), &pack(14), 0, 5);
        writer.packfile(&pack(14), &StateId([4; 32]), 40);
        writer.coloured(ResourceType::PACKFILE, &mac(11), 40);
    });
    let states = vec![checkpoint(1, 0, 10, 1, 11), with_snapshot(2, 1, 20, 2, 12), moved, marked];
    assert_eq!(left_behind(states), []);
}

#[test]
fn loop_of_parents_is_damage() {
    assert!(build(vec![with_snapshot(1, 2, 1, 9, 8), with_snapshot(2, 1, 2, 7, 6)]).is_err());
}

/// A history in which everything happens: copies, marks, deletions, a missing parent.
fn history() -> Vec<LoadedState> {
    let mut states = vec![
        with_snapshot(1, 0, 10, 9, 8),
        with_snapshot(2, 1, 20, 7, 6),
        state(3, 2, 30, |writer| writer.coloured(ResourceType::PACKFILE, &mac(8), 5)),
        with_snapshot(4, 3, 40, 9, 5),
        state(5, 4, 50, |writer| {
            writer.delete(4, ResourceType(0), &mac(0), &pack(8));
            writer.delete(3, ResourceType::PACKFILE, &mac(8), &pack(0));
        }),
        state(6, 99, 60, |writer| writer.packfile(&pack(3), &StateId([98; 32]), 1)),
        state(7, 6, 70, |writer| writer.coloured(ResourceType::SNAPSHOT, &mac(7), 5)),
        state(8, 7, 80, |writer| {
            writer.delete(2, ResourceType::SNAPSHOT, &mac(9), &pack(5));
            writer.location(ResourceType::SNAPSHOT, Version::V1_0_0, &mac(9), &pack(6), 1, 2);
        }),
    ];
    for at in 0..20u8 {
        states.push(with_snapshot(100 + at, 8, 90 + i64::from(at), 100 + at, 150 + at / 3));
    }
    states.push(checkpoint(200, 8, 120, 200, 201));
    states.push(checkpoint(201, 200, 130, 200, 202));
    states.push(checkpoint(202, 201, 140, 203, 203));
    states
}

fn all_of(index: &Index) -> String {
    let mut snapshots: Vec<_> = index
        .snapshots()
        .iter()
        .map(|id| (*id, index.find(BlobId::new(ResourceType::SNAPSHOT, Mac(id.0)))))
        .collect();
    snapshots.sort();
    let mut packfiles = index.packfiles();
    packfiles.sort();
    let mut held: Vec<_> =
        index.packfile_list().iter().zip(index.held()).map(|(id, held)| (*id, held.blobs)).collect();
    held.sort();
    let missing = (index.missing_parents(), index.missing_states());
    let left = left_in(index);
    format!(
        "{left:?} {snapshots:?} {packfiles:?} {held:?} {missing:?} {:?} {:?}",
        index.states(),
        index.coloured()
    )
}

#[test]
fn what_is_merged_in_steps_or_saved_between_them_says_the_same() {
    let key = MacKey::new(HashAlgorithm::Blake3, [7; 32]);
    let whole = all_of(&build(history()).unwrap());
    assert_eq!(left_behind(history()), [pack(201), pack(203)]);
    for cut in 0..history().len() {
        let (mut first, mut rest) = (history(), history());
        let rest = rest.split_off(cut);
        first.truncate(cut);
        let base = merge(Merged::default(), &first).unwrap().finish().unwrap();
        let mut compact = base.clone();
        compact.compact();
        let saved = super::saved::encode(&compact, &key);
        assert_eq!(super::saved::states_of(&saved).unwrap(), base.states());
        let restored = super::saved::decode(saved, &key).unwrap();
        for base in [base, compact, restored] {
            let merger = merge(base, &rest).unwrap();
            assert!(merger.continues());
            let merged = merger.finish().unwrap();
            assert_eq!(all_of(&Index::new(merged, View::Live)), whole, "cut at {cut}");
        }
    }
}

#[test]
fn a_state_that_belongs_between_merged_ones_cannot_be_added_to_them() {
    let base = || merge(Merged::default(), &history()[..6]).unwrap().finish().unwrap();
    let late = with_snapshot(50, 1, 15, 50, 51);
    assert!(!merge(base(), &[late]).unwrap().continues());
    let lost_parent = with_snapshot(99, 1, 1000, 50, 51);
    assert!(!merge(base(), &[lost_parent]).unwrap().continues());
}

#[test]
fn a_saved_file_that_was_changed_is_not_believed() {
    let key = MacKey::new(HashAlgorithm::Blake3, [7; 32]);
    let mut merged = merge(Merged::default(), &history()).unwrap().finish().unwrap();
    merged.compact();
    let saved = super::saved::encode(&merged, &key);
    for at in 0..saved.len() {
        let mut changed = saved.clone();
        changed[at] ^= 1;
        assert!(super::saved::decode(changed, &key).is_none());
        assert!(super::saved::decode(saved[..at].to_vec(), &key).is_none());
        let _ = super::saved::states_of(&saved[..at]);
    }
    let other = MacKey::new(HashAlgorithm::Blake3, [8; 32]);
    assert!(super::saved::decode(saved, &other).is_none());
}
