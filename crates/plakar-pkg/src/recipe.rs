//! `recipe.yaml`: where the sources of a package are.

use std::path::Path;

use serde::Deserialize;

use crate::manifest::{one_line, read_text};
use crate::{PkgError, version};

/// A recipe.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Recipe {
    /// Name of the package.
    pub name: String,
    /// Tag of the version; with a slash, the part before the last one is a folder of the repository.
    pub version: String,
    /// URL that git clones.
    pub repository: String,
}

impl Recipe {
    /// Reads a recipe from text; `path` is where it came from.
    pub fn parse(text: &str, path: &Path) -> Result<Self, PkgError> {
        let bad = |reason: String| PkgError::BadFile { path: path.to_owned(), reason };
        let recipe: Self = serde_saphyr::from_str(text).map_err(|error| bad(one_line(&error)))?;
        let good_name = !recipe.name.is_empty()
            && recipe.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !good_name {
            return Err(bad(format!("invalid name {:?}", recipe.name)));
        }
        if !version::is_valid(recipe.semver()) {
            return Err(PkgError::BadVersion(recipe.semver().to_owned()));
        }
        // Git must not take it for an option.
        if recipe.repository.is_empty() || recipe.repository.starts_with('-') {
            return Err(bad(format!("invalid repository {:?}", recipe.repository)));
        }
        Ok(recipe)
    }

    /// Reads a recipe file.
    pub fn read(path: &Path) -> Result<Self, PkgError> {
        Self::parse(&read_text(path)?, path)
    }

    /// The version itself.
    pub fn semver(&self) -> &str {
        self.version.rsplit('/').next().unwrap_or_default()
    }

    /// The folder of the repository that holds the sources, if not the top.
    pub fn folder(&self) -> Option<&str> {
        self.version.rsplit_once('/').map(|(folder, _)| folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_may_name_a_folder() {
        let recipe =
            Recipe::parse("name: x\nversion: sub/dir/v0.2.0\nrepository: https://h/r\n", Path::new("r"))
                .unwrap();
        assert_eq!((recipe.semver(), recipe.folder()), ("v0.2.0", Some("sub/dir")));
        for bad in [
            "name: 'a b'\nversion: v1\nrepository: x",
            "name: a\nversion: 1\nrepository: x",
            "name: a\nversion: v1\nrepository: --x",
        ] {
            assert!(Recipe::parse(bad, Path::new("r")).is_err(), "{bad}");
        }
    }
}
