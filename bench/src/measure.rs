//! Runs one command and measures it.
//!
//! Time and memory come from `wait4`, so they are those of this command and of the
//! children it waited for. Peak memory is the largest single process, not the sum.
//!
//! The command is started by a small helper process (this same binary): the kernel counts
//! the memory of whoever starts a program as the start of its peak, and the benchmark
//! itself, with proxies and trees in memory, is not small.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use wait4::Wait4;

use crate::error::{BenchError, IoContext};

/// First argument that makes this binary the helper.
pub const HELPER_WORD: &str = "measured-child";

/// What a command cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// From start to exit.
    pub wall: Duration,
    /// Processor time in user mode and in the kernel together.
    pub cpu: Duration,
    /// Peak resident memory of the largest process.
    pub peak_rss_bytes: u64,
}

/// Where a command's words go and how long it may take.
pub struct Runner {
    /// Folder for `stdout` and `stderr` of the last command.
    pub logs: PathBuf,
    /// After this the command is killed and counts as failed.
    pub timeout: Duration,
}

/// Why a command has no measurement.
pub enum Refusal {
    /// It ran and failed, or took too long; the text says how.
    Failed(String),
    /// The benchmark itself could not run it.
    Broken(BenchError),
}

impl From<BenchError> for Refusal {
    fn from(error: BenchError) -> Self {
        Self::Broken(error)
    }
}

impl Runner {
    /// Runs `command`, which must not inherit the environment, to its end.
    ///
    /// Dirty pages of earlier work are flushed first, so that nobody pays for another's.
    pub fn run(&self, command: &Command) -> Result<Measured, Refusal> {
        let report = self.logs.join("measured");
        let create = |path: &Path| File::create(path).on("create", path);
        let itself = env::current_exe().on("find", Path::new("this program"))?;
        let mut helper = Command::new(&itself);
        helper.arg(HELPER_WORD).arg(&report).arg(self.timeout.as_secs().to_string());
        helper.arg(command.get_program()).args(command.get_args()).env_clear();
        helper.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(folder) = command.get_current_dir() {
            helper.current_dir(folder);
        }
        helper
            .stdin(Stdio::null())
            .stdout(create(&self.stdout())?)
            .stderr(create(&self.logs.join("stderr"))?);
        create(&report)?;
        rustix::fs::sync();

        helper.status().on("run", &itself)?;
        let text = fs::read(&report).on("read", &report)?;
        match serde_json::from_slice(&text) {
            Ok(Report::Done(measured)) => Ok(measured),
            Ok(Report::Failed(how)) => Err(Refusal::Failed(format!("{how}: {}", self.last_words()))),
            Err(error) => Err(Refusal::Failed(format!("the measuring process broke off: {error}"))),
        }
    }

    /// File that holds what the last command printed.
    pub fn stdout(&self) -> PathBuf {
        self.logs.join("stdout")
    }

    fn last_words(&self) -> String {
        let tail = |name: &str| {
            let bytes = fs::read(self.logs.join(name)).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
            let start = lines.len().saturating_sub(4);
            lines.get(start..).unwrap_or_default().join(" / ")
        };
        let words = [tail("stderr"), tail("stdout")].into_iter().find(|words| !words.is_empty());
        words.unwrap_or_else(|| "no message".to_owned())
    }
}

/// What the helper tells.
#[derive(Debug, Serialize, Deserialize)]
enum Report {
    Done(Measured),
    Failed(String),
}

/// The helper: `REPORT_FILE TIMEOUT_S PROGRAM ARGUMENT…`.
pub fn help(arguments: &[OsString]) -> Result<(), BenchError> {
    let [report, timeout, program, rest @ ..] = arguments else {
        return Err(BenchError::Usage(format!("{HELPER_WORD} is for the benchmark's own use")));
    };
    let seconds = timeout.to_str().and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut command = Command::new(program);
    command.args(rest);
    let told = measure(command, Duration::from_secs(seconds));
    let path = Path::new(report);
    let text = serde_json::to_vec(&told).on("write", path)?;
    fs::write(path, text).on("write", path)
}

fn measure(mut command: Command, timeout: Duration) -> Report {
    let start = Instant::now();
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Report::Failed(format!("does not start: {error}")),
    };
    let watch = Watch::over(child.id(), timeout);
    let waited = child.wait4();
    let wall = start.elapsed();
    let late = watch.ended();
    match waited {
        _ if late => Report::Failed(format!("killed after {} s", timeout.as_secs_f64())),
        Err(error) => Report::Failed(format!("cannot be waited for: {error}")),
        Ok(used) if !used.status.success() => Report::Failed(used.status.to_string()),
        Ok(used) => {
            let cpu = used.rusage.utime + used.rusage.stime;
            Report::Done(Measured { wall, cpu, peak_rss_bytes: used.rusage.maxrss })
        }
    }
}

/// Kills a process that outlives its time.
struct Watch {
    done: mpsc::Sender<()>,
    killer: thread::JoinHandle<bool>,
}

impl Watch {
    fn over(pid: u32, timeout: Duration) -> Self {
        let (done, finished) = mpsc::channel();
        let killer = thread::spawn(move || {
            let late = finished.recv_timeout(timeout) == Err(mpsc::RecvTimeoutError::Timeout);
            if late && let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                // Gone already is as good as killed.
                let _ = kill_process(pid, Signal::KILL);
            }
            late
        });
        Self { done, killer }
    }

    /// Stops watching; true if the process was killed.
    fn ended(self) -> bool {
        let _ = self.done.send(());
        self.killer.join().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, timeout: Duration) -> Report {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        measure(command, timeout)
    }

    #[test]
    fn sleeping_costs_wall_time_and_no_processor_time() {
        let Report::Done(measured) = run("sleep 0.2", Duration::from_secs(20)) else { panic!("failed") };
        assert!(measured.wall >= Duration::from_millis(200));
        assert!(measured.cpu < Duration::from_millis(150));
        assert!(measured.peak_rss_bytes > 0);
    }

    #[test]
    fn failure_carries_the_exit_status() {
        let Report::Failed(how) = run("exit 3", Duration::from_secs(20)) else { panic!("succeeded") };
        assert!(how.contains('3'), "{how}");
    }

    #[test]
    fn command_that_takes_too_long_is_killed() {
        let Report::Failed(how) = run("exec sleep 60", Duration::from_millis(100)) else {
            panic!("succeeded")
        };
        assert!(how.contains("killed"), "{how}");
    }
}
