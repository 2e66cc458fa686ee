//! What `ssh -G` says of a host: names for messages, and which options the user leaves open.

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kloset_connector::{ConnectorError, ErrorKind};

use crate::packet::printable;

/// A configuration that takes longer to read is stuck (in a `Match exec`, say).
const DEADLINE: Duration = Duration::from_secs(10);
const FAST_CIPHERS: [&str; 2] = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"];

/// The resolved configuration, as far as we use it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) user: String,
    pub(crate) host: String,
    pub(crate) port: String,
    pub(crate) identity_files: Vec<PathBuf>,
    /// Cipher list with the fast ones first, if the user's is the program's own.
    fast_ciphers: Option<String>,
    keepalive_off: bool,
    no_connect_timeout: bool,
}

/// Why nothing could be learned.
pub(crate) enum Failure {
    NoProgram(io::Error),
    Told(ConnectorError),
}

impl Resolved {
    /// Runs both questions: `asked` about the host, `plain` about the program's defaults.
    pub(crate) fn ask(mut asked: Command, mut plain: Command, server: &str) -> Result<Self, Failure> {
        let deadline = Instant::now() + DEADLINE;
        let mut asked = spawn(&mut asked).map_err(Failure::NoProgram)?;
        let plain = spawn(&mut plain).ok();
        let (text, errors) = finish(&mut asked, deadline).map_err(|error| {
            Failure::Told(ConnectorError::from_io("read the ssh configuration for", server, error))
        })?;
        let defaults = plain.and_then(|mut child| finish(&mut child, deadline).ok()).unwrap_or_default().0;
        if !text.contains("hostname ") {
            let told: Vec<&str> = errors.lines().take(3).collect();
            let told = if told.is_empty() { "ssh -G printed nothing".to_owned() } else { told.join("; ") };
            let message = printable(told.as_bytes());
            return Err(Failure::Told(ConnectorError::new(
                ErrorKind::Invalid,
                "read the ssh configuration for",
                server,
                message,
            )));
        }
        Ok(Self::parse(&text, &defaults))
    }

    fn parse(text: &str, defaults: &str) -> Self {
        let mut found = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            match key {
                "user" => found.user = value.to_owned(),
                "hostname" => found.host = value.to_owned(),
                "port" => found.port = value.to_owned(),
                "identityfile" => found.identity_files.push(expand_home(value)),
                "serveraliveinterval" => found.keepalive_off = value == "0",
                "connecttimeout" => found.no_connect_timeout = value == "none" || value == "0",
                "ciphers" => found.fast_ciphers = faster(value, defaults),
                _ => {}
            }
        }
        found
    }

    /// Options that would override the user's own if they were always given.
    pub(crate) fn conditional_options(&self, connect_timeout: Duration) -> Vec<String> {
        let mut options = Vec::new();
        if self.keepalive_off {
            options.push("ServerAliveInterval=15".to_owned());
            options.push("ServerAliveCountMax=4".to_owned());
        }
        if self.no_connect_timeout {
            options.push(format!("ConnectTimeout={}", connect_timeout.as_secs().max(1)));
        }
        if let Some(ciphers) = &self.fast_ciphers {
            options.push(format!("Ciphers={ciphers}"));
        }
        options
    }
}

/// AES-GCM costs half the CPU of the default cipher where the processor helps with it.
fn faster(ciphers: &str, defaults: &str) -> Option<String> {
    let default = defaults.lines().find_map(|line| line.strip_prefix("ciphers "))?;
    if ciphers != default || !processor_has_aes() {
        return None;
    }
    let known: Vec<&str> = default.split(',').collect();
    let fast = FAST_CIPHERS.into_iter().filter(|name| known.contains(name));
    let others = known.iter().copied().filter(|name| !FAST_CIPHERS.contains(name));
    Some(fast.chain(others).collect::<Vec<_>>().join(","))
}

#[cfg(target_arch = "x86_64")]
fn processor_has_aes() -> bool {
    std::is_x86_feature_detected!("aes")
}

#[cfg(target_arch = "aarch64")]
fn processor_has_aes() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn processor_has_aes() -> bool {
    false
}

fn expand_home(text: &str) -> PathBuf {
    match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(text),
    }
}

fn spawn(command: &mut Command) -> io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// Waits for a child that prints little; its pipes hold all of it.
fn finish(child: &mut Child, deadline: Instant) -> io::Result<(String, String)> {
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let (mut text, mut errors) = (Vec::new(), Vec::new());
    if let Some(mut pipe) = child.stdout.take() {
        pipe.by_ref().take(1 << 20).read_to_end(&mut text)?;
    }
    if let Some(mut pipe) = child.stderr.take() {
        pipe.by_ref().take(1 << 16).read_to_end(&mut errors)?;
    }
    Ok((String::from_utf8_lossy(&text).into_owned(), String::from_utf8_lossy(&errors).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_own_settings_are_left_alone() {
        let defaults = "ciphers chacha,aes128-gcm@openssh.com,aes128-ctr\n";
        let own =
            "user u\nhostname h\nport 22\nserveraliveinterval 5\nconnecttimeout 9\nciphers aes128-ctr\n";
        assert!(Resolved::parse(own, defaults).conditional_options(Duration::from_secs(30)).is_empty());
        let open = format!("hostname h\nserveraliveinterval 0\nconnecttimeout none\n{defaults}");
        let options = Resolved::parse(&open, defaults).conditional_options(Duration::from_secs(30));
        assert!(options.contains(&"ServerAliveInterval=15".to_owned()));
        assert!(options.contains(&"ConnectTimeout=30".to_owned()));
        if processor_has_aes() {
            assert!(options.contains(&"Ciphers=aes128-gcm@openssh.com,chacha,aes128-ctr".to_owned()));
        }
    }
}
