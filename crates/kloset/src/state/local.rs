//! The local copy of state files and of what was merged of them, one folder per repository id.
//!
//! Files are kept exactly as the store holds them and verified on every read, so the cache is
//! disposable and never the reason that something is believed to exist: only states in the
//! present listing of the store are looked at, and others are dropped.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use kloset_codec::hash::MacKey;
use kloset_format::StateId;

use super::merge::Merged;
use super::saved;

/// What was merged is saved again when so many states have come since,
const UNSAVED_STATES_MAX: usize = 64;
/// or so many places, or this part of all.
const UNSAVED_PLACES_MAX: usize = 16 << 10;
const UNSAVED_PART_MAX: usize = 8;
/// Name of the file of what was merged: no state's name.
const MERGED: &str = "merged";

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
        self.write(&state.to_string(), bytes);
    }

    /// The bytes of what was merged, unverified.
    pub(crate) fn merged(&self) -> Option<Vec<u8>> {
        fs::read(self.folder.join(MERGED)).ok()
    }

    /// Reads what was merged, if its seal holds.
    pub(crate) fn verified(bytes: Vec<u8>, key: &MacKey) -> Option<Merged> {
        saved::decode(bytes, key)
    }

    /// Saves what was merged, if enough has come since the last time. Failures are harmless.
    pub(crate) fn save(&self, merged: &mut Merged, key: &MacKey) {
        let (new, old) = (merged.new.len(), merged.old.len());
        let is_worth_it =
            merged.new_states >= UNSAVED_STATES_MAX || new >= UNSAVED_PLACES_MAX.max(old / UNSAVED_PART_MAX);
        if is_worth_it {
            merged.compact();
            self.write(MERGED, &saved::encode(merged, key));
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let short = name.get(..8).unwrap_or(name);
        let temporary = self.folder.join(format!("tmp.{}.{short}", std::process::id()));
        let written = fs::File::create(&temporary).and_then(|mut file| file.write_all(bytes));
        if written.is_err() || fs::rename(&temporary, self.folder.join(name)).is_err() {
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
