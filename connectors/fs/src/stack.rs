//! Folders that wait to be listed, shared by the threads of a walk.
//!
//! A stack rather than a queue: the number of waiting folders stays near the depth of the tree
//! times its width.

use std::sync::{Condvar, Mutex, MutexGuard};

/// A folder that waits to be listed.
pub(crate) struct Folder {
    /// Path inside the snapshot.
    pub(crate) path: Vec<u8>,
    /// File system of the root, to stay on.
    pub(crate) device: u64,
}

/// Folders that wait, and the number of threads at work on one.
#[derive(Default)]
pub(crate) struct Stack {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    folders: Vec<Folder>,
    busy: usize,
}

impl Stack {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Adds folders and wakes threads for them.
    pub(crate) fn push(&self, folders: &mut Vec<Folder>) {
        if folders.is_empty() {
            return;
        }
        let several = folders.len() > 1;
        self.lock().folders.append(folders);
        if several { self.changed.notify_all() } else { self.changed.notify_one() }
    }

    /// The next folder; `None` once there is none and no thread can find more. Whoever takes one
    /// is at work until its [`AtWork`] is dropped.
    pub(crate) fn pop(&self) -> Option<Folder> {
        let mut state = self.lock();
        loop {
            if let Some(folder) = state.folders.pop() {
                state.busy += 1;
                return Some(folder);
            }
            if state.busy == 0 {
                self.changed.notify_all();
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    fn done(&self) {
        let mut state = self.lock();
        state.busy -= 1;
        if state.busy == 0 && state.folders.is_empty() {
            self.changed.notify_all();
        }
    }
}

/// Counts a thread as idle again, also when the sink panics: the others must not wait for ever.
pub(crate) struct AtWork<'a>(&'a Stack);

impl<'a> AtWork<'a> {
    /// Takes charge of a folder just popped.
    pub(crate) fn on(stack: &'a Stack) -> Self {
        Self(stack)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.done();
    }
}
