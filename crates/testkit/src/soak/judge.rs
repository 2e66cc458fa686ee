//! What must hold after a run: nothing left behind, a sound store, equal trees.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::Stage;
use crate::tree::{Fidelity, differences, read_tree};

impl Stage {
    /// Files and processes that a finished run should have taken with it.
    pub(super) fn left_behind(&self, code: i32) -> Vec<String> {
        let mut found = Vec::new();
        let until = Instant::now() + Duration::from_secs(3);
        while self.processes() > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
        if self.processes() > 0 {
            found.push(format!("{} ssh processes are left", self.processes()));
        }
        for entry in fs::read_dir(self.path("tmp")).into_iter().flatten().flatten() {
            found.push(format!("{} is left", entry.path().display()));
            // Told once.
            let _ = fs::remove_dir_all(entry.path());
        }
        if code == 0 {
            let mut looked = Vec::new();
            for root in ["far", "here", "target"] {
                walk(Path::new(&self.path(root)), &mut looked);
            }
            let strange = |path: &&PathBuf| {
                let text = path.to_string_lossy();
                text.contains("/tmp.") || text.contains("/.plakar-") || text.contains("/locks/")
            };
            let strange: Vec<_> = looked.iter().filter(strange).collect();
            if let Some(first) = strange.first() {
                found.push(format!("{} and {} more are left", first.display(), strange.len() - 1));
            }
        }
        found
    }

    /// `ssh` processes of this stage.
    fn processes(&self) -> usize {
        let mark = self.sshd.folder().join("soak_config").display().to_string();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter(|entry| {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                line.windows(mark.len()).any(|part| part == mark.as_bytes())
            })
            .count()
    }

    /// The store as another machine sees it: not by the line, and with an empty cache.
    pub(super) fn judge_store(&self, store: &str, code: i32, found: &mut Vec<String>) -> io::Result<()> {
        let cache = "fresh";
        let _ = fs::remove_dir_all(self.path(cache));
        let words = ["at", store, "check"];
        let output = self.command(&words, cache).output()?;
        // A store without any snapshot has nothing to check.
        let empty = String::from_utf8_lossy(&output.stderr).contains("no snapshot");
        let clean = output.status.success() || code != 0 && empty;
        if !clean {
            found.push(told(&words, &output));
        }
        if let Some(program) = &self.plan.verifier {
            let output = Command::new(program).arg(store).stdin(Stdio::null()).output()?;
            if !output.status.success() {
                let text = [output.stdout, output.stderr].concat();
                let text = String::from_utf8_lossy(&text);
                found.push(format!("the independent reader refuses {store}: {text}"));
            }
        }
        if code == 0 {
            let _ = fs::remove_dir_all(self.path("back"));
            let back = self.path("back");
            let words = ["at", store, "restore", "-to", &back];
            let output = self.command(&words, cache).output()?;
            if !output.status.success() {
                found.push(told(&words, &output));
            }
            self.compare("back", found)?;
        }
        Ok(())
    }

    pub(super) fn compare(&self, copy: &str, found: &mut Vec<String>) -> io::Result<()> {
        let wanted = read_tree(Path::new(&self.path("tree")))?;
        let Ok(copied) = read_tree(Path::new(&self.path(copy))) else {
            found.push(format!("{copy} cannot be read"));
            return Ok(());
        };
        let mut lines = differences(&wanted, &copied, Fidelity::sftp());
        lines.truncate(5);
        found.extend(lines);
        Ok(())
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

/// A failed command and the end of what it said.
pub(super) fn told(words: &[&str], output: &Output) -> String {
    let err = String::from_utf8_lossy(&output.stderr);
    let tail: Vec<&str> = err.lines().rev().take(6).collect::<Vec<_>>().into_iter().rev().collect();
    format!("`plakar {}` ended with {}: {}", words.join(" "), output.status, tail.join(" | "))
}
