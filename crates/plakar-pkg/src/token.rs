//! The token that a login leaves: from the environment, else from a file only its owner can read.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::PkgError;
use crate::manifest::read_text;

/// The variable that counts before the file.
pub const VARIABLE: &str = "PLAKAR_TOKEN";

/// Where the token is kept.
#[derive(Clone, Debug)]
pub struct TokenFile {
    path: PathBuf,
    /// Value of [`VARIABLE`], if not empty.
    variable: Option<String>,
}

impl TokenFile {
    /// In the cookies below a cache directory; `variable` is the value of [`VARIABLE`].
    pub fn new(cache: &Path, variable: Option<String>) -> Self {
        let path = cache.join("cookies").join("1.0.0").join(".auth-token");
        Self { path, variable: variable.filter(|value| !value.is_empty()) }
    }

    /// The token, if there is one.
    pub fn get(&self) -> Option<String> {
        if let Some(token) = &self.variable {
            return Some(token.clone());
        }
        let text = read_text(&self.path).ok()?;
        let token = text.trim();
        (!token.is_empty()).then(|| token.to_owned())
    }

    /// The token of the environment alone.
    pub fn from_variable(&self) -> Option<&str> {
        self.variable.as_deref()
    }

    /// Keeps a token.
    pub fn put(&self, token: &str) -> Result<(), PkgError> {
        let failed = |error: std::io::Error| PkgError::io("write", &self.path, &error);
        if token.is_empty() || token.chars().any(char::is_control) {
            return Err(PkgError::Refused("the token is empty or not text".to_owned()));
        }
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let temporary = folder.join(format!(".auth-token.{}", std::process::id()));
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(failed)?;
        file.write_all(token.as_bytes()).map_err(failed)?;
        std::fs::rename(&temporary, &self.path).map_err(failed)
    }

    /// Forgets the token; says whether there was one.
    pub fn remove(&self) -> Result<bool, PkgError> {
        match std::fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(PkgError::io("remove", &self.path, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_counts_before_the_file() {
        let temp = tempfile::tempdir().unwrap();
        let file = TokenFile::new(temp.path(), None);
        assert_eq!(file.get(), None);
        assert!(!file.remove().unwrap());
        file.put("secret").unwrap();
        assert_eq!(file.get().as_deref(), Some("secret"));
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file.path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let both = TokenFile::new(temp.path(), Some("other".to_owned()));
        assert_eq!(both.get().as_deref(), Some("other"));
        assert!(file.remove().unwrap());
        assert!(file.put("").is_err());
    }
}
