//! Conformance suites: what every connector must do, run against each of them.
//!
//! A suite takes a factory that turns the path of a local folder into a connector for it, so
//! that the suite can build, inspect and damage the folder behind the connector's back. A remote
//! connector's factory names the same folder through a private server.

#![allow(clippy::print_stderr, reason = "tests name their cases and what they skip")]

pub mod destination;
pub mod drive;
pub mod source;
pub mod storage;

/// Names a case before it runs, so that a failure is easy to place.
fn announce(suite: &str, sentence: &str) {
    eprintln!("{suite}: {sentence}");
}
