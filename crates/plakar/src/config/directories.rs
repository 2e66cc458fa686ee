//! Where configuration and cache lie, and whose home it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::Globals;

/// The directories of the program and the user's home.
#[derive(Clone, Debug)]
pub struct Directories {
    /// Configuration files.
    pub config: PathBuf,
    /// Disposable things.
    pub cache: PathBuf,
    /// Things to keep.
    pub data: PathBuf,
    /// `$HOME`, else the home of the password database.
    pub home: PathBuf,
}

impl Directories {
    /// From flags, then `XDG_…`, then the home directory.
    pub fn find(globals: &Globals) -> Self {
        let home = home();
        let place = |flag: &Option<PathBuf>, variable: &str, below: &str| {
            flag.clone().unwrap_or_else(|| match variable_path(variable) {
                Some(base) => base.join("plakar"),
                None => home.join(below).join("plakar"),
            })
        };
        let config = globals.configdir.clone().or_else(|| globals.config.clone());
        Self {
            config: place(&config, "XDG_CONFIG_HOME", ".config"),
            cache: place(&globals.cachedir, "XDG_CACHE_HOME", ".cache"),
            data: place(&globals.datadir, "XDG_DATA_HOME", ".local/share"),
            home,
        }
    }

    /// The local cache of stores. Not upstream's folder, whose format is private to it.
    pub fn store_cache(&self) -> PathBuf {
        self.cache.join("kloset-rs")
    }

    /// What this client remembers of the stores it has seen: it outlives the cache.
    pub fn store_memory(&self) -> PathBuf {
        self.data.join("seen-stores")
    }

    /// The cookie that turns the update check off.
    pub fn security_cookie(&self) -> PathBuf {
        self.cache.join("cookies").join("1.0.0").join(".disabled-security-check")
    }
}

fn variable_path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn home() -> PathBuf {
    variable_path("HOME")
        .or_else(|| user_record().map(|record| PathBuf::from(record.home)))
        .unwrap_or_else(|| PathBuf::from("/"))
}

/// One line of the password database.
pub struct UserRecord {
    /// Login name.
    pub name: String,
    /// Home directory.
    pub home: String,
}

/// The password database's line about the user who runs this.
pub fn user_record() -> Option<UserRecord> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let text = fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid)
            .then(|| fields.nth(2).map(|home| UserRecord { name: name.to_owned(), home: home.to_owned() }))?
    })
}

/// Makes a directory and its parents, readable for the user only.
pub fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_name_the_final_directory() {
        let globals = Globals {
            configdir: Some("/c".into()),
            config: Some("/old".into()),
            cachedir: Some("/k".into()),
            ..Globals::default()
        };
        let found = Directories::find(&globals);
        assert_eq!(found.config, Path::new("/c"));
        assert_eq!(found.cache, Path::new("/k"));
        let globals = Globals { config: Some("/old".into()), ..Globals::default() };
        assert_eq!(Directories::find(&globals).config, Path::new("/old"));
    }
}
