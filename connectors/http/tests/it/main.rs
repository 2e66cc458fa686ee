//! Both sides of a store behind HTTP.

mod server;
mod storage;
mod support;
