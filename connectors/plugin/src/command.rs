//! What is started, and what it is told.

use std::collections::HashMap;
use std::path::PathBuf;

use kloset_connector::{ConnectorContext, Location, Options};

/// The executable of one connector of an installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginCommand {
    /// Name of the package, for messages.
    pub package: String,
    /// The program, by its absolute path.
    pub executable: PathBuf,
    /// Its arguments, usually none.
    pub arguments: Vec<String>,
    /// Whether locations are paths of this machine, and relative ones start at the working directory.
    pub local_paths: bool,
    /// Whether to use more than the protocol where the package announces that it can.
    pub extended: bool,
}

impl PluginCommand {
    /// A program without arguments.
    pub fn new(package: impl Into<String>, executable: impl Into<PathBuf>) -> Self {
        Self {
            package: package.into(),
            executable: executable.into(),
            arguments: Vec::new(),
            local_paths: false,
            extended: true,
        }
    }

    /// The map that `Init` carries: all options, and the whole location.
    pub(crate) fn config(
        &self,
        location: &Location,
        options: &Options,
        context: &ConnectorContext,
    ) -> HashMap<String, String> {
        let mut config: HashMap<String, String> =
            options.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        config.insert("location".to_owned(), self.location(location, context).to_string());
        config
    }

    fn location(&self, location: &Location, context: &ConnectorContext) -> Location {
        let mut location = location.clone();
        if self.local_paths && !location.rest.starts_with('/') {
            location.rest = context.working_directory.join(&location.rest).to_string_lossy().into_owned();
        }
        location
    }
}
