//! Version numbers as they stand in envelopes and records.

use std::fmt;

/// `major << 16 | minor << 8 | patch`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Version(pub u32);

impl Version {
    /// The version of every blob type and of CONFIG, locks and packfiles.
    pub const V1_0_0: Self = Self(0x0001_0000);
    /// The version of states written by Kloset 1.1.
    pub const V1_1_0: Self = Self(0x0001_0100);
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0 >> 16, (self.0 >> 8) & 0xff, self.0 & 0xff)
    }
}
