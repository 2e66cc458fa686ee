//! Loads the configuration and changes it under a lock.
//!
//! A change rewrites what differs and adds what is missing, each file by temporary name and rename.
//! A file that is missing is filled from `plakar.yml` if there is one, and never makes
//! another file lose anything.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::directories::make_private;
use crate::config::{ConfigError, Configuration, Kind, Section, yaml};

const LOCK_FILE: &str = ".plakar.lock";
const OLDEST_FILE: &str = "plakar.yml";
const OLDER_STORES_FILE: &str = "klosets.yml";

/// Reads the configuration in `directory`; nothing is written.
pub fn load(directory: &Path) -> Result<Configuration, ConfigError> {
    let mut configuration = Configuration::default();
    let mut missing = Vec::new();
    for kind in Kind::ALL {
        match read_kind(directory, kind)? {
            Some(section) => *configuration.section_mut(kind) = section,
            None => missing.push(kind),
        }
    }
    if !missing.is_empty() {
        fill_from_oldest(directory, &missing, &mut configuration)?;
    }
    Ok(configuration)
}

fn read_kind(directory: &Path, kind: Kind) -> Result<Option<Section>, ConfigError> {
    let mut names = vec![format!("{}.yml", kind.plural())];
    if kind == Kind::Store {
        names.push(OLDER_STORES_FILE.to_owned());
    }
    for name in names {
        let path = directory.join(name);
        if let Some(text) = read_if_present(&path)? {
            return yaml::read_section(kind, &text)
                .map(Some)
                .map_err(|reason| ConfigError::Parse { path, reason });
        }
    }
    Ok(None)
}

fn fill_from_oldest(
    directory: &Path,
    missing: &[Kind],
    configuration: &mut Configuration,
) -> Result<(), ConfigError> {
    let path = directory.join(OLDEST_FILE);
    let Some(text) = read_if_present(&path)? else { return Ok(()) };
    let (stores, remotes) = yaml::read_oldest(&text).map_err(|reason| ConfigError::Parse { path, reason })?;
    for &kind in missing {
        *configuration.section_mut(kind) = if kind == Kind::Store { stores.clone() } else { remotes.clone() };
    }
    Ok(())
}

/// A file's text, if there is such a file.
pub fn read_if_present(path: &Path) -> Result<Option<String>, ConfigError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
    }
}

/// Runs `change` while nobody else changes the configuration.
pub fn locked<T, E: From<ConfigError>>(
    directory: &Path,
    change: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ConfigError::Write { path, source }
    };
    make_private(directory).map_err(failed(directory))?;
    let lock_path = directory.join(LOCK_FILE);
    let lock = open_lock(&lock_path).map_err(failed(&lock_path))?;
    lock.lock().map_err(failed(&lock_path))?;
    change()
}

/// Changes the configuration: lock, load, `change`, write. Nothing is written when `change` fails.
pub fn update<T, E: From<ConfigError>>(
    directory: &Path,
    change: impl FnOnce(&mut Configuration) -> Result<T, E>,
) -> Result<T, E> {
    locked(directory, || {
        let before = load(directory)?;
        let mut after = before.clone();
        let value = change(&mut after)?;
        for kind in Kind::ALL {
            let path = directory.join(format!("{}.yml", kind.plural()));
            let unchanged = before.section(kind) == after.section(kind);
            if unchanged && path.exists() {
                continue;
            }
            replace(&path, &yaml::write_section(kind, after.section(kind)))?;
        }
        Ok(value)
    })
}

/// Replaces a file of the configuration.
pub fn replace(path: &Path, text: &str) -> Result<(), ConfigError> {
    // Links are written through: the user may keep the file elsewhere.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    write_private(&target, text.as_bytes()).map_err(|source| ConfigError::Write { path: target, source })
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
}

/// Writes a file of mode 0600 under a temporary name and renames it into place.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let temporary: PathBuf =
        directory.join(format!("config.{}.{:08x}.yml", std::process::id(), rand::random::<u32>()));
    let written = (|| {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(directory)?.sync_all()
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use kloset_connector::Options;
    use std::os::unix::fs::PermissionsExt;

    fn add(directory: &Path, kind: Kind, name: &str) {
        update(directory, |configuration| {
            let options = Options::from([("location".to_owned(), format!("/{name}"))]);
            configuration.section_mut(kind).entries.insert(name.to_owned(), options);
            Ok::<(), ConfigError>(())
        })
        .unwrap();
    }

    #[test]
    fn a_change_writes_all_three_files_for_the_user_only() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/plakar");
        assert_eq!(load(&directory).unwrap(), Configuration::default());
        assert!(!directory.exists(), "reading writes nothing");
        add(&directory, Kind::Store, "s");
        for name in ["stores.yml", "sources.yml", "destinations.yml"] {
            let mode = fs::metadata(directory.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert_eq!(load(&directory).unwrap().stores.entries["s"]["location"], "/s");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 4, "three files and the lock");
    }

    #[test]
    fn a_lone_file_survives_a_change_of_another() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(
            directory.path().join("stores.yml"),
            "version: v1.0.0\nstores:\n  mine:\n    location: /m\n",
        )
        .unwrap();
        fs::write(directory.path().join("plakar.yml"), "remotes:\n  r:\n    location: /r\n").unwrap();
        add(directory.path(), Kind::Source, "s");
        let found = load(directory.path()).unwrap();
        assert!(found.stores.entries.contains_key("mine"));
        assert!(found.sources.entries.contains_key("s") && found.sources.entries.contains_key("r"));
        assert!(found.destinations.entries.contains_key("r"));
    }

    #[test]
    fn older_store_file_is_read_and_left_in_place() {
        let directory = tempfile::tempdir().unwrap();
        let older = directory.path().join("klosets.yml");
        fs::write(&older, "old:\n  location: /o\n  .isDefault: \"true\"\n").unwrap();
        add(directory.path(), Kind::Store, "new");
        assert!(older.exists());
        let found = load(directory.path()).unwrap();
        assert_eq!(found.stores.default.as_deref(), Some("old"));
        assert_eq!(found.stores.entries.len(), 2);
    }

    #[test]
    fn a_damaged_file_is_named_and_not_touched() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sources.yml");
        fs::write(&path, "a: [").unwrap();
        let error = load(directory.path()).unwrap_err().to_string();
        assert!(error.starts_with("could not load configuration: failed to parse config file: "), "{error}");
        assert!(update(directory.path(), |_| Ok::<(), ConfigError>(())).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "a: [");
    }

    #[test]
    fn writers_at_the_same_time_lose_nothing() {
        let directory = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = directory.path();
                scope.spawn(move || add(path, Kind::Store, &format!("s{number}")));
            }
        });
        assert_eq!(load(directory.path()).unwrap().stores.entries.len(), 8);
    }
}
