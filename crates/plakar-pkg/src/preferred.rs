//! The packages that the user wants instead of what is built in, one name a line of a hidden file.

use std::collections::BTreeSet;

use crate::{Packages, PkgError};

const PREFERRED: &str = ".preferred";

impl Packages {
    /// Whether the user wants a package instead of what is built in.
    pub fn is_preferred(&self, name: &str) -> bool {
        self.preferred().contains(name)
    }

    /// Prefers an installed package to what is built in.
    pub fn prefer(&self, name: &str) -> Result<(), PkgError> {
        if self.find(name)?.is_none() {
            return Err(PkgError::NotInstalled(name.to_owned()));
        }
        let _lock = self.lock()?;
        self.write_preferred(|names| {
            names.insert(name.to_owned());
        })
    }

    /// Prefers what is built in.
    pub fn prefer_built_in(&self, name: &str) -> Result<(), PkgError> {
        if !self.is_preferred(name) {
            return Ok(());
        }
        let _lock = self.lock()?;
        self.write_preferred(|names| {
            names.remove(name);
        })
    }

    fn preferred(&self) -> BTreeSet<String> {
        let text = std::fs::read_to_string(self.data.join(PREFERRED)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn write_preferred(&self, change: impl FnOnce(&mut BTreeSet<String>)) -> Result<(), PkgError> {
        let before = self.preferred();
        let mut names = before.clone();
        change(&mut names);
        if names == before {
            return Ok(());
        }
        let path = self.data.join(PREFERRED);
        let text: String = names.iter().map(|name| format!("{name}\n")).collect();
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(".pkg-").tempfile_in(&self.data)?;
            std::io::Write::write_all(&mut file, text.as_bytes())?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error| PkgError::io("write", &path, &error))
    }
}
