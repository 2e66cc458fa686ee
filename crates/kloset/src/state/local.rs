//! The local copy of state files, one folder per repository id.
//!
//! Files are kept exactly as the store holds them and verified on every read, so the cache is
//! disposable and never the reason that something is believed to exist: only states in the
//! present listing of the store are looked at, and others are dropped.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use kloset_format::StateId;

/// Local copies of one store's states.
#[derive(Clone)]
pub(crate) struct StateCache {
    folder: PathBuf,
}

impl StateCache {
    /// Opens the cache in `folder`, making it if needed; `None` if that fails (the cache is optional).
    pub(crate) fn open(folder: PathBuf) -> Option<Self> {
        fs::create_dir_all(&folder).ok()?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).ok()?;
        }
        Some(Self { folder })
    }

    /// The bytes of a state file, unverified.
    pub(crate) fn get(&self, state: StateId) -> Option<Vec<u8>> {
        fs::read(self.folder.join(state.to_string())).ok()
    }

    /// Keeps a state whose bytes were verified. Failures are harmless and ignored.
    pub(crate) fn put(&self, state: StateId, bytes: &[u8]) {
        let temporary = self.folder.join(format!("tmp.{}.{}", std::process::id(), state.short()));
        let written = fs::File::create(&temporary).and_then(|mut file| file.write_all(bytes));
        if written.is_err() || fs::rename(&temporary, self.folder.join(state.to_string())).is_err() {
            let _ = fs::remove_file(&temporary);
        }
    }

    /// Forgets a state whose bytes turned out damaged.
    pub(crate) fn forget(&self, state: StateId) {
        let _ = fs::remove_file(self.folder.join(state.to_string()));
    }

    /// Drops every state that the store does not list any more.
    pub(crate) fn keep_only(&self, listed: &HashSet<StateId>) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(state) = name.to_str().and_then(StateId::from_hex) else { continue };
            if !listed.contains(&state) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
