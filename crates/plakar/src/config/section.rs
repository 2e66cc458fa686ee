//! The entries of one configuration file, and which file it is.

use std::collections::BTreeMap;

use kloset_connector::Options;

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
