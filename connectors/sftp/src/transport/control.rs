//! The private folder of a control socket.

use std::fs::DirBuilder;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const PREFIX: &str = "plakar-ssh-";
/// `ssh` binds the socket under a longer temporary name, and all of it must fit 108 bytes.
const FOLDER_BYTES_MAX: usize = 70;
/// Folders of programs that are gone are removed after this long.
const STALE: Duration = Duration::from_secs(600);

/// A fresh folder, mode 0700, removed with everything in it when dropped.
pub(crate) struct ControlFolder {
    folder: PathBuf,
    socket: PathBuf,
}

impl ControlFolder {
    /// Makes the folder below the user's run-time or temporary folder.
    pub(crate) fn create(unchecked_host: bool) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for parent in parents() {
            sweep(&parent);
            let folder = parent.join(format!("{PREFIX}{}-{:016x}", std::process::id(), random()));
            if folder.as_os_str().len() > FOLDER_BYTES_MAX || !super::is_plain(&folder) {
                continue;
            }
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => {
                    let found = folder.symlink_metadata()?;
                    let ours = rustix::process::geteuid().as_raw() == found.uid();
                    if !ours || found.permissions().mode() & 0o077 != 0 {
                        return Err(io::Error::other("the new folder is not private"));
                    }
                    // A connection to an unchecked host is never mistaken for a checked one.
                    let socket = folder.join(if unchecked_host { "unchecked" } else { "control" });
                    return Ok(Self { folder, socket });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Where the socket is, or will be.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for ControlFolder {
    fn drop(&mut self) {
        // The dying master removes its socket at the same moment.
        for _ in 0..20 {
            match std::fs::remove_dir_all(&self.folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                _ if !self.folder.exists() => return,
                _ => {}
            }
        }
    }
}

fn parents() -> Vec<PathBuf> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut found: Vec<PathBuf> = named("XDG_RUNTIME_DIR").into_iter().collect();
    found.push(std::env::temp_dir());
    found.push(PathBuf::from("/tmp"));
    found
}

/// Removes empty folders that killed programs left.
fn sweep(parent: &Path) {
    let Ok(entries) = parent.read_dir() else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            let old = entry
                .metadata()
                .and_then(|found| found.modified())
                .is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > STALE));
            let alive = entry
                .file_name()
                .to_str()
                .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok())
                .and_then(rustix::process::Pid::from_raw)
                .is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
            if old && !alive {
                let _ = std::fs::remove_dir(entry.path());
            }
        }
    }
}

/// A number nobody can guess: the standard hasher's keys are random.
pub(crate) fn random() -> u64 {
    let mut hasher = std::hash::RandomState::new().build_hasher();
    hasher.write_u64(
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64),
    );
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_private_short_and_goes_away() {
        let folder = ControlFolder::create(false).unwrap();
        let path = folder.socket().parent().unwrap().to_owned();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(folder.socket().as_os_str().len() + 18 < 100);
        assert_ne!(folder.socket().file_name(), ControlFolder::create(true).unwrap().socket().file_name());
        drop(folder);
        assert!(!path.exists());
    }
}
