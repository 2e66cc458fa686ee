//! Command lines of restic.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Program, Step, StorePlace, Surroundings, TreePlace, first_line, nested};
use crate::error::BenchError;

/// A restic binary.
pub struct Restic {
    /// The binary.
    pub binary: PathBuf,
}

impl Program for Restic {
    fn label(&self) -> &str {
        "restic"
    }

    fn version(&self) -> String {
        first_line(&self.binary, &["version"])
    }

    fn command(&self, step: &Step<'_>, around: &Surroundings) -> Result<Option<Command>, BenchError> {
        let mut command = around.command(&self.binary);
        command.args(["-q", "--password-file"]).arg(&around.key_file).arg("-r");
        match &around.store {
            StorePlace::Local(path) => command.arg(path),
            StorePlace::Remote { alias, path } => command.arg(format!("sftp:{alias}:{}", path.display())),
        };
        match step {
            Step::Create => command.arg("init"),
            Step::Open => command.arg("snapshots"),
            Step::Backup { source: TreePlace::Local(path), .. } => command.arg("backup").arg(path),
            Step::Ls { .. } => command.args(["ls", "-l", "latest"]),
            Step::Restore { target: TreePlace::Local(path), .. } => {
                command.args(["restore", "latest", "--target"]).arg(path)
            }
            Step::Check => command.args(["check", "--read-data"]),
            Step::Backup { .. } | Step::Restore { .. } => return Ok(None),
        };
        Ok(Some(command))
    }

    fn restored_root(&self, target: &Path, source: &Path) -> PathBuf {
        nested(target, source)
    }
}
