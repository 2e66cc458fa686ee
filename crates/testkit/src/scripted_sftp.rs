//! An SFTP server whose manners a test chooses: no extensions, small packets, few handles, requests
//! that are denied, a quota, slow or endless folders, wrong answers.
//!
//! It serves the real file system from threads of the test, on a loopback port, and speaks version
//! 3. A small relay script joins it to whoever asks: as the forced command of a private sshd
//! ([`ScriptedServer::relay`]), or in the place of `ssh` itself.

mod session;
mod wire;

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::sshd::{Sshd, SshdOptions};

/// A folder that holds more names than anybody would make for a test.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The folder's path; nothing need be there.
    pub path: PathBuf,
    /// Number of files in it, all of one byte.
    pub files: usize,
}

/// An answer that no honest server gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// The answer to the n-th request carries the number of another.
    Number(u64),
    /// The answer to the n-th request is of a kind that fits nothing.
    Kind(u64),
    /// The answer to the n-th request claims to be 3 GiB long.
    Length(u64),
    /// The session ends in the middle of the answer to the n-th request.
    Torn(u64),
    /// Reads give one byte more than was asked for.
    LongReads,
}

/// What the server does and does not do.
#[derive(Clone, Debug, Default)]
pub struct Dialect {
    /// Extensions that are announced and obeyed, of `posix-rename`, `fsync`, `hardlink`; the names
    /// lack their `@openssh.com`.
    pub extensions: Vec<&'static str>,
    /// Data in one READ or WRITE; longer writes end the session, longer reads are cut. Zero: 256 KiB.
    pub data_bytes_max: usize,
    /// Handles that one session may hold; further ones are a plain failure. Zero: no limit.
    pub handles_max: usize,
    /// Requests that are denied: `remove`, `rename`, `posix-rename`, `mkdir`, `rmdir`, `setstat`,
    /// `owner` (setting owners only), `write` (opening for writing), `overwrite` (opening what
    /// exists for writing).
    pub denied: Vec<&'static str>,
    /// Bytes that may be written, all sessions together; then writes are a plain failure.
    pub quota_bytes: Option<u64>,
    /// Time that each READDIR takes.
    pub readdir_delay: Duration,
    /// Names in one answer; zero: 100.
    pub readdir_names: usize,
    /// A made-up folder.
    pub crowd: Option<Crowd>,
    /// A wrong answer, in every session.
    pub wrong: Option<Wrong>,
}

/// What all sessions share.
pub(crate) struct State {
    pub(crate) dialect: Dialect,
    pub(crate) written_bytes: AtomicU64,
    pub(crate) handles_most: AtomicUsize,
    pub(crate) sessions: AtomicU64,
    refused: Mutex<Vec<String>>,
    closing: AtomicBool,
}

impl State {
    pub(crate) fn note_refused(&self, text: String) {
        self.refused.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(text);
    }
}

/// A running server.
pub struct ScriptedServer {
    state: Arc<State>,
    port: u16,
    folder: tempfile::TempDir,
}

impl ScriptedServer {
    /// Starts serving.
    pub fn start(dialect: Dialect) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("testkit-sftp-").tempdir()?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            dialect,
            written_bytes: AtomicU64::new(0),
            handles_most: AtomicUsize::new(0),
            sessions: AtomicU64::new(0),
            refused: Mutex::default(),
            closing: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.closing.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&shared);
                std::thread::spawn(move || session::serve(stream, &state));
            }
        });
        let server = Self { state, port, folder };
        server.write_relay()?;
        Ok(server)
    }

    /// A program that joins its standard input and output to a session of this server. Asked for
    /// `ssh`'s configuration, it tells one.
    pub fn relay(&self) -> PathBuf {
        self.folder.path().join("relay")
    }

    fn write_relay(&self) -> io::Result<()> {
        let text = format!(
            "#!/bin/bash\n\
             case \" $* \" in *' -G '*) printf 'user u\\nhostname h\\nport 22\\n'; exit 0;; esac\n\
             exec 3<>/dev/tcp/127.0.0.1/{port} || exit 1\n\
             exec 4<&0\n\
             cat <&3 & reader=$!\n\
             cat <&4 >&3 & writer=$!\n\
             wait -n $reader $writer\n\
             kill $reader $writer 2>/dev/null\n",
            port = self.port
        );
        std::fs::write(self.relay(), text)?;
        std::fs::set_permissions(self.relay(), std::fs::Permissions::from_mode(0o755))
    }

    /// A private sshd in front of it.
    pub fn behind_sshd(&self) -> io::Result<Sshd> {
        self.behind_sshd_with(SshdOptions::default())
    }

    /// A private sshd with `options` in front of it.
    pub fn behind_sshd_with(&self, mut options: SshdOptions) -> io::Result<Sshd> {
        std::fs::set_permissions(self.folder.path(), std::fs::Permissions::from_mode(0o755))?;
        options.force_command = Some(format!("/bin/bash {}", self.relay().display()));
        Sshd::start_with(options)
    }

    /// Most handles that one session ever held.
    pub fn handles_most(&self) -> usize {
        self.state.handles_most.load(Ordering::Relaxed)
    }

    /// Sessions so far.
    pub fn sessions(&self) -> u64 {
        self.state.sessions.load(Ordering::Relaxed)
    }

    /// Requests that were denied, as `NAME PATH`.
    pub fn refused(&self) -> Vec<String> {
        self.state.refused.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Where the relay lies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.state.closing.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}
