//! The programs under measurement, known by their command lines only.

mod borg;
mod plakar;
mod restic;
mod rustic;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use borg::Borg;
pub use plakar::Plakar;
pub use restic::Restic;
pub use rustic::Rustic;

use crate::error::BenchError;

/// Passphrase of every store.
pub const PASSPHRASE: &str = "correct horse battery staple 42";

/// Where a store lies.
#[derive(Clone, Debug)]
pub enum StorePlace {
    /// A folder of this machine.
    Local(PathBuf),
    /// A folder reached through an alias of the private ssh configuration.
    Remote {
        /// Name that `ssh` knows.
        alias: String,
        /// Folder on the server, which is this machine.
        path: PathBuf,
    },
}

impl StorePlace {
    /// The folder as this machine sees it.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Local(path) | Self::Remote { path, .. } => path,
        }
    }
}

/// A tree to back up, or the folder a restore writes into.
#[derive(Clone, Debug)]
pub enum TreePlace {
    /// A folder of this machine.
    Local(PathBuf),
    /// A folder behind SFTP.
    Remote {
        /// Name that `ssh` knows.
        alias: String,
        /// Folder on the server, which is this machine.
        path: PathBuf,
    },
}

/// One run's private surroundings of one program.
pub struct Surroundings {
    /// Empty home directory at the start of a run; caches grow in it.
    pub home: PathBuf,
    /// File that holds the passphrase.
    pub key_file: PathBuf,
    /// Folder that holds an `ssh` with the private configuration, if a server runs.
    pub ssh_folder: Option<PathBuf>,
    /// The store.
    pub store: StorePlace,
}

/// What a program is asked to do.
#[derive(Clone, Debug)]
pub enum Step<'a> {
    /// Make an empty store.
    Create,
    /// The cheapest command that opens the store, which shows the cost of key derivation.
    Open,
    /// Back up a tree; the number tells snapshots of one run apart.
    Backup {
        /// The tree.
        source: &'a TreePlace,
        /// Counted from 0.
        snapshot: u32,
    },
    /// List everything in a snapshot with sizes and times.
    Ls {
        /// The number of the snapshot.
        snapshot: u32,
    },
    /// Restore a snapshot.
    Restore {
        /// The number of the snapshot, which is the newest.
        snapshot: u32,
        /// The tree that was backed up.
        source: &'a Path,
        /// Where to.
        target: &'a TreePlace,
    },
    /// Read and verify all stored data.
    Check,
}

impl Step<'_> {
    /// Name in messages.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Open => "open",
            Self::Backup { .. } => "backup",
            Self::Ls { .. } => "ls",
            Self::Restore { .. } => "restore",
            Self::Check => "check",
        }
    }
}

/// A backup program.
pub trait Program {
    /// Name in reports, unique in a run.
    fn label(&self) -> &str;

    /// Version as the program tells it.
    fn version(&self) -> String;

    /// Things to do once in fresh surroundings, not measured.
    fn prepare(&self, _around: &Surroundings) -> Result<(), BenchError> {
        Ok(())
    }

    /// Whether sources and destinations of backups may lie behind SFTP.
    fn has_remote_trees(&self) -> bool {
        false
    }

    /// The command for a step, or nothing if the program has no such ability.
    fn command(&self, step: &Step<'_>, around: &Surroundings) -> Result<Option<Command>, BenchError>;

    /// Where a restored tree starts below the target folder.
    fn restored_root(&self, target: &Path, source: &Path) -> PathBuf {
        let _ = source;
        target.to_owned()
    }
}

impl Surroundings {
    /// A command that sees the private home and nothing of the caller's environment.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(&self.home);
        let inherited = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let folders = self.ssh_folder.iter().cloned().chain(env::split_paths(&inherited));
        // Folders of a PATH hold no separator, so joining them back cannot fail.
        command.env("PATH", env::join_paths(folders).unwrap_or(inherited.clone()));
        command.env("LANG", "C.UTF-8").env("LC_ALL", "C.UTF-8").env("TERM", "dumb");
        command.env("HOME", &self.home).env("TMPDIR", self.home.join("tmp"));
        for (name, folder) in [
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_RUNTIME_DIR", "run"),
        ] {
            command.env(name, self.home.join(folder));
        }
        command
    }
}

/// Runs `program` with `arguments` outside any measurement and returns its first line.
fn first_line(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("HOME", "/nonexistent").output();
    let bytes = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}

/// Finds a program on the PATH.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
}

/// `base` with the absolute path `below` under it, as programs lay out restores.
fn nested(base: &Path, below: &Path) -> PathBuf {
    base.join(below.strip_prefix("/").unwrap_or(below))
}
