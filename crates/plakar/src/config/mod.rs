//! The user's configuration: named stores, sources and destinations.

pub mod directories;
pub mod files;
pub mod import;
pub mod mask;
pub mod policies;
pub mod show;
pub mod yaml;

use std::collections::BTreeMap;
use std::path::PathBuf;

use kloset_connector::Options;

pub use directories::Directories;

/// Which of the three files an entry belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `stores.yml`
    Store,
    /// `sources.yml`
    Source,
    /// `destinations.yml`
    Destination,
}

impl Kind {
    /// All kinds, in the order in which upstream writes their files.
    pub const ALL: [Self; 3] = [Self::Source, Self::Destination, Self::Store];

    /// The word in messages and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }

    /// The plural: key inside the file, and its name without `.yml`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Store => "stores",
            Self::Source => "sources",
            Self::Destination => "destinations",
        }
    }
}

/// The entries of one file.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Section {
    /// Name of the entry used when no location is given; only stores have one.
    pub default: Option<String>,
    /// Entries by name.
    pub entries: BTreeMap<String, Options>,
}

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
