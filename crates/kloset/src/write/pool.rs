//! The packers of a transaction: as many as there are cores, borrowed for a file or a chunk.

use std::sync::{Arc, Condvar, Mutex};

use super::packer::Packer;
use crate::guard::guard;

/// As many packers as there are cores: threads borrow one for a file or a chunk.
#[derive(Default)]
pub(super) struct PackerPool {
    idle: Mutex<Vec<Packer>>,
    returned: Condvar,
}

/// A borrowed packer; goes back when dropped.
pub(crate) struct BorrowedPacker {
    packer: Option<Packer>,
    pool: Arc<PackerPool>,
}

impl PackerPool {
    /// Puts packers in.
    pub(super) fn fill(&self, packers: impl Iterator<Item = Packer>) {
        guard(&self.idle).extend(packers);
    }

    /// Borrows a packer, waiting until one is idle.
    pub(super) fn borrow(self: &Arc<Self>) -> BorrowedPacker {
        let idle = guard(&self.idle);
        let mut idle = self
            .returned
            .wait_while(idle, |idle| idle.is_empty())
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        BorrowedPacker { packer: idle.pop(), pool: Arc::clone(self) }
    }

    /// Takes the packers out that nobody has borrowed.
    pub(super) fn take_all(&self) -> Vec<Packer> {
        guard(&self.idle).drain(..).collect()
    }
}

impl Drop for BorrowedPacker {
    fn drop(&mut self) {
        if let Some(packer) = self.packer.take() {
            guard(&self.pool.idle).push(packer);
            self.pool.returned.notify_one();
        }
    }
}

impl std::ops::Deref for BorrowedPacker {
    type Target = Packer;

    fn deref(&self) -> &Packer {
        self.packer.as_ref().expect("a borrowed packer is only taken out by drop")
    }
}

impl std::ops::DerefMut for BorrowedPacker {
    fn deref_mut(&mut self) -> &mut Packer {
        self.packer.as_mut().expect("a borrowed packer is only taken out by drop")
    }
}
