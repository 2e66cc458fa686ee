//! A private SFTP server behind a line as long and as unreliable as asked, until standard input ends.
//! Prints the folder of the `ssh` that reaches it.

#![allow(clippy::print_stdout, reason = "a program for people")]

use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use testkit::proxy::Proxy;
use testkit::sshd::{ALIAS, Sshd};

/// Starts a private SFTP server and a proxy before it
#[derive(Parser)]
#[command(name = "line")]
struct Arguments {
    /// Added round trip, in milliseconds
    #[arg(long, default_value_t = 40)]
    round_trip: u64,
    /// Cut all connections this often, in seconds; 0: never
    #[arg(long, default_value_t = 0)]
    lose_every: u64,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let server = Sshd::start()?;
    let delay = Duration::from_millis(arguments.round_trip) / 2;
    let proxy = Arc::new(Proxy::start(server.port(), delay)?);
    let config = server.ssh_config_for("line_config", proxy.port(), &[])?;
    let bin = server.folder().join("line-bin");
    std::fs::create_dir(&bin)?;
    let program = bin.join("ssh");
    std::fs::write(&program, format!("#!/bin/sh\nexec /usr/bin/ssh -F '{}' \"$@\"\n", config.display()))?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    println!("{}", bin.display());
    println!("sftp://{ALIAS}/");
    if arguments.lose_every > 0 {
        let proxy = Arc::clone(&proxy);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_secs(arguments.lose_every));
                proxy.cut();
            }
        });
    }
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
