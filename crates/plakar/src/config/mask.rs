//! Which values are secrets, and how a command line is shown without them.

use std::borrow::Cow;

/// What stands in place of a secret.
pub const MASK: &str = "********";

const SECRET_KEYS: [&str; 10] = [
    "access_key",
    "secret_access_key",
    "passphrase",
    "password",
    "pass",
    "private_key",
    "token",
    "client_id",
    "client_secret",
    "auth_token",
];

/// Whether the value of an option is a secret: the key, or what follows its last underscore group,
/// is one of the known words, in any case.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET_KEYS.iter().any(|secret| {
        key.strip_suffix(secret).is_some_and(|before| before.is_empty() || before.ends_with('_'))
    })
}

/// A word of a command line, its secret masked: `passphrase=…` and passwords inside locations.
pub fn word(word: &str) -> Cow<'_, str> {
    if let Some((key, value)) = word.split_once('=') {
        let bare = key.trim_start_matches('-');
        let name = bare.rsplit('.').next().unwrap_or(bare);
        if is_secret(name) || name == "passphrase_cmd" {
            return Cow::Owned(format!("{key}={MASK}"));
        }
        // The value may itself be `key=value` (`-o=passphrase=x`) or a location.
        let masked = self::word(value);
        return if masked == value { Cow::Borrowed(word) } else { Cow::Owned(format!("{key}={masked}")) };
    }
    location(word)
}

/// A location without the password that may stand before its host.
pub fn location(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else { return Cow::Borrowed(text) };
    let authority_end = rest.find('/').unwrap_or(rest.len());
    let Some(at) = rest[..authority_end].rfind('@') else { return Cow::Borrowed(text) };
    match rest[..at].split_once(':') {
        Some((user, _)) => Cow::Owned(format!("{scheme}://{user}:{MASK}{}", &rest[at..])),
        None => Cow::Borrowed(text),
    }
}

/// A whole command line as the snapshot header records it.
pub fn command_line(words: impl IntoIterator<Item = String>) -> String {
    words.into_iter().map(|text| word(&text).into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_last_words() {
        for key in ["passphrase", "AWS_SECRET_ACCESS_KEY", "x_token", "Password", "ssh_private_key"] {
            assert!(is_secret(key), "{key}");
        }
        for key in ["passphrase_cmd", "location", "compass", "tokens", "identity", "mypass"] {
            assert!(!is_secret(key), "{key}");
        }
    }

    #[test]
    fn command_lines_lose_their_secrets_only() {
        for (typed, shown) in [
            ("passphrase=hunter2", "passphrase=********"),
            ("-o=ssh_private_key=abc", "-o=ssh_private_key=********"),
            ("sftp://me:pw@host/x", "sftp://me:********@host/x"),
            ("location=sftp://me:pw@host/x", "location=sftp://me:********@host/x"),
            ("sftp://me@host/x:y@z", "sftp://me@host/x:y@z"),
            ("-tag=a", "-tag=a"),
            ("/data", "/data"),
        ] {
            assert_eq!(word(typed), shown);
        }
    }
}
