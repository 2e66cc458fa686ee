//! The child process: started in a process group of its own, always reaped.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kloset_connector::{ConnectorContext, ConnectorError};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::PluginCommand;
use crate::spoken::Spoken;

/// Kernel buffer of each pipe.
const PIPE_BYTES: usize = 1 << 20;
/// Time between two looks at a process that should end.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A running package.
pub(crate) struct Process {
    package: String,
    child: Mutex<Child>,
    pid: Option<Pid>,
    spoken: Arc<Spoken>,
}

/// The package's standard input and output.
pub(crate) struct Pipes {
    pub(crate) input: OwnedFd,
    pub(crate) output: OwnedFd,
}

impl Process {
    /// Starts the program. Environment and working directory are inherited, as upstream does.
    pub(crate) fn start(
        command: &PluginCommand,
        context: &ConnectorContext,
    ) -> Result<(Self, Pipes), ConnectorError> {
        let shown = command.executable.display().to_string();
        let failed = |error| ConnectorError::from_io("start package", shown.clone(), error);
        let mut child = Command::new(&command.executable)
            .args(&command.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let (Some(input), Some(output), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(std::io::Error::other("no pipes to the package")));
        };
        let pipes = Pipes { input: input.into(), output: output.into() };
        for end in [&pipes.input, &pipes.output] {
            // Only speed depends on it; the system may refuse.
            let _ = rustix::pipe::fcntl_setpipe_size(end, PIPE_BYTES);
        }
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let spoken = Spoken::listen(command.package.clone(), stderr, Arc::clone(&context.events));
        let spoken = match spoken {
            Ok(spoken) => spoken,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(error));
            }
        };
        let process = Self { package: command.package.clone(), child: Mutex::new(child), pid, spoken };
        Ok((process, pipes))
    }

    /// Whether it has ended; leaves it to be reaped, so that its number stays its own.
    pub(crate) fn has_ended(&self) -> bool {
        let Some(pid) = self.pid else { return true };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
    }

    /// Waits a while for its end.
    pub(crate) fn ends_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while !self.has_ended() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        true
    }

    /// Ends it and everything it started.
    pub(crate) fn kill(&self) {
        if let Some(pid) = self.pid {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    /// What became of it, for an error.
    pub(crate) fn obituary(&self) -> String {
        let words = self.spoken.last_words(Duration::from_millis(200));
        let how = match self.child.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).try_wait() {
            Ok(Some(status)) => format!("ended unexpectedly ({status})"),
            _ => "closed the connection".to_owned(),
        };
        let said = if words.is_empty() { String::new() } else { format!("; it said: {words}") };
        format!("package {} {how}{said}", self.package)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The group is ended while the child is not yet reaped: its number cannot be another's.
        self.kill();
        let _ = self.child.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).wait();
    }
}
