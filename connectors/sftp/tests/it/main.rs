//! The connector against private OpenSSH servers.

mod storage;
mod support;
