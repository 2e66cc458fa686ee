//! The connector against private OpenSSH servers.

mod destination;
mod gates;
mod login;
mod source;
mod storage;
mod support;
