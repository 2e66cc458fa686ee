//! Temporary files whose connection died under them.
//!
//! What a lost connection leaves open is whether the server made the file, and it may still be
//! working on what it received. So each name is removed when there is a connection again, and once
//! more at the end.

use std::collections::BTreeSet;

use kloset_connector::ConnectorError;

use super::Shared;
use crate::answer::asked;
use crate::channel::{Channel, is_missing};
use crate::mailbox::{Mailbox, lock};
use crate::packet::Request;

/// Names that may be left.
#[derive(Default)]
pub(crate) struct Leftovers {
    new: BTreeSet<Vec<u8>>,
    removed_once: BTreeSet<Vec<u8>>,
}

impl Leftovers {
    pub(crate) fn add(&mut self, path: Vec<u8>) {
        self.new.insert(path);
    }
}

/// Removes what the last loss left, if anything.
pub(crate) fn remove_new(shared: &Shared, channel: &Channel) -> Result<(), ConnectorError> {
    let paths = std::mem::take(&mut lock(&shared.leftovers).new);
    if paths.is_empty() {
        return Ok(());
    }
    let result = remove(shared, channel, &paths);
    let mut leftovers = lock(&shared.leftovers);
    match &result {
        Ok(()) => leftovers.removed_once.extend(paths),
        Err(_) => leftovers.new.extend(paths),
    }
    result
}

/// Removes everything that was ever left.
pub(crate) fn remove_all(shared: &Shared) -> Result<(), ConnectorError> {
    let paths: BTreeSet<Vec<u8>> = {
        let leftovers = lock(&shared.leftovers);
        leftovers.new.union(&leftovers.removed_once).cloned().collect()
    };
    if paths.is_empty() {
        return Ok(());
    }
    shared.retrier.run(|| {
        let channel = shared.pool.channel(&shared.pool.patience())?;
        remove(shared, &channel, &paths)
    })
}

fn remove(shared: &Shared, channel: &Channel, paths: &BTreeSet<Vec<u8>>) -> Result<(), ConnectorError> {
    let mailbox = Mailbox::new(shared.pool.patience());
    for path in paths {
        mailbox.send(channel, &Request::Remove { path: path.clone() }, path.clone());
    }
    for _ in paths {
        let (path, reply) = mailbox.receive()?;
        if is_missing(&reply) {
            continue;
        }
        match asked("remove", &path).done(reply) {
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                let events = &shared.pool.context().events;
                events.warning(&format!("a temporary file stays behind: {error}"));
            }
            Ok(()) => {}
        }
    }
    Ok(())
}
