//! Wrappers around [`crate::Storage`]: one concern each, stacked by the program.

pub mod count;
pub mod retry;
pub mod throttle;
pub mod trace;

pub use count::{CountedStorage, Traffic};
pub use retry::{RetriedStorage, Retrier};
pub use throttle::{Throttle, ThrottledStorage};
pub use trace::TracedStorage;
