//! Everything that tests share: trees, servers, proxies, conformance suites.

pub mod proxy;
pub mod sshd;
pub mod suites;
pub mod tree;
