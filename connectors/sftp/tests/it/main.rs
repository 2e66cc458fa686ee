//! The connector against private OpenSSH servers.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "tests say what they skip")]

mod destination;
mod dialects;
mod gates;
mod login;
mod source;
mod storage;
mod support;
