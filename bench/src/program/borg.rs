//! Command lines of borg.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PASSPHRASE, Program, Step, StorePlace, Surroundings, TreePlace, first_line, nested};
use crate::error::{BenchError, IoContext};

/// A borg binary. Over ssh it needs itself on the far side, which here is this machine.
pub struct Borg {
    /// The binary.
    pub binary: PathBuf,
}

impl Program for Borg {
    fn label(&self) -> &str {
        "borg"
    }

    fn version(&self) -> String {
        first_line(&self.binary, &["--version"])
    }

    fn command(&self, step: &Step<'_>, around: &Surroundings) -> Result<Option<Command>, BenchError> {
        let mut command = around.command(&self.binary);
        let server = format!(
            "env BORG_BASE_DIR={} {}",
            around.home.join("borg-server").display(),
            self.binary.display()
        );
        command
            .env("BORG_PASSPHRASE", PASSPHRASE)
            .env("BORG_BASE_DIR", &around.home)
            .env("BORG_REMOTE_PATH", server);
        let store = match &around.store {
            StorePlace::Local(path) => path.display().to_string(),
            StorePlace::Remote { alias, path } => format!("ssh://{alias}{}", path.display()),
        };
        match step {
            Step::Create => command.args(["init", "-e", "repokey-blake2", &store]),
            Step::Open => command.args(["list", &store]),
            Step::Backup { source: TreePlace::Local(path), snapshot } => {
                command.args(["create", "-C", "lz4", &format!("{store}::{snapshot}")]).arg(path)
            }
            Step::Ls { snapshot } => command.args(["list", &format!("{store}::{snapshot}")]),
            Step::Restore { snapshot, target: TreePlace::Local(path), .. } => {
                fs::create_dir_all(path).on("create folder", path)?;
                command.current_dir(path).args(["extract", &format!("{store}::{snapshot}")])
            }
            Step::Check => command.args(["check", "--verify-data", &store]),
            Step::Backup { .. } | Step::Restore { .. } => return Ok(None),
        };
        Ok(Some(command))
    }

    fn restored_root(&self, target: &Path, source: &Path) -> PathBuf {
        nested(target, source)
    }
}
