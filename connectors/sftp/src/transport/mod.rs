//! Connections: the system's `ssh` as a child, several SFTP channels over one login.
//!
//! The first channel's own `ssh` is the master of a private control socket; further channels are
//! `ssh` children that reach it through that socket and can do nothing else (their proxy command
//! is one that fails). All of them live on pipes from this process: when it ends, however it ends,
//! the pipes close, the server's side ends, and the master with it.

mod agent;
mod control;
mod diagnose;
mod process;
mod resolve;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use kloset_connector::{ConnectorContext, ConnectorError, ErrorKind};

use self::agent::PrivateAgent;
use self::control::ControlFolder;
pub(crate) use self::control::random;
use self::diagnose::Login;
use self::process::{SshPeer, StderrText};
use self::resolve::Resolved;
use crate::channel::{Channel, Lost, Streams};
use crate::target::Target;

/// Channels wanted: OpenSSH gives each a window of 2 MiB, and four fill 40 ms of a fast line.
pub(crate) const CHANNELS: usize = 4;
/// Environment of ours that no child needs.
const SECRET_VARIABLES: [&str; 3] = ["PLAKAR_PASSPHRASE", "PLAKAR_TOKEN", "PLAKAR_UI_TOKEN"];

/// Everything that connections of one target share.
pub(crate) struct Transport {
    pub(crate) target: Target,
    context: ConnectorContext,
    resolved: OnceLock<Resolved>,
    agent: Mutex<Option<PrivateAgent>>,
}

/// One login. Its channels keep it alive.
pub(crate) struct Connection {
    folder: ControlFolder,
    login: Login,
    master_words: Arc<StderrText>,
}

impl Transport {
    pub(crate) fn new(target: Target, context: ConnectorContext) -> Self {
        Self { target, context, resolved: OnceLock::new(), agent: Mutex::new(None) }
    }

    /// Logs in and opens the first channel.
    pub(crate) fn connect(
        &self,
        patient: &dyn Fn() -> bool,
    ) -> Result<(Arc<Connection>, Arc<Channel>), ConnectorError> {
        let deadline = Instant::now() + self.context.retry.connect_timeout;
        if self.target.ignore_host_key {
            self.context.events.warning(&format!(
                "the host key of {} is not checked (insecure_ignore_host_key): anybody on the way can read and \
                 change what is sent",
                self.target.origin
            ));
        }
        let resolved = self.resolved()?;
        let folder = ControlFolder::create(self.target.ignore_host_key)
            .map_err(|error| ConnectorError::from_io("make a folder for", "the control socket", error))?;
        let mut command = self.command();
        self.add_login_options(&mut command, resolved);
        self.add_key_options(&mut command)?;
        command.args(["-o", "ControlMaster=yes", "-o", "ControlPersist=no", "-o"]);
        command.arg(format!("ControlPath={}", folder.socket().display()));
        self.add_host(&mut command);
        let login = Login::new(&self.target, resolved);
        let (channel, words) = self.start(command, &login, None, deadline, patient)?;
        Ok((Arc::new(Connection { folder, login, master_words: words }), channel))
    }

    /// Opens another channel on a login that stands. An error is final for this connection: the
    /// server wants no more channels, or the login is gone.
    pub(crate) fn open_channel(
        &self,
        connection: &Connection,
        patient: &dyn Fn() -> bool,
    ) -> Result<Arc<Channel>, ConnectorError> {
        let mut command = self.program();
        command.args([
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "ControlMaster=no",
            "-o",
            "ProxyCommand=false",
            "-o",
        ]);
        command.arg(format!("ControlPath={}", connection.folder.socket().display()));
        self.add_host(&mut command);
        let deadline = Instant::now() + self.context.retry.connect_timeout.min(Duration::from_secs(15));
        let words = Some(Arc::clone(&connection.master_words));
        Ok(self.start(command, &connection.login, words, deadline, patient)?.0)
    }

    fn start(
        &self,
        mut command: Command,
        login: &Login,
        master: Option<Arc<StderrText>>,
        deadline: Instant,
        patient: &dyn Fn() -> bool,
    ) -> Result<(Arc<Channel>, Arc<StderrText>), ConnectorError> {
        let failed = |lost: &Lost| lost.error("connect to", self.target.server());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| self.no_program(error))?;
        let (Some(input), Some(output), Some(errors)) =
            (child.stdout.take(), child.stdin.take(), child.stderr.take())
        else {
            return Err(failed(&Lost::new(ErrorKind::Other, "no pipes to the ssh program")));
        };
        process::widen(&input);
        process::widen(&output);
        let words = StderrText::collect(errors);
        let peer = SshPeer::new(child, &output, Arc::clone(&words), master, login.clone());
        let streams = Streams {
            input: Box::new(input),
            output: Box::new(output),
            upload: Arc::clone(&self.context.upload),
            download: Arc::clone(&self.context.download),
            files_max: self.context.concurrency.map(|count| count.div_ceil(count.clamp(1, CHANNELS))),
        };
        let channel =
            Channel::open(streams, Box::new(peer), deadline, patient).map_err(|lost| failed(&lost))?;
        Ok((channel, words))
    }

    /// The user's `ssh` with its configuration asked, not yet naming the host.
    fn command(&self) -> Command {
        let mut command = self.program();
        if let Some(config) = &self.target.ssh_config {
            command.arg("-F").arg(config);
        }
        if let Some(user) = &self.target.user {
            command.arg("-l").arg(user);
        }
        if let Some(port) = self.target.port {
            command.arg("-p").arg(port.to_string());
        }
        if let Some(identity) = &self.target.identity {
            command.arg("-i").arg(identity);
            if self.target.private_key.is_none() {
                command.args(["-o", "IdentitiesOnly=yes"]);
            }
        }
        command
    }

    fn program(&self) -> Command {
        let program = std::env::var_os("PLAKAR_SSH").filter(|name| !name.is_empty());
        let mut command = Command::new(program.as_deref().unwrap_or_else(|| "ssh".as_ref()));
        quiet_environment(&mut command);
        if let Some(socket) = &self.target.agent_socket {
            command.env("SSH_AUTH_SOCK", socket);
        }
        command
    }

    fn add_login_options(&self, command: &mut Command, resolved: &Resolved) {
        command.args(["-T", "-x", "-a"]);
        for option in [
            "BatchMode=yes",
            "NumberOfPasswordPrompts=0",
            "PermitLocalCommand=no",
            "ClearAllForwardings=yes",
            "RemoteCommand=none",
            "LogLevel=INFO",
        ] {
            command.args(["-o", option]);
        }
        for option in resolved.conditional_options(self.context.retry.connect_timeout) {
            command.arg("-o").arg(option);
        }
        if self.target.ignore_host_key {
            command.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
            command.args(["-o", "GlobalKnownHostsFile=/dev/null"]);
        }
    }

    fn add_key_options(&self, command: &mut Command) -> Result<(), ConnectorError> {
        if let Some(key) = &self.target.private_key {
            let mut agent = self.agent.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if agent.as_mut().is_none_or(|agent| !agent.is_alive()) {
                *agent = Some(PrivateAgent::start(&self.target.server())?);
            }
            if let Some(agent) = agent.as_ref() {
                agent.add_key(key, self.target.private_key_lifetime, &self.target.server())?;
                command.arg("-o").arg(format!("IdentityAgent={}", agent.socket().display()));
                command.args(["-o", "IdentitiesOnly=no"]);
            }
        } else if self.target.agent_socket.is_some() {
            command.args(["-o", "IdentityAgent=SSH_AUTH_SOCK"]);
        }
        Ok(())
    }

    fn add_host(&self, command: &mut Command) {
        command.arg("-s").arg("--").arg(&self.target.host).arg("sftp");
    }

    fn resolved(&self) -> Result<&Resolved, ConnectorError> {
        if let Some(resolved) = self.resolved.get() {
            return Ok(resolved);
        }
        let mut asked = self.command();
        asked.arg("-G").arg("--").arg(&self.target.host);
        let mut plain = self.program();
        plain.args(["-F", "none", "-G", "--", "localhost"]);
        let found = Resolved::ask(asked, plain, &self.target.server()).map_err(|error| match error {
            resolve::Failure::NoProgram(error) => self.no_program(error),
            resolve::Failure::Told(error) => error,
        })?;
        Ok(self.resolved.get_or_init(|| found))
    }

    fn no_program(&self, error: std::io::Error) -> ConnectorError {
        ConnectorError::from_io("run the ssh program for", self.target.server(), error)
            .with_hint("sftp:// needs OpenSSH's client: install it, or name it in PLAKAR_SSH")
    }
}

/// A child that cannot ask anybody anything, hears no interrupt of the terminal, and sees no
/// secret of ours.
fn quiet_environment(command: &mut Command) {
    command.env("SSH_ASKPASS_REQUIRE", "never").env_remove("SSH_ASKPASS").process_group(0);
    for name in SECRET_VARIABLES {
        command.env_remove(name);
    }
}

/// Whether a path can stand in an `ssh` option without any quoting.
fn is_plain(path: &Path) -> bool {
    path.to_str().is_some_and(|text| {
        text.starts_with('/')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-'))
    })
}
