//! The connector against private OpenSSH servers.

mod destination;
mod source;
mod storage;
mod support;
