//! The write side of a repository: packfiles built in memory, uploaded in the background,
//! published by states.
//!
//! Order of a transaction, each step confirmed before the next depends on it: lock → packfiles
//! (any order, in parallel) → all of them acknowledged → state → state read back → unlock. A
//! state names only packfiles whose upload was acknowledged; the first failed upload fails the
//! whole transaction.

mod builder;
mod lock;
mod packer;
mod pool;
mod present;
mod publish;
mod take_back;
mod transaction;
mod uploads;

pub(crate) use builder::{FRONT_PADDING_BYTES_MAX, PADDING_BYTES};
pub(crate) use lock::{LockKind, StoreLock, read_lock};
pub(crate) use packer::{Packer, Stream};
pub(crate) use pool::BorrowedPacker;
pub(crate) use present::changed;
pub(crate) use publish::{StateName, publish_state};
pub(crate) use take_back::TakenBack;
pub(crate) use transaction::Transaction;
pub(crate) use uploads::seal_above_bytes;
