//! Command lines of plakar, ours and other builds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use super::{Program, Step, StorePlace, Surroundings, TreePlace, first_line};
use crate::error::{BenchError, IoContext};

/// A plakar binary.
pub struct Plakar {
    /// Name in reports.
    pub label: String,
    /// The binary.
    pub binary: PathBuf,
    /// Data directory with installed packages; builds without SFTP of their own need one.
    pub packages: Option<PathBuf>,
}

impl Program for Plakar {
    fn label(&self) -> &str {
        &self.label
    }

    fn version(&self) -> String {
        first_line(&self.binary, &["version"])
    }

    fn has_remote_trees(&self) -> bool {
        true
    }

    fn prepare(&self, around: &Surroundings) -> Result<(), BenchError> {
        // Keeps builds that look for updates from doing so; those that do not know the flag say so.
        let mut command = around.command(&self.binary);
        command.arg("-disable-security-check").output().on("run", &self.binary)?;
        Ok(())
    }

    fn command(&self, step: &Step<'_>, around: &Surroundings) -> Result<Option<Command>, BenchError> {
        let mut command = self.base(around);
        match step {
            Step::Create => command.arg("create"),
            Step::Open => command.arg("ls"),
            Step::Backup { source, .. } => command.arg("backup").arg(location(source)),
            Step::Ls { .. } => command.args(["ls", "-recursive"]).arg(self.newest_snapshot(around)?),
            Step::Restore { target, .. } => command.args(["restore", "-to"]).arg(location(target)),
            Step::Check => command.arg("check"),
        };
        Ok(Some(command))
    }
}

impl Plakar {
    fn base(&self, around: &Surroundings) -> Command {
        let mut command = around.command(&self.binary);
        if let Some(packages) = &self.packages {
            command.arg("-datadir").arg(packages);
        }
        // The default leaves one core idle, which on a small machine is half of it.
        let cores = thread::available_parallelism().map_or(1, usize::from).to_string();
        command.args(["-quiet", "-cpu", &cores, "-keyfile"]).arg(&around.key_file).arg("at");
        match &around.store {
            StorePlace::Local(path) => command.arg(path),
            StorePlace::Remote { alias, path } => command.arg(sftp(alias, path)),
        };
        command
    }

    /// Asks for the id of the newest snapshot, which is the first line of `ls`.
    fn newest_snapshot(&self, around: &Surroundings) -> Result<String, BenchError> {
        let output = self.base(around).arg("ls").output().on("run", &self.binary)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let id = text.lines().next().and_then(|line| line.split_whitespace().nth(1));
        id.map(str::to_owned).ok_or_else(|| BenchError::Program {
            program: self.label.clone(),
            step: "ls".to_owned(),
            reason: format!("lists no snapshot: {}", String::from_utf8_lossy(&output.stderr)),
        })
    }
}

fn location(place: &TreePlace) -> String {
    match place {
        TreePlace::Local(path) => path.display().to_string(),
        TreePlace::Remote { alias, path } => sftp(alias, path),
    }
}

fn sftp(alias: &str, path: &Path) -> String {
    format!("sftp://{alias}{}", path.display())
}
