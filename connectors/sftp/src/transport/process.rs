//! The `ssh` child as a channel sees it: its end, its last words, and its unread input.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ChildStderr, ChildStdin};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::diagnose::{Login, diagnose};
use crate::channel::{Lost, Peer};

/// Room in each pipe; the default of 64 KiB is less than one request.
const PIPE_BYTES: usize = 1 << 20;
/// What is kept of a child's error output: the end.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// How long a dying child may take to say why.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Makes a pipe as wide as the system allows.
pub(crate) fn widen(pipe: &impl AsFd) {
    // Unprivileged users may have used up their share: then it stays as it is.
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES);
}

/// What a child writes to its standard error.
pub(crate) struct StderrText {
    state: Mutex<(Vec<u8>, bool)>,
    ended: Condvar,
}

impl StderrText {
    /// Reads until the child ends.
    pub(crate) fn collect(mut from: ChildStderr) -> Arc<Self> {
        let text = Arc::new(Self { state: Mutex::new((Vec::new(), false)), ended: Condvar::new() });
        let shared = Arc::clone(&text);
        let reader = move || {
            let mut buffer = [0; 2048];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                let kept = &mut lock(&shared.state).0;
                kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
                let surplus = kept.len().saturating_sub(TEXT_BYTES_MAX);
                kept.drain(..surplus);
            }
            lock(&shared.state).1 = true;
            shared.ended.notify_all();
        };
        let _ = std::thread::Builder::new().name("ssh-stderr".to_owned()).stack_size(128 << 10).spawn(reader);
        text
    }

    /// The text so far, after waiting a moment for its end.
    pub(crate) fn wait(&self, most: Duration) -> String {
        let until = Instant::now() + most;
        let mut state = lock(&self.state);
        while !state.1 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.ended.wait_timeout(state, left).unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
        String::from_utf8_lossy(&state.0).into_owned()
    }
}

/// One `ssh` child.
pub(crate) struct SshPeer {
    child: Mutex<Option<Child>>,
    /// The child's input, for asking how much of it is unread.
    input: Mutex<Option<OwnedFd>>,
    words: Arc<StderrText>,
    /// The words of the master, for a child that works through one.
    master: Option<Arc<StderrText>>,
    login: Login,
}

impl SshPeer {
    pub(crate) fn new(
        child: Child,
        input: &ChildStdin,
        words: Arc<StderrText>,
        master: Option<Arc<StderrText>>,
        login: Login,
    ) -> Self {
        let input = Mutex::new(input.as_fd().try_clone_to_owned().ok());
        Self { child: Mutex::new(Some(child)), input, words, master, login }
    }
}

impl Peer for SshPeer {
    fn end(&self) {
        lock(&self.input).take();
        let Some(mut child) = lock(&self.child).take() else { return };
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw)
            && !matches!(child.try_wait(), Ok(Some(_)))
        {
            // A polite end lets the program remove its socket.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            for _ in 0..50 {
                if !matches!(child.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(4));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn last_words(&self) -> Option<Lost> {
        let own = self.words.wait(LAST_WORDS);
        let text = match &self.master {
            Some(master) => master.wait(Duration::from_millis(20)) + "\n" + &own,
            None => own,
        };
        diagnose(&text, &self.login)
    }

    fn backlog_bytes(&self) -> u64 {
        lock(&self.input).as_ref().and_then(|input| rustix::io::ioctl_fionread(input).ok()).unwrap_or(0)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
