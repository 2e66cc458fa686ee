//! `check` and `ping`.

use kloset_connector::ConnectorError;

use super::{missing, one_name};
use crate::app::App;
use crate::config::Kind;
use crate::connectors::{self, SourcePlace};
use crate::error::{Failure, Outcome, Role, chain};
use crate::passphrase::StoreSecrets;
use crate::resolve;

/// The place of an entry, without the secrets that only this program needs.
fn entry_place(app: &App, kind: Kind, name: &str) -> Result<resolve::Place, Failure> {
    let configuration = app.configuration()?;
    let entry = configuration.section(kind).entries.get(name).ok_or_else(|| missing(kind, name))?;
    let mut place = resolve::from_entry(name, entry, "")?;
    StoreSecrets::take(&mut place.options);
    Ok(place)
}

fn role(kind: Kind) -> Role {
    match kind {
        Kind::Store => Role::Store,
        Kind::Source => Role::Source,
        Kind::Destination => Role::Destination,
    }
}

/// Sets the connector of an entry up; sources and destinations are asked what they are.
pub fn check(app: &App, kind: Kind, words: &[String]) -> Result<Outcome, Failure> {
    let place = entry_place(app, kind, one_name(kind, "check", words)?)?;
    let context = app.connector_context();
    let failed = |error| Failure::connector(role(kind), error);
    match kind {
        Kind::Store => {
            connectors::storage(&app.packages(), &place, &context, &Default::default()).map_err(failed)?;
        }
        Kind::Source => {
            let places = vec![SourcePlace::of(place.location)];
            let source = connectors::source(&app.packages(), places, &place.options, &context);
            source.and_then(|source| source.info()).map_err(failed)?;
        }
        Kind::Destination => {
            let destination =
                connectors::destination(&app.packages(), &place.location, &place.options, &context);
            destination.and_then(|destination| destination.info()).map_err(failed)?;
        }
    }
    Ok(Outcome::Done)
}

/// One line per step; the first failure, with its cure, ends the walk.
pub fn ping(app: &App, kind: Kind, words: &[String]) -> Result<Outcome, Failure> {
    let place = entry_place(app, kind, one_name(kind, "ping", words)?)?;
    let context = app.connector_context();
    let failed = |error| Failure::connector(role(kind), error);
    let mut first: Option<ConnectorError> = None;
    let mut report = |step: &str, result: Result<(), ConnectorError>| match result {
        Ok(()) => {
            let _ = app.ui.result(&format!("{step}: ok"));
        }
        Err(error) => {
            let _ = app.ui.result(&format!("{step}: failed: {}", crate::ui::escape::line(&chain(&error))));
            first.get_or_insert(error);
        }
    };
    match kind {
        Kind::Store => {
            connectors::storage(&app.packages(), &place, &context, &Default::default())
                .map_err(failed)?
                .ping(&mut report);
        }
        Kind::Source => {
            let places = vec![SourcePlace::of(place.location)];
            connectors::source(&app.packages(), places, &place.options, &context)
                .map_err(failed)?
                .ping(&mut report);
        }
        Kind::Destination => {
            connectors::destination(&app.packages(), &place.location, &place.options, &context)
                .map_err(failed)?
                .ping(&mut report);
        }
    }
    if let Some(error) = first {
        return Err(failed(error));
    }
    app.ui.result("configuration OK")?;
    Ok(Outcome::Done)
}
