//! A key agent of our own, for a private key that is given as text.
//!
//! The key goes from memory to the agent through a pipe and never touches a disk. The agent watches
//! over a child that ends when our pipe to it closes: it goes away with this process.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kloset_connector::{ConnectorError, ErrorKind};

use super::control::ControlFolder;
use crate::packet::printable;

/// A running agent.
pub(crate) struct PrivateAgent {
    folder: ControlFolder,
    keeper: Child,
}

impl PrivateAgent {
    pub(crate) fn start(server: &str) -> Result<Self, ConnectorError> {
        let failed = |error| ConnectorError::from_io("start ssh-agent for", server, error);
        let folder = ControlFolder::create(false).map_err(failed)?;
        let mut command = Command::new("ssh-agent");
        super::quiet_environment(&mut command);
        let keeper = command
            .arg("-a")
            .arg(folder.socket())
            .arg("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let agent = Self { folder, keeper };
        let until = Instant::now() + Duration::from_secs(5);
        while !agent.socket().exists() {
            if Instant::now() > until {
                return Err(failed(std::io::ErrorKind::TimedOut.into()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(agent)
    }

    pub(crate) fn socket(&self) -> &Path {
        self.folder.socket()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.keeper.try_wait(), Ok(None))
    }

    /// Hands the key over, to be forgotten after `lifetime`.
    pub(crate) fn add_key(&self, key: &str, lifetime: Duration, server: &str) -> Result<(), ConnectorError> {
        let failed = |error| ConnectorError::from_io("run ssh-add for", server, error);
        let mut command = Command::new("ssh-add");
        super::quiet_environment(&mut command);
        // Asking a program that gives no answer keeps it from asking the terminal.
        command.env("SSH_ASKPASS_REQUIRE", "force").env("SSH_ASKPASS", "false");
        let mut child = command
            .env("SSH_AUTH_SOCK", self.socket())
            .args(["-q", "-t", &lifetime.as_secs().max(1).to_string(), "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut pipe) = child.stdin.take() {
            let _ = pipe.write_all(key.trim().as_bytes());
            let _ = pipe.write_all(b"\n");
        }
        let output = child.wait_with_output().map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let last = printable(text.trim().lines().last().unwrap_or("no reason given").as_bytes());
        Err(ConnectorError::new(
            ErrorKind::Authentication,
            "log in to",
            server,
            format!("the key in ssh_private_key cannot be used: {last}"),
        )
        .with_hint("give a private key without passphrase, or load the key with ssh-add"))
    }
}

impl Drop for PrivateAgent {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
