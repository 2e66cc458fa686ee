//! A private OpenSSH server on the loopback interface, with keys and client configuration of its own.
//!
//! Everything lies in one temporary folder: host key, user key, `ssh_config` with the alias
//! [`ALIAS`], known hosts, and a wrapper program named `ssh` that reads this configuration and
//! nothing of the user's. The server runs as whoever runs the test; it ends with the value.

use std::fs;
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Name under which the client configuration knows the server.
pub const ALIAS: &str = "sftp-test";

const SERVER_PROGRAM: &str = "/usr/sbin/sshd";

/// What kind of server to run.
#[derive(Clone, Debug, Default)]
pub struct SshdOptions {
    /// Channels allowed on one connection (OpenSSH's default is 10).
    pub max_sessions: Option<u32>,
    /// Folder that sessions are locked into; OpenSSH wants it and its parents owned by root.
    pub chroot: Option<PathBuf>,
    /// Command run whatever the client asks for: `internal-sftp`, or something that is no server.
    pub force_command: Option<String>,
    /// Refuses every change.
    pub read_only: bool,
    /// Offers no sftp subsystem.
    pub no_subsystem: bool,
    /// Further requests that the server denies, as the sftp server's `-P` takes them.
    pub denied_requests: Vec<String>,
    /// More lines for the server's configuration.
    pub extra: Vec<String>,
}

/// A running server and what a client needs to reach it.
pub struct Sshd {
    folder: tempfile::TempDir,
    options: SshdOptions,
    port: u16,
    user: String,
    listener: Option<Child>,
}

impl Sshd {
    /// Whether this machine has the programs; tests without them should say so and return.
    pub fn available() -> bool {
        Path::new(SERVER_PROGRAM).exists()
    }

    /// Starts a plain server.
    pub fn start() -> io::Result<Self> {
        Self::start_with(SshdOptions::default())
    }

    /// Starts a server with `options`.
    pub fn start_with(options: SshdOptions) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("testkit-sshd-").tempdir()?;
        let user = current_user()?;
        generate_key(&folder.path().join("host_key"))?;
        generate_key(&folder.path().join("user_key"))?;
        fs::copy(folder.path().join("user_key.pub"), folder.path().join("authorized_keys"))?;
        let mut server = Self { folder, options, port: 0, user, listener: None };
        let mut last = io::Error::other("no port was tried");
        for _ in 0..10 {
            server.port = free_port()?;
            match server.listen() {
                Ok(()) => {
                    server.write_client_files()?;
                    return Ok(server);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The account that sessions run as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The folder that holds keys and configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Client configuration with the alias, for `ssh -F`.
    pub fn ssh_config(&self) -> PathBuf {
        self.folder.path().join("ssh_config")
    }

    /// The private key that may log in.
    pub fn user_key(&self) -> PathBuf {
        self.folder.path().join("user_key")
    }

    /// The known hosts that [`Self::ssh_config`] names.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.path().join("known_hosts")
    }

    /// A folder holding a program `ssh` that uses [`Self::ssh_config`]; put it first in PATH.
    pub fn program_folder(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// Another client configuration: same keys, other port (a proxy), `extra` lines first.
    pub fn ssh_config_for(&self, name: &str, port: u16, extra: &[&str]) -> io::Result<PathBuf> {
        let hosts = self.folder.path().join(format!("{name}_known_hosts"));
        fs::write(&hosts, self.known_hosts_line(port, "host_key.pub")?)?;
        let path = self.folder.path().join(name);
        fs::write(&path, self.client_config(port, &hosts, extra))?;
        Ok(path)
    }

    /// Replaces the known hosts by one with another server's key.
    pub fn forge_known_hosts(&self) -> io::Result<()> {
        generate_key(&self.folder.path().join("other_key"))?;
        fs::write(self.known_hosts(), self.known_hosts_line(self.port, "other_key.pub")?)
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("sshd.log")).unwrap_or_default()
    }

    /// Ends the listening process; sessions that are open go on.
    pub fn stop_listening(&mut self) {
        if let Some(mut child) = self.listener.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Listens again on the same port.
    pub fn listen(&mut self) -> io::Result<()> {
        if self.user == "root" {
            fs::create_dir_all("/run/sshd")?;
        }
        let path = self.folder.path().join("sshd_config");
        fs::write(&path, self.server_config())?;
        let log =
            fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("sshd.log"))?;
        let child = Command::new(SERVER_PROGRAM)
            .arg("-D")
            .arg("-e")
            .arg("-f")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        self.listener = Some(child);
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            if greets(self.port) {
                return Ok(());
            }
            if let Some(child) = &mut self.listener
                && child.try_wait()?.is_some()
            {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.stop_listening();
        Err(io::Error::other(format!("the private sshd did not start: {}", self.log())))
    }

    fn server_config(&self) -> String {
        let folder = self.folder.path().display();
        let options = &self.options;
        let mut arguments = String::new();
        if options.read_only {
            arguments.push_str(" -R");
        }
        if !options.denied_requests.is_empty() {
            arguments.push_str(&format!(" -P {}", options.denied_requests.join(",")));
        }
        let mut lines = vec![
            format!("Port {}", self.port),
            "ListenAddress 127.0.0.1".to_owned(),
            format!("HostKey {folder}/host_key"),
            format!("AuthorizedKeysFile {folder}/authorized_keys"),
            "PidFile none".to_owned(),
            "StrictModes no".to_owned(),
            "UsePAM no".to_owned(),
            "PasswordAuthentication no".to_owned(),
            "KbdInteractiveAuthentication no".to_owned(),
            "PermitRootLogin yes".to_owned(),
            "PermitUserRC no".to_owned(),
            "PrintMotd no".to_owned(),
            "MaxStartups 200".to_owned(),
            "LogLevel VERBOSE".to_owned(),
        ];
        if !options.no_subsystem {
            lines.push(format!("Subsystem sftp internal-sftp{arguments}"));
        }
        if let Some(count) = options.max_sessions {
            lines.push(format!("MaxSessions {count}"));
        }
        if let Some(root) = &options.chroot {
            lines.push(format!("ChrootDirectory {}", root.display()));
        }
        if let Some(command) = &options.force_command {
            lines.push(format!("ForceCommand {command}"));
        }
        lines.extend(options.extra.iter().cloned());
        lines.join("\n") + "\n"
    }

    fn write_client_files(&self) -> io::Result<()> {
        fs::write(self.known_hosts(), self.known_hosts_line(self.port, "host_key.pub")?)?;
        fs::write(self.ssh_config(), self.client_config(self.port, &self.known_hosts(), &[]))?;
        let bin = self.program_folder();
        fs::create_dir_all(&bin)?;
        let wrapper = bin.join("ssh");
        let text = format!("#!/bin/sh\nexec /usr/bin/ssh -F '{}' \"$@\"\n", self.ssh_config().display());
        fs::write(&wrapper, text)?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))
    }

    fn client_config(&self, port: u16, known_hosts: &Path, extra: &[&str]) -> String {
        let mut text = format!("Host {ALIAS}\n");
        for line in extra {
            text.push_str(&format!("  {line}\n"));
        }
        text.push_str(&format!(
            "  HostName 127.0.0.1\n  Port {port}\n  User {user}\n  IdentityFile {key}\n  IdentitiesOnly yes\n  \
             IdentityAgent none\n  UserKnownHostsFile {hosts}\n  GlobalKnownHostsFile /dev/null\n  \
             StrictHostKeyChecking yes\n",
            user = self.user,
            key = self.user_key().display(),
            hosts = known_hosts.display(),
        ));
        text
    }

    fn known_hosts_line(&self, port: u16, public_key: &str) -> io::Result<String> {
        let key = fs::read_to_string(self.folder.path().join(public_key))?;
        let mut words = key.split_whitespace();
        let (kind, data) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        Ok(format!("[127.0.0.1]:{port} {kind} {data}\n"))
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop_listening();
    }
}

/// Makes an ed25519 key pair without passphrase: `path` and `path.pub`.
pub fn generate_key(path: &Path) -> io::Result<()> {
    generate_key_with_passphrase(path, "")
}

/// Makes an ed25519 key pair.
pub fn generate_key_with_passphrase(path: &Path, passphrase: &str) -> io::Result<()> {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-C", "testkit", "-N", passphrase, "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("ssh-keygen failed")) }
}

fn current_user() -> io::Result<String> {
    let output = Command::new("id").arg("-un").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut greeting = [0; 4];
    stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok()
        && stream.read_exact(&mut greeting).is_ok()
        && &greeting == b"SSH-"
}
