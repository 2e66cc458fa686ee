//! Destinations behind a package.
