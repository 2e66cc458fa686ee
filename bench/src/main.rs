//! Side-by-side benchmarks of backup programs.
mod error;
mod rng;
mod tree;
mod workload;

fn main() {}
