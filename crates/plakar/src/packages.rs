//! Installed packages as connectors: which scheme is served by a package, and when a package comes
//! before what is built in.

use connector_plugin::PluginCommand;
use kloset_connector::{ConnectorError, ErrorKind, Location, Options};
use plakar_pkg::{Packages, PkgError, Role};

use crate::app::App;
use crate::error::{Failure, chain};

/// Option of a place: `true` wants a package even for a built-in scheme, `false` wants none.
const OPTION: &str = "package";

impl App {
    /// The user's packages; nothing is read before they are asked.
    pub fn packages(&self) -> Packages {
        let directories = &self.directories;
        Packages::new(&directories.data, &directories.cache, self.connector_context(), self.runtime())
    }
}

/// Schemes that no package takes over unless a place asks for it.
const BUILT_IN: [&str; 13] = [
    "fs",
    "http",
    "https",
    "ptar",
    "ptar+http",
    "ptar+https",
    "stderr",
    "stdin",
    "stdout",
    "tar",
    "tar+gz",
    "tar+gzip",
    "tgz",
];

/// The package that serves a location, if one should, and the options for its connector.
///
/// Built-in schemes stay built in unless the user prefers the package or the place asks for it.
pub fn command(
    packages: &Packages,
    location: &Location,
    options: &Options,
    role: Role,
) -> Result<Option<(PluginCommand, Options)>, ConnectorError> {
    let scheme = location.scheme.as_str();
    let failed = |error: PkgError| {
        let message = format!("the package for {scheme} cannot be used: {}", chain(&error));
        ConnectorError::new(ErrorKind::Other, "open", location.to_string(), message)
    };
    let asked = options.get(OPTION).map(String::as_str);
    let found = match (asked, scheme) {
        (Some("false"), _) => return Ok(None),
        (None, scheme) if BUILT_IN.contains(&scheme) => return Ok(None),
        (None, "sftp") => packages.connector(scheme, role, &|name| packages.is_preferred(name)),
        _ => packages.connector(scheme, role, &|_| true),
    };
    let Some(command) = found.map_err(failed)? else {
        if asked == Some("true") {
            let message = format!("no installed package serves {scheme}");
            return Err(ConnectorError::new(ErrorKind::Invalid, "open", location.to_string(), message));
        }
        return Ok(None);
    };
    let mut options = options.clone();
    options.remove(OPTION);
    // The location travels by itself.
    options.remove("location");
    Ok(Some((command, options)))
}

/// A failure with packages, for the user.
pub fn failure(what: &str, error: PkgError) -> Failure {
    match error {
        PkgError::Interrupted => Failure::Interrupted,
        error if what.is_empty() => Failure::refused(chain(&error)),
        error => Failure::refused(format!("{what}: {}", chain(&error))),
    }
}
