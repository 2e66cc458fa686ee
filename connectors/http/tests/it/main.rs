//! Both sides of a store behind HTTP.

mod server;
mod single_file;
mod storage;
mod support;
