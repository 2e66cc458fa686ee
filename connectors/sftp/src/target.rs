//! What a location and its options name: a host, a way to log in, a path.

use std::path::PathBuf;
use std::time::Duration;

use kloset_connector::{ConnectorError, ErrorKind, Location, Options};
use kloset_format::path;

/// How long a key given as text stays usable for logins, unless an option says otherwise.
const KEY_LIFETIME: Duration = Duration::from_secs(60);

/// A server account and a path on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    /// Host part as typed, with the port or its colon: what snapshots record.
    pub(crate) origin: String,
    /// Host name or alias as `ssh` takes it.
    pub(crate) host: String,
    pub(crate) user: Option<String>,
    pub(crate) port: Option<u16>,
    /// Absolute and clean.
    pub(crate) path: Vec<u8>,
    pub(crate) identity: Option<PathBuf>,
    pub(crate) ignore_host_key: bool,
    pub(crate) private_key: Option<String>,
    pub(crate) private_key_lifetime: Duration,
    pub(crate) agent_socket: Option<PathBuf>,
    pub(crate) ssh_config: Option<PathBuf>,
    /// Stay on the file system of the root.
    pub(crate) one_file_system: bool,
}

impl Target {
    pub(crate) fn parse(location: &Location, options: &Options) -> Result<Self, ConnectorError> {
        let shown = location.to_string();
        let bad = |message: String| ConnectorError::new(ErrorKind::Invalid, "parse", shown.clone(), message);
        let (authority, raw_path) = match location.rest.find('/') {
            Some(at) => location.rest.split_at(at),
            None => (location.rest.as_str(), ""),
        };
        let (typed_user, origin) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let (host, typed_port) = split_port(origin).map_err(&bad)?;
        if host.is_empty() {
            return Err(bad(format!("missing hostname in endpoint: {shown:?}")));
        }
        check_host(host).map_err(&bad)?;
        let user = match (typed_user, options.get("username")) {
            (Some(_), Some(_)) => {
                return Err(bad("can not use user@host syntax and username parameter".to_owned()));
            }
            (Some(user), None) => Some(decode(user).map_err(&bad)?),
            (None, Some(user)) => Some(user.clone().into_bytes()),
            (None, None) => None,
        };
        let user = user.map(|user| check_user(user).map_err(&bad)).transpose()?;
        let port = match (typed_port, options.get("port")) {
            (Some(port), _) => Some(port),
            (None, Some(text)) => Some(parse_port(text).map_err(&bad)?),
            (None, None) => None,
        };
        let path = match options.get("root") {
            Some(root) => path::clean(root.as_bytes()),
            None => path::clean(&decode_path(raw_path).map_err(&bad)?),
        };
        if path.contains(&0) {
            return Err(bad("path with a NUL byte".to_owned()));
        }
        let yes = |name: &str| options.get(name).is_some_and(|value| value == "true");
        let file = |name: &str| options.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Ok(Self {
            origin: origin.to_owned(),
            host: host.to_owned(),
            user,
            port,
            path,
            identity: file("identity"),
            ignore_host_key: yes("insecure_ignore_host_key"),
            private_key: options.get("ssh_private_key").filter(|key| !key.trim().is_empty()).cloned(),
            private_key_lifetime: match options.get("ssh_private_key_ttl") {
                Some(text) => parse_lifetime(text)
                    .ok_or_else(|| bad(format!("invalid ssh_private_key_ttl {text:?}")))?,
                None => KEY_LIFETIME,
            },
            agent_socket: file("ssh_auth_sock"),
            ssh_config: file("ssh_config"),
            one_file_system: yes("dont_traverse_fs"),
        })
    }

    /// The server as people know it.
    pub(crate) fn server(&self) -> String {
        // `sftp://host:/path` has an empty port.
        let origin = self.origin.strip_suffix(':').unwrap_or(&self.origin);
        match &self.user {
            Some(user) => format!("sftp://{user}@{origin}"),
            None => format!("sftp://{origin}"),
        }
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), String> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']').ok_or_else(|| "missing ']' in host".to_owned())?;
            (host, rest)
        }
        None => match authority.find(':') {
            Some(at) => authority.split_at(at),
            None => (authority, ""),
        },
    };
    match rest {
        "" | ":" => Ok((host, None)),
        _ => {
            let digits = rest.strip_prefix(':').unwrap_or_default();
            let port = parse_port(digits).map_err(|_| format!("invalid port {rest:?} after host"))?;
            Ok((host, Some(port)))
        }
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
        _ => Err(format!("invalid port {text:?}")),
    }
}

/// The characters that OpenSSH refuses in names too: they could mean something to a shell that a
/// proxy command runs in.
fn check_host(host: &str) -> Result<(), String> {
    for c in host.chars() {
        if c.is_whitespace() || c.is_control() || "'`\"$\\;&<>|(){}".contains(c) {
            return Err(format!("invalid character {:?} in host name", c.to_string()));
        }
    }
    if host.starts_with('-') { Err("host name starts with a dash".to_owned()) } else { Ok(()) }
}

fn check_user(user: Vec<u8>) -> Result<String, String> {
    let user = String::from_utf8(user).map_err(|_| "user name is not UTF-8".to_owned())?;
    if user.contains(':') {
        return Err("a password in the location is not supported; use a key".to_owned());
    }
    for c in user.chars() {
        if c.is_whitespace() || c.is_control() || "'`\";&<>|(){}".contains(c) {
            return Err(format!("invalid character {:?} in user name", c.to_string()));
        }
    }
    if user.is_empty() || user.starts_with('-') || user.ends_with('\\') {
        return Err(format!("invalid user name {user:?}"));
    }
    Ok(user)
}

fn decode_path(text: &str) -> Result<Vec<u8>, String> {
    if let Some(c) = text.chars().find(|c| matches!(c, '?' | '#')) {
        let escaped = if c == '?' { "%3F" } else { "%23" };
        return Err(format!("{:?} in a path is written {escaped}", c.to_string()));
    }
    decode(text)
}

/// Undoes `%XX`.
fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| (b as char).to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) => out.push((high * 16 + low) as u8),
            _ => return Err("invalid URL escape: a percent sign is written %25".to_owned()),
        }
    }
    Ok(out)
}

/// Seconds, or a number with `s`, `m` or `h`.
fn parse_lifetime(text: &str) -> Option<Duration> {
    let (digits, unit) = match text.trim().split_at_checked(text.trim().len().checked_sub(1)?)? {
        (digits, "s") => (digits, 1),
        (digits, "m") => (digits, 60),
        (digits, "h") => (digits, 3600),
        _ => (text.trim(), 1),
    };
    let seconds = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    (1..=86_400).contains(&seconds).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, options: &[(&str, &str)]) -> Result<Target, String> {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Target::parse(&Location::parse(text), &options).map_err(|e| e.to_string())
    }

    #[test]
    fn origins_are_kept_as_typed() {
        for (text, origin, host, user, port, path) in [
            ("sftp://h/p", "h", "h", None, None, "/p"),
            ("sftp://h:/p", "h:", "h", None, None, "/p"),
            ("sftp:h/p", "h", "h", None, None, "/p"),
            ("sftp://u@h:22/a//b/../c/", "h:22", "h", Some("u"), Some(22), "/a/c"),
            ("sftp://h", "h", "h", None, None, "/"),
            ("sftp://[::1]:2222/x", "[::1]:2222", "::1", None, Some(2222), "/x"),
            ("sftp://h/a%20b%25", "h", "h", None, None, "/a b%"),
        ] {
            let found = parse(text, &[]).unwrap();
            assert_eq!(
                (found.origin.as_str(), found.host.as_str(), found.user.as_deref(), found.port),
                (origin, host, user, port),
                "{text}"
            );
            assert_eq!(found.path, path.as_bytes(), "{text}");
        }
    }

    #[test]
    fn servers_are_shown_without_an_empty_port() {
        for (text, shown) in [
            ("sftp://h:/p", "sftp://h"),
            ("sftp://u@h:22/p", "sftp://u@h:22"),
            ("sftp://[::1]/p", "sftp://[::1]"),
        ] {
            assert_eq!(parse(text, &[]).unwrap().server(), shown);
        }
    }

    #[test]
    fn options_fill_what_the_location_leaves_open() {
        let found = parse("sftp://h/p", &[("port", "7"), ("username", "me"), ("root", "/r")]).unwrap();
        assert_eq!((found.port, found.user.as_deref(), &found.path[..]), (Some(7), Some("me"), &b"/r"[..]));
        let found = parse("sftp://h:9/p", &[("port", "7"), ("ssh_private_key_ttl", "5s")]).unwrap();
        assert_eq!((found.port, found.private_key_lifetime), (Some(9), Duration::from_secs(5)));
    }

    #[test]
    fn dangerous_and_malformed_locations_are_refused() {
        for (text, words) in [
            ("sftp://bad host/x", "invalid character \" \" in host name"),
            ("sftp://h:abc/x", "invalid port \":abc\" after host"),
            ("sftp:///x", "missing hostname in endpoint: \"sftp:///x\""),
            ("sftp://-oProxyCommand=x/x", "starts with a dash"),
            ("sftp://-u@h/x", "invalid user name"),
            ("sftp://u:secret@h/x", "password"),
            ("sftp://h;x/x", "invalid character"),
            ("sftp://h/a%zz", "invalid URL escape"),
            ("sftp://h/a%00", "NUL"),
            ("sftp://h/a?b", "%3F"),
        ] {
            let error = parse(text, &[]).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        let error = parse("sftp://a@h/x", &[("username", "b")]).unwrap_err();
        assert!(error.contains("can not use user@host syntax and username parameter"), "{error}");
    }
}
