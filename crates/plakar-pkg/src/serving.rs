//! Which installed package serves a scheme, and with which of its programs.

use std::collections::BTreeSet;
use std::path::Path;

use connector_plugin::PluginCommand;

use crate::manifest::below;
use crate::{Installed, Manifest, Packages, PkgError};

/// What a package can be for a scheme.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Holds a store.
    Storage,
    /// Is backed up.
    Source,
    /// Is restored to.
    Destination,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Source => "importer",
            Self::Destination => "exporter",
        }
    }
}

impl Packages {
    /// The program that serves a scheme, from the newest package that has one. Only packages that
    /// `wanted` accepts are looked at.
    pub fn connector(
        &self,
        scheme: &str,
        role: Role,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Option<PluginCommand>, PkgError> {
        let mut broken = None;
        for one in self.list()?.iter().rev().filter(|one| one.name.fits_here() && wanted(&one.name.name)) {
            match self.connector_of(one, scheme, role) {
                Ok(Some(command)) => return Ok(Some(command)),
                Ok(None) => {}
                Err(error) => broken = Some(error),
            }
        }
        // A damaged package matters only if no other one serves the scheme.
        match broken {
            Some(error) => Err(error),
            None => Ok(None),
        }
    }

    fn connector_of(
        &self,
        one: &Installed,
        scheme: &str,
        role: Role,
    ) -> Result<Option<PluginCommand>, PkgError> {
        let folder = self.unpacked(one)?;
        let manifest = check(&folder)?;
        let found = manifest.connectors.iter().find(|connector| {
            connector.kind == role.word() && connector.protocols.iter().any(|protocol| protocol == scheme)
        });
        Ok(found.and_then(|connector| {
            let mut command = PluginCommand::new(&one.name.name, folder.join(below(&connector.executable)?));
            command.arguments.clone_from(&connector.args);
            command.local_paths = connector.has_local_paths();
            Some(command)
        }))
    }

    /// Schemes that an installed package serves, in any role.
    pub fn schemes(&self, one: &Installed) -> Result<BTreeSet<String>, PkgError> {
        Ok(schemes(&check(&self.unpacked(one)?)?))
    }
}

/// Reads the manifest of an unpacked package and looks at its executables.
pub(crate) fn check(folder: &Path) -> Result<Manifest, PkgError> {
    let path = folder.join("manifest.yaml");
    let manifest = Manifest::read(&path)?;
    for connector in &manifest.connectors {
        let Some(executable) = below(&connector.executable) else { continue };
        let known = !manifest.unknown_kinds().contains(&connector.kind.as_str());
        if known && !folder.join(executable).is_file() {
            let reason = format!("it names {:?}, which is not in the package", connector.executable);
            return Err(PkgError::BadFile { path, reason });
        }
    }
    Ok(manifest)
}

/// Schemes of the connectors that this program has a use for.
pub(crate) fn schemes(manifest: &Manifest) -> BTreeSet<String> {
    let unknown = manifest.unknown_kinds();
    let known = manifest.connectors.iter().filter(|one| !unknown.contains(&one.kind.as_str()));
    known.flat_map(|connector| connector.protocols.iter().cloned()).collect()
}
