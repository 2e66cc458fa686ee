//! A private SFTP server on this machine, as far away as asked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::proxy::Proxy;
use testkit::sshd::{ALIAS, Sshd};

use crate::error::{BenchError, IoContext};

/// A server behind a proxy that delays; both end with this value.
pub struct Remote {
    /// Folder with an `ssh` that knows the server and nothing else.
    pub ssh_folder: PathBuf,
    _proxy: Proxy,
    _server: Sshd,
}

impl Remote {
    /// Starts the server with `round_trip` added between it and its clients.
    pub fn start(round_trip: Duration) -> Result<Self, BenchError> {
        if !Sshd::available() {
            return Err(BenchError::Usage("no sshd on this machine: leave out the workload sftp".to_owned()));
        }
        let here = Path::new("the private ssh server");
        let server = Sshd::start().on("start", here)?;
        let proxy = Proxy::start(server.port(), round_trip / 2).on("start the proxy of", here)?;
        let config = server.ssh_config_for("delayed_config", proxy.port(), &[]).on("configure", here)?;

        // ssh takes the home directory from the password database, so only -F keeps it private.
        let ssh_folder = server.folder().join("delayed-bin");
        fs::create_dir_all(&ssh_folder).on("create folder", &ssh_folder)?;
        let program = ssh_folder.join("ssh");
        let script = format!("#!/bin/sh\nexec /usr/bin/ssh -F '{}' \"$@\"\n", config.display());
        fs::write(&program, script).on("write", &program)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).on("set mode of", &program)?;
        Ok(Self { ssh_folder, _proxy: proxy, _server: server })
    }

    /// Name of the server for `ssh`.
    pub fn alias(&self) -> &'static str {
        ALIAS
    }
}
