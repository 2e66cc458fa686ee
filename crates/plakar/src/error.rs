//! What can go wrong, as the user sees it: one chain of words, then hints.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;

use kloset::{Error, OpenError};
use kloset_connector::{ConnectorError, ErrorKind};

use crate::ui::escape;

/// How a finished command went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// All was done.
    Done,
    /// Some entries failed; each was reported.
    Partial,
}

/// Which role a connector played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Holds a store.
    Store,
    /// Is backed up.
    Source,
    /// Is restored to.
    Destination,
}

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// Help was asked for.
    Help(String),
    /// Unknown flag or bad value of one.
    Flag {
        /// What is wrong.
        message: String,
        /// How to cure it.
        hint: Option<String>,
        /// Usage block.
        usage: String,
    },
    /// Missing or surplus words, unknown command.
    Usage {
        /// What is wrong.
        message: String,
        /// How to cure it.
        hint: Option<String>,
        /// More text, printed as it is.
        text: Option<String>,
    },
    /// A store could not be opened or created.
    Open {
        /// Where, without secrets.
        location: String,
        /// Why.
        error: Box<OpenError>,
        /// How to cure it, if more is known than the error itself says.
        hint: Option<String>,
    },
    /// The engine gave up.
    Engine(Box<Error>),
    /// A connector gave up before the engine took over.
    Connector(Role, Box<ConnectorError>),
    /// No usable passphrase.
    Passphrase {
        /// Why.
        message: String,
        /// How to cure it.
        hint: Option<String>,
    },
    /// `check` found damage.
    Damaged {
        /// Number of damaged snapshots.
        snapshots: usize,
    },
    /// The command cannot do what it was asked.
    Refused {
        /// Why.
        message: String,
        /// How to cure it.
        hint: Option<String>,
    },
    /// Standard output cannot be written.
    Output(io::Error),
    /// The user interrupted.
    Interrupted,
}

impl Failure {
    /// A store could not be opened or created.
    pub fn open(location: impl Into<String>, error: OpenError) -> Self {
        Self::Open { location: location.into(), error: Box::new(error), hint: None }
    }

    /// A connector gave up before the engine took over.
    pub fn connector(role: Role, error: ConnectorError) -> Self {
        Self::Connector(role, Box::new(error))
    }

    /// Wrong words on the line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: None, text: None }
    }

    /// No usable passphrase.
    pub fn passphrase(message: impl Into<String>) -> Self {
        Self::Passphrase { message: message.into(), hint: None }
    }

    /// A plain refusal.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), hint: None }
    }

    /// Adds the cure.
    pub fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Usage { hint, .. }
        | Self::Refused { hint, .. }
        | Self::Flag { hint, .. }
        | Self::Open { hint, .. }
        | Self::Passphrase { hint, .. } = &mut self
        {
            *hint = Some(text.into());
        }
        self
    }

    /// Adds text to print below the message.
    pub fn with_text(mut self, added: impl Into<String>) -> Self {
        if let Self::Usage { text, .. } = &mut self {
            *text = Some(added.into());
        }
        self
    }

    /// Message and hints, without a usage block.
    pub fn words(&self) -> (Option<String>, Vec<String>) {
        let (message, hints, _) = self.parts();
        (message, hints)
    }

    /// What is printed on standard error; empty when there is nothing to say.
    pub fn report(&self, program: &str) -> String {
        let (message, hints, text) = self.parts();
        let mut out = String::new();
        if let Some(message) = message {
            let _ = writeln!(out, "{program}: {}", escape::lines(&message));
        }
        if let Some(text) = text {
            out.push_str(text.trim_end_matches('\n'));
            out.push('\n');
        }
        // Last: below a long usage block it would be the first thing to scroll away.
        for hint in hints {
            let _ = writeln!(out, "hint: {}", escape::lines(&hint));
        }
        out
    }

    fn parts(&self) -> (Option<String>, Vec<String>, Option<String>) {
        let simple = |text: String| (Some(text), Vec::new(), None);
        match self {
            Self::Help(text) => (None, Vec::new(), Some(text.clone())),
            Self::Flag { message, hint, usage } => {
                (Some(message.clone()), hint.iter().cloned().collect(), Some(usage.clone()))
            }
            Self::Usage { message, hint, text } => {
                (Some(message.clone()), hint.iter().cloned().collect(), text.clone())
            }
            Self::Open { location, error, hint } => (
                Some(format!("failed to open the repository at {location}: {}", chain(error.as_ref()))),
                hint.iter().cloned().chain(hints(error.as_ref())).collect(),
                Some(
                    "To specify an alternative repository, please use \"plakar at <location> <command>\"."
                        .to_owned(),
                ),
            ),
            Self::Engine(error) => (Some(chain(error.as_ref())), hints(error.as_ref()), None),
            Self::Connector(_, error) => (Some(chain(error.as_ref())), hints(error.as_ref()), None),
            Self::Damaged { snapshots: 1 } => simple("check failed for 1 snapshot".to_owned()),
            Self::Damaged { snapshots } => simple(format!("check failed for {snapshots} snapshots")),
            Self::Refused { message, hint } | Self::Passphrase { message, hint } => {
                (Some(message.clone()), hint.iter().cloned().collect(), None)
            }
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => (None, Vec::new(), None),
            Self::Output(error) => simple(format!(
                "cannot write to standard output: {}",
                kloset_connector::error::io_message(error)
            )),
            Self::Interrupted => simple("interrupted".to_owned()),
        }
    }

    /// Whether this is nothing but the user's interrupt.
    pub fn is_interrupt(&self) -> bool {
        match self {
            Self::Interrupted => true,
            Self::Engine(error) if matches!(**error, Error::Interrupted) => true,
            Self::Engine(error) => interrupted(error.as_ref()),
            Self::Open { error, .. } => interrupted(error.as_ref()),
            Self::Connector(_, error) => error.kind == ErrorKind::Interrupted,
            _ => false,
        }
    }
}

fn interrupted(error: &(dyn StdError + 'static)) -> bool {
    innermost(error).is_some_and(|error| error.kind == ErrorKind::Interrupted)
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::refused(chain(&error))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Engine(Box::new(error))
    }
}

/// An error and its sources, joined once; a source whose words stand in the message already is left out.
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}

/// The connector's error inside another one.
pub fn innermost<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a ConnectorError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<ConnectorError>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn hints(error: &(dyn StdError + 'static)) -> Vec<String> {
    let mut out = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(hint) = error.downcast_ref::<ConnectorError>().and_then(|found| found.hint.clone()) {
            out.push(hint);
        }
        if let Some(OpenError::NotAStore) = error.downcast_ref() {
            out.push("`plakar at LOCATION create` makes a store".to_owned());
        }
        if let Some(Error::SnapshotAmbiguous { .. }) = error.downcast_ref() {
            out.push("`plakar ls -uuid` shows the whole IDs".to_owned());
        }
        if let Some(Error::StoreChanged(_)) = error.downcast_ref::<Error>() {
            out.push(
                "if you replaced or rolled back the store yourself, accept it once with -accept-changed-store"
                    .to_owned(),
            );
        }
        next = error.source();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_joined_once() {
        let inner = ConnectorError::new(ErrorKind::Permission, "open", "/x", "permission denied");
        let error = Error::Storage(inner.with_hint("become root"));
        assert_eq!(chain(&error), "store: open /x: permission denied");
        let report = Failure::from(error).report("plakar");
        assert_eq!(report, "plakar: store: open /x: permission denied\nhint: become root\n");
        let inner = ConnectorError::new(ErrorKind::NotFound, "open", "/x", "no such file");
        assert_eq!(chain(&OpenError::Storage(inner)), "cannot reach the store: open /x: no such file");
    }

    #[test]
    fn broken_pipe_says_nothing() {
        let failure = Failure::Output(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure.report("plakar"), "");
    }
}
