//! Branches: states that the newest one does not build on.
//!
//! Clients that publish at the same moment name the same parent, and only one of them is built on
//! ([`super::Merged::newest`]). A state has one parent, so branches never join again. Where the other states stand in the order of application is
//! left open by the format: what one of them said may come after what a later state took back.

use std::collections::{HashMap, HashSet};

use kloset_format::StateId;

/// The states that `newest` does not build on, as chains from old to new: a state that builds on the last one
/// of a chain comes after all of it. `parents` has the order of `states`, and parents come before children.
pub(super) fn beside(newest: StateId, states: &[StateId], parents: &[StateId]) -> Vec<Vec<StateId>> {
    let parent_of: HashMap<StateId, StateId> = states.iter().copied().zip(parents.iter().copied()).collect();
    let mut taken = HashSet::new();
    let mut up_from = |tip: StateId| {
        let mut chain = Vec::new();
        let mut at = tip;
        while let Some(&parent) = parent_of.get(&at)
            && taken.insert(at)
        {
            chain.push(at);
            at = parent;
        }
        chain.reverse();
        chain
    };
    up_from(newest);
    // The newest states are tips; whatever is met later and not taken yet is the tip of another branch.
    states.iter().rev().map(|&state| up_from(state)).filter(|chain| !chain.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> StateId {
        StateId([number; 32])
    }

    fn beside_of(newest: u8, history: &[(u8, u8)]) -> Vec<Vec<u8>> {
        let states: Vec<StateId> = history.iter().map(|(state, _)| id(*state)).collect();
        let parents: Vec<StateId> = history.iter().map(|(_, parent)| id(*parent)).collect();
        let chains = beside(id(newest), &states, &parents);
        chains.into_iter().map(|chain| chain.into_iter().map(|state| state.0[0]).collect()).collect()
    }

    #[test]
    fn a_straight_history_has_no_branches() {
        assert!(beside_of(3, &[(1, 0), (2, 1), (3, 2)]).is_empty());
        assert!(beside_of(0, &[]).is_empty());
    }

    #[test]
    fn each_branch_is_told_from_old_to_new_and_no_state_twice() {
        let history = [(1, 0), (2, 1), (3, 1), (4, 2), (5, 3), (6, 3), (7, 4)];
        assert_eq!(beside_of(7, &history), [vec![3, 6], vec![5]]);
        // One whose parent is gone is a branch of its own.
        assert_eq!(beside_of(2, &[(1, 0), (9, 8), (2, 1)]), [vec![9]]);
    }
}
