//! The messages and services of the package protocol, generated from `proto`.

#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated; documented in the .proto files")]

/// Messages that the services share, and the destination role.
pub mod plakar {
    /// Shared messages.
    pub mod connectors {
        include!("generated/plakar.connectors.rs");
    }
    /// The destination role.
    pub mod exporter {
        include!("generated/plakar.exporter.rs");
    }
}

/// What goes beyond the protocol, between two peers of ours.
pub mod kloset {
    include!("generated/kloset.rs");
}

/// The source role.
pub mod importer {
    include!("generated/importer.rs");
}

/// The storage role.
pub mod store {
    include!("generated/store.rs");
}

pub use plakar::{connectors, exporter};
