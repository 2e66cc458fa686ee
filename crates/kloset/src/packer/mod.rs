//! Builds packfiles in memory.
