//! The `plakar` command line.

fn main() {}
