//! Packages: made, fetched, verified, installed, found by scheme.
//!
//! A package is a single-file store with one snapshot: a manifest and the executables of its
//! connectors. [`Packages`] are those installed for one user; nothing is loaded before a scheme
//! asks for it. [`Remote`] is the place that packages are fetched from, and nothing is fetched
//! before the user asks for it.

pub mod account;
mod build;
mod create;
mod error;
mod extract;
mod installed;
pub mod manifest;
pub mod name;
mod preferred;
mod recipe;
mod remote;
mod serving;
pub mod token;
pub mod version;

pub use build::{BuildRequest, Built, build, build_own, own_package};
pub use create::create;
pub use error::PkgError;
pub use installed::{Added, Installed, Packages, Upgrade};
pub use manifest::Manifest;
pub use name::PackageName;
pub use plugin_sdk::convert::{go_arch, go_os};
pub use recipe::Recipe;
pub use remote::{API_BASE, Available, PACKAGES_BASE, Remote};
pub use serving::Role;
pub use token::TokenFile;

/// Version of the interface between plakar and packages: part of paths and of the index.
pub const API_VERSION: &str = "v1.1.0";
