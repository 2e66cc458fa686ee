//! Whole runs of the program over a line that fails: cuts, freezes, server restarts.
//!
//! One seed decides everything, so that a run can be repeated. After each run the rule is: exit
//! status 0, and then the store checks clean and the trees compare equal; or another status, and
//! then the store still checks clean. In both cases nothing stays behind: no locks, temporary
//! names, control sockets or processes.

mod faults;
mod judge;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use self::faults::Fault;
use self::judge::told;
use crate::proxy::Proxy;
use crate::sshd::{ALIAS, Sshd};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program under test.
    pub program: PathBuf,
    /// Decides on trees, faults and their times.
    pub seed: u64,
    /// Runs, each with faults.
    pub runs: u64,
    /// Shortest and longest freeze in seconds.
    pub freeze_seconds: (u64, u64),
    /// Added to the way to the server and back.
    pub round_trip: Duration,
    /// New bytes of each run.
    pub bytes: usize,
    /// Rate of the program, so that faults find it at work.
    pub rate: &'static str,
    /// An independent reader: called with the folder of a store after each backup; it ends with 0 if
    /// the store is sound.
    pub verifier: Option<PathBuf>,
}

/// Backups to a store before the next one begins, so that looking at it stays cheap.
const BACKUPS_MAX: u64 = 3;

/// How it went.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Runs that ended with status 0.
    pub good: u64,
    /// Runs that gave up, and left nothing false.
    pub given_up: u64,
    /// Connections made in all.
    pub connections: u64,
    /// What broke the rule.
    pub violations: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    BackupTo,
    BackupFrom,
    RestoreTo,
}

/// Everything a run needs, in folders of its own.
struct Stage {
    plan: Plan,
    temp: tempfile::TempDir,
    sshd: Sshd,
    proxy: Proxy,
    random: u64,
    /// Backups that each store has been the place of.
    far_backups: u64,
    here_backups: u64,
}

/// Runs the plan; `say` gets a line per run.
pub fn run(plan: Plan, say: &mut dyn FnMut(&str)) -> io::Result<Summary> {
    let mut stage = Stage::build(plan)?;
    let mut summary = Summary::default();
    for number in 0..stage.plan.runs {
        let direction = match number % 3 {
            0 => Direction::BackupTo,
            1 => Direction::BackupFrom,
            _ => Direction::RestoreTo,
        };
        let fault = stage.draw_fault();
        let start = Instant::now();
        let (code, why, found) = stage.one(direction, fault)?;
        match code {
            0 => summary.good += 1,
            _ => summary.given_up += 1,
        }
        say(&format!(
            "run {number}: {direction:?} {fault:?}: status {code} after {:.1} s {why}{}",
            start.elapsed().as_secs_f64(),
            if found.is_empty() { String::new() } else { format!(": {}", found.join("; ")) }
        ));
        summary.violations.extend(found.into_iter().map(|text| format!("run {number}: {text}")));
    }
    summary.connections = stage.proxy.connections();
    Ok(summary)
}

impl Stage {
    fn build(plan: Plan) -> io::Result<Self> {
        let temp = tempfile::Builder::new().prefix("soak-").tempdir()?;
        let sshd = Sshd::start()?;
        let proxy = Proxy::start(sshd.port(), plan.round_trip / 2)?;
        let config = sshd.ssh_config_for("soak_config", proxy.port(), &[])?;
        for folder in ["home", "tmp", "bin", "tree"] {
            fs::create_dir(temp.path().join(folder))?;
        }
        let wrapper = temp.path().join("bin/ssh");
        fs::write(&wrapper, format!("#!/bin/sh\nexec /usr/bin/ssh -F '{}' \"$@\"\n", config.display()))?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
        crate::tree::build_small_tree(&temp.path().join("tree"), 40, 25, 2000)?;
        let random = plan.seed;
        let mut stage = Self { plan, temp, sshd, proxy, random, far_backups: 0, here_backups: 0 };
        stage.change_tree(0)?;
        stage.must(&["at", &stage.far(), "create", "-plaintext"])?;
        stage.create_here()?;
        Ok(stage)
    }

    fn create_here(&self) -> io::Result<()> {
        fs::create_dir_all(self.path("here"))?;
        self.must(&["at", &self.here(), "create", "-plaintext"])?;
        self.must(&["at", &self.here(), "backup", &self.path("tree")])
    }

    /// Counts a backup; after some, its store is left for a new one at another place.
    fn renew_store(&mut self, direction: Direction) -> io::Result<()> {
        match direction {
            Direction::BackupTo => {
                self.far_backups += 1;
                if self.far_backups.is_multiple_of(BACKUPS_MAX) {
                    fs::remove_dir_all(self.path("far"))?;
                    self.must(&["at", &self.far(), "create", "-plaintext"])?;
                }
            }
            Direction::BackupFrom => {
                self.here_backups += 1;
                if self.here_backups.is_multiple_of(BACKUPS_MAX) {
                    fs::remove_dir_all(self.path("here"))?;
                    self.create_here()?;
                }
            }
            Direction::RestoreTo => {}
        }
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        self.temp.path().join(name).display().to_string()
    }

    /// The store behind the line.
    fn far(&self) -> String {
        format!("sftp://{ALIAS}{}", self.far_folder())
    }

    fn far_folder(&self) -> String {
        self.path(&format!("far/{}", self.far_backups / BACKUPS_MAX))
    }

    fn here(&self) -> String {
        self.path(&format!("here/{}", self.here_backups / BACKUPS_MAX))
    }

    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.random;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// New content that no store has yet.
    fn change_tree(&mut self, number: u64) -> io::Result<()> {
        let mut body = vec![0u8; self.plan.bytes];
        let mut word = self.next();
        for piece in body.chunks_mut(8) {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bytes = (word ^ (word >> 29)).to_le_bytes();
            piece.copy_from_slice(bytes.get(..piece.len()).unwrap_or_default());
        }
        let half = body.len() / 2;
        fs::write(self.temp.path().join("tree/large"), body.get(..half).unwrap_or_default())?;
        let many = self.temp.path().join("tree/many");
        let _ = fs::remove_dir_all(&many);
        fs::create_dir(&many)?;
        for (at, piece) in body.get(half..).unwrap_or_default().chunks(20_000).enumerate() {
            fs::write(many.join(format!("{number}-{at}")), piece)?;
        }
        Ok(())
    }

    fn command(&self, words: &[&str], cache: &str) -> Command {
        let mut command = Command::new(&self.plan.program);
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.path("bin")))
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("XDG_CACHE_HOME", self.path(cache))
            .current_dir(self.temp.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .args(words);
        command
    }

    fn must(&self, words: &[&str]) -> io::Result<()> {
        let output = self.command(words, "cache").output()?;
        if output.status.success() { Ok(()) } else { Err(io::Error::other(told(words, &output))) }
    }

    /// One run under faults, and what was wrong after it.
    fn one(&mut self, direction: Direction, fault: Fault) -> io::Result<(i32, String, Vec<String>)> {
        let number = self.next();
        if direction != Direction::RestoreTo {
            self.change_tree(number)?;
        } else {
            self.must(&["at", &self.here(), "backup", &self.path("tree")])?;
            let _ = fs::remove_dir_all(self.path("target"));
        }
        let (store, rate) = match direction {
            Direction::BackupTo => (self.far(), "-limit-upload"),
            Direction::BackupFrom => (self.here(), "-limit-download"),
            Direction::RestoreTo => (self.here(), "-limit-upload"),
        };
        let tree = self.path("tree");
        let (from, to) = (format!("sftp://{ALIAS}{tree}"), format!("sftp://{ALIAS}{}", self.path("target")));
        let mut words = vec![rate, self.plan.rate, "at", &store];
        match direction {
            Direction::BackupTo => words.extend(["backup", &tree]),
            Direction::BackupFrom => words.extend(["backup", &from]),
            Direction::RestoreTo => words.extend(["restore", "-to", &to]),
        }
        let output = self.run_under(&words, fault)?;
        let code = output.status.code().unwrap_or(-1);
        let mut found = self.left_behind(code);
        let why = if code == 0 { String::new() } else { told(&words, &output) };
        match direction {
            Direction::BackupTo => self.judge_store(&self.far_folder(), code, &mut found)?,
            Direction::BackupFrom => self.judge_store(&self.here(), code, &mut found)?,
            Direction::RestoreTo if code == 0 => self.compare("target", &mut found)?,
            Direction::RestoreTo => {}
        }
        if !found.is_empty() && code == 0 {
            found.push(told(&words, &output));
        }
        self.renew_store(direction)?;
        Ok((code, why, found))
    }
}
