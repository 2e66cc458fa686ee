//! Where a passphrase comes from, in order: key file, `passphrase`, `passphrase_cmd`,
//! `$PLAKAR_PASSPHRASE`, terminal.

use std::process::{Command, Stdio};

use kloset_connector::Options;
use kloset_connector::error::io_message;
use zeroize::Zeroizing;

use crate::app::App;
use crate::error::Failure;
use crate::terminal;

/// A passphrase; wiped when dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// How often a person may try.
pub const TRIES: usize = 3;

/// Bits of entropy that a new, typed passphrase should have.
const ENTROPY_BITS_WANTED: f64 = 80.0;

/// The secrets that an entry of the configuration holds about a store.
#[derive(Clone, Default)]
pub struct StoreSecrets {
    passphrase: Option<Zeroizing<String>>,
    command: Option<String>,
}

impl StoreSecrets {
    /// Takes the secrets out of the options, so that no connector sees them.
    pub fn take(options: &mut Options) -> Self {
        Self {
            passphrase: options.remove("passphrase").map(Zeroizing::new),
            command: options.remove("passphrase_cmd"),
        }
    }
}

/// A key file that cannot be read is a wrong word on the line.
pub fn bad_key_file(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("could not read key file: {}: {}", path.display(), io_message(error)))
}

/// The passphrase from any place that needs no person, and the name of the place; an empty one counts as
/// none.
pub fn without_asking(app: &App, secrets: &StoreSecrets) -> Result<Option<(Secret, String)>, Failure> {
    if let Some(path) = &app.globals.keyfile {
        let mut bytes = Zeroizing::new(std::fs::read(path).map_err(|error| bad_key_file(path, &error))?);
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        let place = format!("-keyfile {}", path.display());
        match filled(bytes) {
            Some(secret) => return Ok(Some((secret, place))),
            None => app.ui.warn(&format!("{place}: the file is empty, which counts as no passphrase")),
        }
    }
    if let Some(secret) = from_entry(secrets)? {
        return Ok(Some((secret, "the configuration of the store".to_owned())));
    }
    Ok(from_variable("PLAKAR_PASSPHRASE").map(|secret| (secret, "$PLAKAR_PASSPHRASE".to_owned())))
}

/// Passphrases to try on the other store of a sync, before a person is asked. The key file belongs to
/// the first store.
pub fn for_peer(secrets: &StoreSecrets) -> Result<Vec<Secret>, Failure> {
    if let Some(secret) = from_entry(secrets)? {
        return Ok(vec![secret]);
    }
    let variables = ["PLAKAR_PEER_PASSPHRASE", "PLAKAR_PASSPHRASE"];
    Ok(variables.into_iter().filter_map(from_variable).collect())
}

/// The passphrase that an entry of the configuration holds or has made.
fn from_entry(secrets: &StoreSecrets) -> Result<Option<Secret>, Failure> {
    if let Some(passphrase) = &secrets.passphrase
        && let Some(secret) = filled(Zeroizing::new(passphrase.as_bytes().to_vec()))
    {
        return Ok(Some(secret));
    }
    match &secrets.command {
        Some(command) => Ok(filled(run_command(command)?)),
        None => Ok(None),
    }
}

fn from_variable(name: &str) -> Option<Secret> {
    let value = std::env::var_os(name)?;
    filled(Zeroizing::new(std::os::unix::ffi::OsStringExt::into_vec(value)))
}

/// An empty passphrase counts as none.
fn filled(secret: Secret) -> Option<Secret> {
    Some(secret).filter(|secret| !secret.is_empty())
}

/// Runs a passphrase command, which must print exactly one line.
fn run_command(command: &str) -> Result<Secret, Failure> {
    let failed = |why: String| Failure::passphrase(format!("passphrase_cmd failed: {why}"));
    let output = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(io_message(&error)))?;
    let mut text = Zeroizing::new(output.stdout);
    if !output.status.success() {
        let why = output
            .status
            .code()
            .map_or_else(|| "killed by a signal".to_owned(), |c| format!("exit status {c}"));
        return Err(failed(why));
    }
    if text.last() == Some(&b'\n') {
        text.pop();
    }
    if text.last() == Some(&b'\r') {
        text.pop();
    }
    if text.is_empty() || text.contains(&b'\n') {
        return Err(Failure::passphrase(
            "passphrase_cmd returned too many lines: exactly one is wanted".to_owned(),
        ));
    }
    Ok(text)
}

/// Asks once.
pub fn ask(question: &str) -> Result<Secret, Failure> {
    match terminal::ask_secret(question) {
        Ok(answer) => Ok(Zeroizing::new(answer.as_bytes().to_vec())),
        Err(error) => Err(Failure::passphrase(format!(
            "a passphrase is needed and cannot be asked for on a terminal: {}",
            io_message(&error)
        ))
        .with_hint("-keyfile FILE or $PLAKAR_PASSPHRASE give it without a terminal")),
    }
}

/// Whether a weak passphrase is accepted without asking back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weak {
    /// It must be entered again to be forced.
    AskAgain,
    /// Fine.
    Accept,
}

/// Asks for a new passphrase, twice.
pub fn ask_new(app: &App, weak: Weak) -> Result<Secret, Failure> {
    let mut refused: Option<Secret> = None;
    for _ in 0..TRIES {
        let first = ask("repository passphrase: ")?;
        if first.is_empty() {
            app.ui.report("can't encrypt the repository with an empty passphrase\n");
            continue;
        }
        let forced = refused.as_ref().is_some_and(|earlier| **earlier == *first);
        let bits = entropy_bits(&first);
        if weak == Weak::AskAgain && bits < ENTROPY_BITS_WANTED && !forced {
            app.ui.report(&format!(
                "passphrase is too weak ({bits:.0} bits, {ENTROPY_BITS_WANTED:.0} wanted): enter a longer one, or the same again to force it\n"
            ));
            refused = Some(first);
            continue;
        }
        let second = ask("repository passphrase (confirm): ")?;
        if *first == *second {
            return Ok(first);
        }
        app.ui.report("passphrases do not match\n");
    }
    Err(Failure::passphrase("too many failed attempts".to_owned()))
}

/// Bits of a random text of this length over the kinds of characters that occur in it; runs of
/// more than two equal characters count as two.
fn entropy_bits(secret: &[u8]) -> f64 {
    let text = Zeroizing::new(String::from_utf8_lossy(secret).into_owned());
    let (mut lower, mut upper, mut digit, mut other, mut wide) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let (mut length, mut run, mut last) = (0.0, 0, None);
    for c in text.chars() {
        run = if last == Some(c) { run + 1 } else { 1 };
        last = Some(c);
        if run <= 2 {
            length += 1.0;
        }
        match c {
            'a'..='z' => lower = 26.0,
            'A'..='Z' => upper = 26.0,
            '0'..='9' => digit = 10.0,
            c if c.is_ascii() => other = 33.0,
            _ => wide = 100.0,
        }
    }
    let kinds: f64 = lower + upper + digit + other + wide;
    if kinds == 0.0 { 0.0 } else { length * kinds.log2() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_grows_with_length_and_kinds() {
        assert!(entropy_bits(b"password") < ENTROPY_BITS_WANTED);
        assert!(entropy_bits(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") < ENTROPY_BITS_WANTED);
        assert!(entropy_bits(b"correct horse battery staple") > ENTROPY_BITS_WANTED);
        assert_eq!(entropy_bits(b""), 0.0);
    }

    #[test]
    fn a_command_must_print_exactly_one_line() {
        assert_eq!(*run_command("echo secret").unwrap(), b"secret");
        assert!(run_command("printf 'a\\nb\\n'").is_err());
        assert!(run_command("true").is_err());
        assert!(run_command("echo x; exit 3").is_err());
    }

    #[test]
    fn secrets_are_taken_out_of_the_options() {
        let mut options = Options::from([
            ("passphrase".to_owned(), "p".to_owned()),
            ("passphrase_cmd".to_owned(), "c".to_owned()),
            ("location".to_owned(), "/x".to_owned()),
        ]);
        let secrets = StoreSecrets::take(&mut options);
        assert_eq!(options.len(), 1);
        assert_eq!(secrets.passphrase.as_deref().map(String::as_str), Some("p"));
    }
}
