//! The connector against private OpenSSH servers.

mod source;
mod storage;
mod support;
