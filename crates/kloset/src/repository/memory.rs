//! What this client remembers of the stores it has seen.
//!
//! The format has no protection against a server that hides, rolls back or replaces a store; the
//! client's own memory is the protection. Per location it keeps the identity and whether the store
//! was encrypted, per repository the names of all states seen. States are never removed from a
//! store unless another one says that it replaces them, so a remembered one that is neither listed nor
//! replaced means that the store went backwards or that its listing is not complete. Such a store can be read, with a warning, but not written, until the
//! user accepts it as it is.
//!
//! The memory of an encrypted store is sealed by a MAC under the store's key. A lost or damaged
//! memory is a first contact.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use kloset_codec::hash::{HashAlgorithm, MacKey};
use kloset_format::config::{Config, RepositoryId};
use kloset_format::{Mac, StateId};

/// First bytes of a file of states.
const MAGIC: &[u8; 8] = b"KLSEEN1\n";

/// Whether the present contents of a store replace what was remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Acceptance {
    /// Differences from what was seen before are held against the store.
    #[default]
    Compare,
    /// The user accepts the store as it is now.
    AcceptChanges,
}

/// The memory, in a folder of its own.
#[derive(Clone, Debug)]
pub(crate) struct StoreMemory {
    folder: PathBuf,
}

/// What is known of one repository.
#[derive(Default)]
struct Seen {
    /// Present when last looked at.
    states: HashSet<StateId>,
    /// Named as a parent, but known to be missing.
    gone: HashSet<StateId>,
}

/// The file of states as it was before the states were listed.
#[derive(Default)]
pub(crate) struct SeenBefore(Option<Vec<u8>>);

impl SeenBefore {
    /// Reads the file; what it says is verified when the key is known.
    pub(crate) fn of(memory: Option<&StoreMemory>, id: RepositoryId) -> Self {
        Self(memory.and_then(|memory| read_bounded(&memory.seen_file(id))))
    }

    /// Compares the states that were listed, and those that they replace, with those seen before; returns
    /// what is wrong.
    pub(crate) fn compare(
        &self,
        key: &MacKey,
        told: &HashSet<StateId>,
        missing_parents: &HashSet<StateId>,
    ) -> Vec<String> {
        let Some(seen) = self.decode(key) else { return Vec::new() };
        let mut problems = Vec::new();
        let hidden = seen.states.difference(told).count();
        if hidden > 0 {
            problems.push(format!(
                "{hidden} of {} states seen before are not listed any more: the store went backwards or its listing is incomplete",
                seen.states.len()
            ));
        }
        if let Some(parent) = missing_parents.iter().find(|id| !seen.gone.contains(id)) {
            problems.push(format!("state {parent} is named by a newer state but is not listed"));
        }
        problems
    }

    fn decode(&self, key: &MacKey) -> Option<Seen> {
        decode_seen(self.0.as_deref()?, key)
    }
}

impl StoreMemory {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Compares what a location showed before with the store it shows now, before any key is
    /// known; returns what is wrong.
    pub(crate) fn compare_location(&self, location: &str, config: &Config) -> Vec<String> {
        let Some(before) = read_bounded(&self.location_file(location)) else { return Vec::new() };
        let before = String::from_utf8_lossy(&before).into_owned();
        let field = |name: &str| before.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let now = location_record(location, config);
        let field_now = |name: &str| now.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let mut problems = Vec::new();
        if field("encrypted") == Some("yes") && config.encryption.is_none() {
            problems.push("the store was encrypted and is plaintext now".to_owned());
        }
        if let (Some(old), Some(new)) = (field("repository"), field_now("repository"))
            && old != new
        {
            problems.push(format!("another store is at this place: it was {old} and is {new} now"));
        } else if field("key").is_some() && field("key") != field_now("key") && problems.is_empty() {
            problems.push("the settings of the key derivation have changed".to_owned());
        }
        problems
    }

    /// Remembers the store as it is now. Failures are harmless: the next run is a first contact.
    pub(crate) fn remember(
        &self,
        location: &str,
        config: &Config,
        key: &MacKey,
        before: &SeenBefore,
        listed: &HashSet<StateId>,
        missing_parents: &HashSet<StateId>,
    ) {
        self.remember_location(location, config);
        let id = RepositoryId(config.repository_id);
        let known = self.read_seen(id, key).unwrap_or_default();
        // Another process of this client may have published states since ours were listed.
        let before = before.decode(key).unwrap_or_default();
        let since = known.states.difference(&before.states).copied();
        let states: HashSet<StateId> = listed.iter().copied().chain(since).collect();
        if known.states != states || known.gone != *missing_parents {
            self.write_seen(id, key, &states, missing_parents);
        }
    }

    fn write_seen(&self, id: RepositoryId, key: &MacKey, states: &HashSet<StateId>, gone: &HashSet<StateId>) {
        let mut bytes = MAGIC.to_vec();
        for set in [states, gone] {
            let mut sorted: Vec<&StateId> = set.iter().collect();
            sorted.sort_unstable();
            bytes.extend_from_slice(&(sorted.len() as u64).to_le_bytes());
            sorted.iter().for_each(|id| bytes.extend_from_slice(id.as_bytes()));
        }
        let seal = key.mac(&bytes);
        bytes.extend_from_slice(seal.as_bytes());
        let _ = write_privately(&self.seen_file(id), &bytes);
    }

    /// Adds a state that this client has just published.
    pub(crate) fn remember_own(&self, id: RepositoryId, key: &MacKey, state: StateId) {
        let Some(mut seen) = self.read_seen(id, key) else { return };
        if seen.states.insert(state) {
            self.write_seen(id, key, &seen.states, &seen.gone);
        }
    }

    /// Remembers which store is at a location, as soon as it was made or accepted.
    pub(crate) fn remember_location(&self, location: &str, config: &Config) {
        let record = location_record(location, config);
        let file = self.location_file(location);
        if read_bounded(&file).as_deref() != Some(record.as_bytes()) {
            let _ = write_privately(&file, record.as_bytes());
        }
    }

    fn read_seen(&self, id: RepositoryId, key: &MacKey) -> Option<Seen> {
        decode_seen(&read_bounded(&self.seen_file(id))?, key)
    }

    fn location_file(&self, location: &str) -> PathBuf {
        let name = MacKey::new(HashAlgorithm::Blake3, [0; 32]).mac(location.as_bytes());
        self.folder.join("locations").join(name.to_string())
    }

    fn seen_file(&self, id: RepositoryId) -> PathBuf {
        self.folder.join("repositories").join(id.to_string())
    }
}

fn decode_seen(bytes: &[u8], key: &MacKey) -> Option<Seen> {
    let (signed, seal) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if !key.verify_parts(&[signed], &Mac::from_slice(seal)?) {
        return None;
    }
    let mut rest = signed.strip_prefix(MAGIC.as_slice())?;
    let mut take_set = || {
        let (count, after) = rest.split_at_checked(8)?;
        let count = usize::try_from(u64::from_le_bytes(count.try_into().ok()?)).ok()?;
        let (ids, after) = after.split_at_checked(count.checked_mul(32)?)?;
        rest = after;
        ids.chunks_exact(32).map(StateId::from_slice).collect::<Option<HashSet<_>>>()
    };
    let seen = Seen { states: take_set()?, gone: take_set()? };
    rest.is_empty().then_some(seen)
}

fn location_record(location: &str, config: &Config) -> String {
    let encrypted = if config.encryption.is_some() { "yes" } else { "no" };
    let key = config.encryption.as_ref().map_or_else(String::new, |encryption| {
        let settings = format!("{:?}", encryption.kdf);
        MacKey::new(HashAlgorithm::Blake3, [0; 32]).mac(settings.as_bytes()).to_string()
    });
    format!(
        "location {location}\nrepository {}\nencrypted {encrypted}\nkey {key}\n",
        RepositoryId(config.repository_id)
    )
}

/// A file of the memory; larger than 1 GiB (30 million states) counts as damaged.
fn read_bounded(path: &Path) -> Option<Vec<u8>> {
    if fs::metadata(path).ok()?.len() > 1 << 30 {
        return None;
    }
    fs::read(path).ok()
}

fn write_privately(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&temporary).and_then(|mut file| file.write_all(bytes));
    written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}
