//! A place behind a package: what is started for it, and when.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use kloset_connector::{ConnectorContext, ConnectorError, Location, Options};
use plugin_sdk::failure::{is_extended, printable};
use tonic::{Response, Status};

use crate::PluginCommand;
use crate::connection::Connection;

/// Program, location and options of one connector.
pub(crate) struct Place {
    command: PluginCommand,
    location: Location,
    options: Options,
    pub(crate) context: ConnectorContext,
}

impl Place {
    pub(crate) fn new(
        command: &PluginCommand,
        location: &Location,
        options: &Options,
        context: &ConnectorContext,
    ) -> Self {
        Self {
            command: command.clone(),
            location: location.clone(),
            options: options.clone(),
            context: context.clone(),
        }
    }

    /// Starts the package.
    pub(crate) fn open(&self) -> Result<Connection, ConnectorError> {
        Connection::open(&self.command, &self.context)
    }

    /// The scheme, for the package.
    pub(crate) fn proto(&self) -> String {
        self.location.scheme.clone()
    }

    /// All options and the whole location, for the package.
    pub(crate) fn config(&self) -> std::collections::HashMap<String, String> {
        self.command.config(&self.location, &self.options, &self.context)
    }

    /// The location, for people.
    pub(crate) fn shown(&self) -> String {
        self.location.to_string()
    }

    /// Waits for the answer to `Init`; says whether it comes from one of ours.
    pub(crate) fn init<T>(
        &self,
        connection: &Connection,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<(T, bool), ConnectorError> {
        let answer = connection.call("open", &self.shown(), connection.connect_max(), answer)?;
        let extended = self.command.extended && is_extended(answer.metadata());
        Ok((answer.into_inner(), extended))
    }

    /// The kind that the package calls itself, or its scheme.
    pub(crate) fn kind(&self, told: &str) -> String {
        match printable(told) {
            kind if kind.is_empty() => self.location.scheme.clone(),
            kind => kind,
        }
    }

    /// What a ping calls the start of the package.
    pub(crate) fn start_step(&self) -> String {
        format!("start package {}", self.command.package)
    }
}

/// A package that is started when it is first needed.
pub(crate) struct OnDemand<R> {
    pub(crate) place: Place,
    running: Mutex<Option<Arc<R>>>,
}

impl<R> OnDemand<R> {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, running: Mutex::new(None) }
    }

    /// The running package.
    pub(crate) fn get(
        &self,
        start: impl FnOnce(&Place) -> Result<R, ConnectorError>,
    ) -> Result<Arc<R>, ConnectorError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.as_ref() {
            return Ok(Arc::clone(running));
        }
        let started = Arc::new(start(&self.place)?);
        *running = Some(Arc::clone(&started));
        Ok(started)
    }
}
