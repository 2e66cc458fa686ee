//! From `ssh`'s own words to a kind of failure and its cure.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use kloset_connector::ErrorKind;

use super::resolve::Resolved;
use crate::channel::{ENDED_EARLY, Lost};
use crate::packet::printable;
use crate::target::Target;

/// Who logs in where, for messages.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    alias: String,
    user: String,
    host: String,
    port: String,
    identity_files: Vec<PathBuf>,
}

impl Login {
    pub(crate) fn new(target: &Target, resolved: &Resolved) -> Self {
        Self {
            alias: target.host.clone(),
            user: resolved.user.clone(),
            host: resolved.host.clone(),
            port: resolved.port.clone(),
            identity_files: resolved.identity_files.clone(),
        }
    }

    /// The name under which known hosts hold the server.
    fn known_as(&self) -> String {
        if self.port == "22" { self.host.clone() } else { format!("[{}]:{}", self.host, self.port) }
    }
}

/// What the text means; `None` if there is none.
pub(crate) fn diagnose(text: &str, login: &Login) -> Option<Lost> {
    let lines: Vec<String> =
        text.lines().map(|line| printable(line.as_bytes())).filter(|line| told(line)).collect();
    let last = lines.last()?;
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let (kind, note, hint) = if has(&["IDENTIFICATION HAS CHANGED", "REVOKED HOST KEY"]) {
        (
            ErrorKind::HostKey,
            "the host key has changed: this may be another machine".to_owned(),
            Some(format!(
                "ask the server's administrator whether its key was renewed; if so, remove the old one with: \
             ssh-keygen -R '{}'",
                login.known_as()
            )),
        )
    } else if has(&["Host key verification failed", "host key is known for"]) {
        (
            ErrorKind::HostKey,
            "the host key is unknown".to_owned(),
            Some(format!("connect once with `sftp {}`, compare the fingerprint and accept it", login.alias)),
        )
    } else if has(&[
        "Permission denied (",
        "Too many authentication failures",
        "No supported authentication methods",
    ]) {
        let (note, hint) = refused_login(text, login);
        (ErrorKind::Authentication, note, Some(hint))
    } else if has(&["subsystem request failed"]) {
        (ErrorKind::Unsupported, "the server offers no sftp subsystem".to_owned(), None)
    } else if has(&["Could not resolve hostname", "Name or service not known"]) {
        (ErrorKind::Unreachable, "the host name cannot be resolved".to_owned(), None)
    } else if has(&["Connection refused"]) {
        (ErrorKind::Unreachable, "the connection was refused".to_owned(), None)
    } else if has(&["No route to host", "Network is unreachable"]) {
        (ErrorKind::Unreachable, "the host cannot be reached".to_owned(), None)
    } else if has(&["timed out"]) {
        (ErrorKind::NoAnswer, "the host does not answer".to_owned(), None)
    } else if !has(&["exchange_identification"]) && has(&["closed by remote host", "Broken pipe"]) {
        (ErrorKind::Transient, "the server ended the session".to_owned(), Some(ENDED_EARLY.to_owned()))
    } else if has(&["exchange_identification", "onnection reset by", "onnection closed by"]) {
        (ErrorKind::NoAnswer, "the server closed the connection before the login".to_owned(), None)
    } else if has(&["Bad configuration option", "terminating, ", "Bad owner or permissions"]) {
        (ErrorKind::Invalid, "ssh does not accept its configuration".to_owned(), None)
    } else {
        (ErrorKind::Transient, "ssh ended".to_owned(), None)
    };
    let message =
        format!("{note} (user {}, host {}, port {}); ssh says: {last}", login.user, login.host, login.port);
    Some(Lost { kind, message, hint })
}

/// Lines that tell nothing about a failure.
fn told(line: &str) -> bool {
    !line.is_empty()
        && !line.starts_with("Warning: Permanently added")
        && !line.starts_with("Killed by signal")
        && !line.starts_with("ControlSocket ")
        && !line.starts_with("Connection closed by UNKNOWN")
}

fn refused_login(text: &str, login: &Login) -> (String, String) {
    let existing: Vec<&PathBuf> = login.identity_files.iter().filter(|file| file.exists()).collect();
    if let Some(file) = existing.iter().find(|file| is_encrypted(file)) {
        return (
            "the login was refused; a key has a passphrase that nobody can be asked for".to_owned(),
            format!("load the key into an agent first: ssh-add {}", file.display()),
        );
    }
    if text.contains("UNPROTECTED PRIVATE KEY") {
        return (
            "the login was refused; a key file is readable by others".to_owned(),
            "make the key file private: chmod 600".to_owned(),
        );
    }
    if existing.is_empty() && std::env::var_os("SSH_AUTH_SOCK").is_none() {
        return (
            "the login was refused; no key was found".to_owned(),
            "name a key with the option identity=FILE, in ssh_config (IdentityFile), or run an ssh agent"
                .to_owned(),
        );
    }
    (
        "the login was refused".to_owned(),
        format!(
            "see whether `ssh {}` logs in without a password; the server must know the public key",
            login.alias
        ),
    )
}

/// Whether a private key file is protected by a passphrase.
fn is_encrypted(path: &Path) -> bool {
    let mut text = Vec::new();
    if File::open(path).and_then(|file| file.take(4096).read_to_end(&mut text)).is_err() {
        return false;
    }
    let text = String::from_utf8_lossy(&text);
    if text.contains("ENCRYPTED") {
        return true;
    }
    // "openssh-key-v1\0", then the cipher's name with its length; "none" when there is no passphrase.
    let mut lines = text.lines();
    lines.next() == Some("-----BEGIN OPENSSH PRIVATE KEY-----")
        && lines.next().is_some_and(|first| !first.starts_with("b3BlbnNzaC1rZXktdjEAAAAABG5vbmU"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            alias: "prod".into(),
            user: "u".into(),
            host: "h".into(),
            port: "2222".into(),
            identity_files: Vec::new(),
        }
    }

    #[test]
    fn failures_have_different_kinds_and_words() {
        for (text, kind, words) in [
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                ErrorKind::HostKey,
                "changed",
            ),
            (
                "No ED25519 host key is known for h\nHost key verification failed.",
                ErrorKind::HostKey,
                "unknown",
            ),
            (
                "u@h: Permission denied (publickey).",
                ErrorKind::Authentication,
                "Permission denied (publickey).",
            ),
            (
                "ssh: Could not resolve hostname h: Name or service not known",
                ErrorKind::Unreachable,
                "resolved",
            ),
            ("ssh: connect to host h port 2222: Connection refused", ErrorKind::Unreachable, "refused"),
            ("ssh: connect to host h port 2222: Connection timed out", ErrorKind::NoAnswer, "answer"),
            ("ssh: connect to host h port 22: No route to host", ErrorKind::Unreachable, "be reached"),
            ("Connection timed out during banner exchange", ErrorKind::NoAnswer, "answer"),
            ("subsystem request failed on channel 0", ErrorKind::Unsupported, "sftp subsystem"),
            ("Connection reset by 1.2.3.4 port 22", ErrorKind::NoAnswer, "before the login"),
            ("Connection to h closed by remote host.", ErrorKind::Transient, "ended the session"),
            (
                "kex_exchange_identification: Connection closed by remote host",
                ErrorKind::NoAnswer,
                "before the login",
            ),
        ] {
            let lost = diagnose(text, &login()).unwrap();
            assert_eq!(lost.kind, kind, "{text}");
            assert!(lost.message.contains(words), "{}", lost.message);
            assert!(lost.message.contains("user u, host h, port 2222"));
            assert!(lost.message.ends_with(text.lines().last().unwrap()));
        }
        let lost = diagnose("\u{1b}[31mred\r\n", &login()).unwrap();
        assert!(!lost.message.contains('\u{1b}'));
        assert!(diagnose("Warning: Permanently added 'x' to the list of known hosts.\n", &login()).is_none());
        let changed = diagnose("IDENTIFICATION HAS CHANGED", &login()).unwrap();
        assert!(changed.hint.unwrap().contains("ssh-keygen -R '[h]:2222'"));
    }
}
