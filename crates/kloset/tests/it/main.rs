//! Integration tests of the engine.

#![allow(clippy::unwrap_used, missing_docs)]

mod archive;
mod backup;
mod cache;
mod check;
mod crash;
mod damage;
mod faults;
mod fixtures;
mod foreign;
mod maintenance;
mod memory;
mod merging;
mod model;
mod repair;
mod resume;
mod rig;
mod round_trips;
mod sync;
