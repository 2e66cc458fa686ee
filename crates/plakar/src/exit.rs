//! From the end of a command to its exit code: one match, nowhere else.

use std::io;

use kloset::{Error, OpenError};
use kloset_connector::{ConnectorError, ErrorKind};

use crate::error::{Failure, Outcome, Role};

/// All was done.
pub const DONE: u8 = 0;
/// Failure.
pub const FAILURE: u8 = 1;
/// Unknown flag or bad flag value.
pub const FLAG: u8 = 2;
/// Some entries failed.
pub const PARTIAL: u8 = 3;
/// Wrong words on the line.
pub const USAGE: u8 = 64;
/// Damaged data.
pub const DAMAGE: u8 = 65;
/// The store cannot be opened.
pub const NO_STORE: u8 = 66;
/// A source or destination cannot be reached or refuses the login.
pub const UNREACHABLE: u8 = 69;
/// Locked, try later.
pub const LOCKED: u8 = 75;
/// Passphrase wrong or missing.
pub const PASSPHRASE: u8 = 77;
/// Store of another version.
pub const VERSION: u8 = 78;

/// The exit code of a finished command; `signal` is the interrupt that was received, if any.
pub fn code(result: &Result<Outcome, Failure>, signal: Option<i32>) -> u8 {
    let failure = match result {
        Ok(Outcome::Done) => return DONE,
        Ok(Outcome::Partial) => return PARTIAL,
        Err(failure) => failure,
    };
    if let Some(signal) = signal.filter(|_| failure.is_interrupt()) {
        return 128u8.saturating_add(signal as u8);
    }
    match failure {
        Failure::Help(_) => DONE,
        Failure::Flag { .. } => FLAG,
        Failure::Usage { .. } => USAGE,
        Failure::Open { error, .. } => open_code(error),
        Failure::Engine(error) => engine_code(error),
        Failure::Connector(Role::Store, _) => NO_STORE,
        Failure::Connector(_, error) => place_code(error),
        Failure::Passphrase { .. } => PASSPHRASE,
        Failure::Damaged { .. } => DAMAGE,
        Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => DONE,
        Failure::Refused { .. } | Failure::Output(_) | Failure::Interrupted => FAILURE,
    }
}

fn open_code(error: &OpenError) -> u8 {
    match error {
        OpenError::DamagedConfig { .. }
        | OpenError::RefusedConfig { .. }
        | OpenError::DamagedState { .. }
        | OpenError::UnfinishedState { .. } => DAMAGE,
        OpenError::UnsupportedVersion(_) => VERSION,
        OpenError::WrongPassphrase | OpenError::PassphraseMissing => PASSPHRASE,
        // The store's place, its permissions, its login: nothing in it was read.
        _ => NO_STORE,
    }
}

fn engine_code(error: &Error) -> u8 {
    match error {
        Error::Open(error) => open_code(error),
        Error::Locked { .. } | Error::WrittenMeanwhile | Error::LockLost => LOCKED,
        Error::Source(error) | Error::Destination(error) => place_code(error),
        Error::StoreChanged(_) => DAMAGE,
        error if error.is_damage() => DAMAGE,
        _ => FAILURE,
    }
}

/// Code for a source or destination.
fn place_code(error: &ConnectorError) -> u8 {
    match error.kind {
        ErrorKind::Unreachable | ErrorKind::NoAnswer | ErrorKind::Authentication | ErrorKind::HostKey => {
            UNREACHABLE
        }
        _ => FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kloset_format::{Mac, ResourceType, Version};

    fn connector(kind: ErrorKind) -> ConnectorError {
        ConnectorError::new(kind, "open", "x", "why")
    }

    #[test]
    fn every_situation_has_its_code() {
        let open = |error| Failure::open("x", error);
        let engine = |error| Failure::from(error);
        let missing = Error::BlobMissing { resource: ResourceType::CHUNK, mac: Mac::ZERO };
        let locked = Error::Locked { holder: "h".into(), since: "s".into() };
        for (failure, expected) in [
            (Failure::Help(String::new()), 0),
            (Failure::Flag { message: String::new(), hint: None, usage: String::new() }, 2),
            (Failure::usage("x"), 64),
            (Failure::refused("x"), 1),
            (open(OpenError::NotAStore), 66),
            (open(OpenError::Storage(connector(ErrorKind::HostKey))), 66),
            (open(OpenError::DamagedConfig { reason: String::new() }), 65),
            (open(OpenError::WrongPassphrase), 77),
            (open(OpenError::PassphraseMissing), 77),
            (open(OpenError::UnsupportedVersion(Version::V1_0_0)), 78),
            (Failure::passphrase(""), 77),
            (Failure::Damaged { snapshots: 1 }, 65),
            (engine(missing), 65),
            (engine(locked), 75),
            (engine(Error::Source(connector(ErrorKind::Unreachable))), 69),
            (engine(Error::Source(connector(ErrorKind::NoAnswer))), 69),
            (engine(Error::Source(connector(ErrorKind::Transient))), 1),
            (engine(Error::Destination(connector(ErrorKind::NoSpace))), 1),
            (engine(Error::SnapshotUnknown("a".into())), 1),
            (Failure::connector(Role::Source, connector(ErrorKind::Authentication)), 69),
            (Failure::connector(Role::Store, connector(ErrorKind::Invalid)), 66),
            (Failure::Output(io::Error::from(io::ErrorKind::BrokenPipe)), 0),
            (Failure::Output(io::Error::from(io::ErrorKind::StorageFull)), 1),
        ] {
            let text = format!("{failure:?}");
            assert_eq!(code(&Err(failure), None), expected, "{text}");
        }
        assert_eq!(code(&Ok(Outcome::Partial), None), 3);
        assert_eq!(code(&Ok(Outcome::Done), Some(2)), 0);
        assert_eq!(code(&Err(Failure::Interrupted), Some(2)), 130);
        assert_eq!(code(&Err(engine(Error::Interrupted)), Some(15)), 143);
        let lost = Error::Storage(connector(ErrorKind::Interrupted));
        assert_eq!(code(&Err(engine(lost)), Some(15)), 143);
    }
}
