//! Packages as connectors: the conformance suites, and packages that misbehave.

mod destination;
mod memory;
mod misbehaviour;
mod python;
mod source;
mod storage;
mod support;
