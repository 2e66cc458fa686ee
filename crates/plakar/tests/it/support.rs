//! A private home for the program, and what came out of a run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A home directory of its own, with nothing of the caller's environment.
pub struct Home {
    directory: tempfile::TempDir,
}

/// What came out.
#[derive(Debug)]
pub struct Ran {
    /// Exit code, -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Home {
    /// Makes an empty home.
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// A path below the home.
    pub fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(below)
    }

    /// The program with a private environment and no terminal.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plakar"));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.directory.path())
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program and waits.
    pub fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Ran {
        self.run_with(words, &[])
    }

    /// Runs the program with some variables set.
    pub fn run_with<S: AsRef<OsStr>>(
        &self,
        words: impl IntoIterator<Item = S>,
        variables: &[(&str, &str)],
    ) -> Ran {
        let mut command = self.command();
        command.args(words).envs(variables.iter().copied());
        ran(command.output().unwrap())
    }

    /// Makes a plaintext store named `store` and a small tree named `data`.
    pub fn with_store_and_data() -> Self {
        let home = Self::new();
        std::fs::create_dir_all(home.path("data/docs")).unwrap();
        std::fs::write(home.path("data/readme.txt"), "hello\n").unwrap();
        std::fs::write(home.path("data/docs/a.txt"), "a".repeat(3000)).unwrap();
        std::os::unix::fs::symlink("docs/a.txt", home.path("data/link")).unwrap();
        home.run(["at", "store", "create", "-plaintext"]).ok();
        home
    }
}

/// A home with upstream's store as `plain`.
pub fn with_upstream_store() -> Home {
    let home = Home::new();
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/stores/upstream-1.1.4");
    let mut tar = Command::new("tar");
    tar.arg("xzf").arg(stores.join("plain.tar.gz")).arg("-C").arg(home.path(""));
    assert!(tar.status().unwrap().success());
    std::fs::copy(stores.join("data.ptar"), home.path("data.ptar")).unwrap();
    home
}

/// The outcome of a finished process.
pub fn ran(output: std::process::Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ran {
    /// Must have succeeded; gives standard output.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// Must have ended with `code`; gives standard error.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.err
    }
}

/// The 8-digit id at the start of the summary line.
pub fn short_id(out: &str) -> String {
    let summary = out.lines().find(|line| line.contains(" completed ")).expect("a summary line");
    summary[..8].to_owned()
}
