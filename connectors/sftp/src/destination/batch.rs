//! Running a batch to its end through lost connections.

use std::sync::Arc;
use std::time::Instant;

use kloset_connector::{ConnectorError, ErrorKind};

use super::leftovers::remove_new;
use super::{Shared, copy_error};
use crate::channel::Channel;

/// One pass over the items of these indexes.
pub(crate) type Attempt<'a> = &'a mut dyn FnMut(&[Arc<Channel>], &[usize]) -> Lost;

/// Runs `attempt` over all items, then over those that it gives back as lost, until none are left
/// or patience ends. `attempt` gets live channels and the indexes to do; `give_up` gets the index
/// of each item that could not be done and the reason.
pub(crate) fn run(
    shared: &Shared,
    count: usize,
    attempt: Attempt<'_>,
    give_up: &mut dyn FnMut(usize, ConnectorError),
) {
    let mut left: Vec<usize> = (0..count).collect();
    let mut wait = shared.retrier.policy().first_wait;
    while !left.is_empty() {
        let started = Instant::now();
        let before = left.len();
        let cause = match shared.pool.channels(&shared.pool.patience()) {
            Ok(channels) => {
                // A new loss shows in the attempt as well.
                if let Some(first) = channels.first() {
                    let _ = remove_new(shared, first);
                }
                let lost = attempt(&channels, &left);
                left = lost.items;
                match lost.cause {
                    Some(cause) if !left.is_empty() => cause,
                    _ => continue,
                }
            }
            Err(error) => error,
        };
        if left.len() < before {
            shared.retrier.progress();
            wait = shared.retrier.policy().first_wait;
        }
        if !cause.is_transient() {
            return left.iter().for_each(|&index| give_up(index, copy_error(&cause)));
        }
        if let Err(error) = shared.retrier.pause(&mut wait, started, cause) {
            return left.iter().for_each(|&index| give_up(index, copy_error(&error)));
        }
    }
    shared.retrier.progress();
}

/// Items to be done again.
#[derive(Default)]
pub(crate) struct Lost {
    pub(crate) items: Vec<usize>,
    pub(crate) cause: Option<ConnectorError>,
}

impl Lost {
    pub(crate) fn note(&mut self, index: usize, error: ConnectorError) {
        self.items.push(index);
        self.cause.get_or_insert(error);
    }

    /// The attempt ended early: everything that was not reported is left.
    pub(crate) fn all(items: Vec<usize>, error: ConnectorError) -> Self {
        Self { items, cause: Some(error) }
    }
}

/// What an attempt without any channel would fail with; kept for form's sake.
pub(crate) fn no_channel() -> ConnectorError {
    ConnectorError::new(ErrorKind::Transient, "write to", "the server", "no channel is open")
}
