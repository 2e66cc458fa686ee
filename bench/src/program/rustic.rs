//! Command lines of rustic.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Program, Step, StorePlace, Surroundings, TreePlace, first_line};
use crate::error::{BenchError, IoContext};

/// A rustic binary.
pub struct Rustic {
    /// The binary.
    pub binary: PathBuf,
}

impl Program for Rustic {
    fn label(&self) -> &str {
        "rustic"
    }

    fn version(&self) -> String {
        first_line(&self.binary, &["--version"])
    }

    fn prepare(&self, around: &Surroundings) -> Result<(), BenchError> {
        let StorePlace::Remote { alias, path } = &around.store else { return Ok(()) };
        let folder = around.home.join("config/rustic");
        fs::create_dir_all(&folder).on("create folder", &folder)?;
        let profile = format!(
            "[repository]\nrepository = \"opendal:sftp\"\n\n[repository.options]\n\
             endpoint = \"{alias}\"\nroot = \"{}\"\nknown_hosts_strategy = \"Strict\"\n",
            path.display()
        );
        let file = folder.join("rustic.toml");
        fs::write(&file, profile).on("write", &file)
    }

    fn command(&self, step: &Step<'_>, around: &Surroundings) -> Result<Option<Command>, BenchError> {
        let mut command = around.command(&self.binary);
        command.args(["--no-progress", "--log-level", "warn", "--password-file"]).arg(&around.key_file);
        if let StorePlace::Local(path) = &around.store {
            command.arg("-r").arg(path);
        }
        match step {
            Step::Create => command.arg("init"),
            Step::Open => command.arg("snapshots"),
            Step::Backup { source: TreePlace::Local(path), .. } => command.arg("backup").arg(path),
            Step::Ls { .. } => command.args(["ls", "-l", "latest"]),
            Step::Restore { source, target: TreePlace::Local(path), .. } => {
                command.arg("restore").arg(format!("latest:{}", source.display())).arg(path)
            }
            Step::Check => command.args(["check", "--read-data"]),
            Step::Backup { .. } | Step::Restore { .. } => return Ok(None),
        };
        Ok(Some(command))
    }
}
