//! The user's configuration: named stores, sources and destinations.

pub mod directories;
pub mod files;
pub mod import;
pub mod mask;
pub mod policies;
mod section;
pub mod show;
pub mod yaml;

use std::path::PathBuf;

pub use directories::Directories;
pub use section::{Kind, Section};

/// Why the configuration cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("could not load configuration: failed to read config file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be understood.
    #[error("could not load configuration: failed to parse config file: {}: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its place.
        reason: String,
    },
    /// A file cannot be written.
    #[error("could not save configuration: {}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The three files together.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Configuration {
    /// Stores.
    pub stores: Section,
    /// Sources.
    pub sources: Section,
    /// Destinations.
    pub destinations: Section,
}

impl Configuration {
    /// The entries of one kind.
    pub fn section(&self, kind: Kind) -> &Section {
        match kind {
            Kind::Store => &self.stores,
            Kind::Source => &self.sources,
            Kind::Destination => &self.destinations,
        }
    }

    /// The entries of one kind, to change.
    pub fn section_mut(&mut self, kind: Kind) -> &mut Section {
        match kind {
            Kind::Store => &mut self.stores,
            Kind::Source => &mut self.sources,
            Kind::Destination => &mut self.destinations,
        }
    }
}
