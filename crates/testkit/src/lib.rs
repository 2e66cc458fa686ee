//! Everything that tests share: trees, servers, proxies, conformance suites.
