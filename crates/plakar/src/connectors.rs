//! Every connector of the program, in one list per role.

use std::path::PathBuf;
use std::sync::Arc;

use connector_fs::{FsDestination, FsSource, FsStorage, ptar};
use connector_http::HttpStorage;
use connector_plugin::{PluginDestination, PluginSource, PluginStorage};
use connector_sftp::{SftpDestination, SftpSource, SftpStorage};
use connector_stdin::StdinSource;
use connector_tar::TarSource;
use kloset_connector::layer::{CountedStorage, RetriedStorage, ThrottledStorage, TracedStorage, Traffic};
use kloset_connector::{
    ConnectorContext, ConnectorError, Destination, ErrorKind, Location, Options, Source, Storage,
};

use plakar_pkg::{Packages, Role};

use crate::packages;
use crate::resolve::Place;

/// Variable with the token of a store's server, for both of its sides.
pub const SERVER_TOKEN: &str = "PLAKAR_SERVER_TOKEN";

/// The storage connector of a place, wrapped: trace (each single call), count (what really travels),
/// then retry (outermost, so that repeated attempts are counted).
pub fn storage(
    packages: &Packages,
    place: &Place,
    context: &ConnectorContext,
    traffic: &Arc<Traffic>,
) -> Result<Arc<dyn Storage>, ConnectorError> {
    let location = storage_location(&place.location);
    let options = &place.options;
    if let Some((command, options)) = packages::command(packages, &location, options, Role::Storage)? {
        let storage = PluginStorage::new(&command, &location, &options, context)?;
        return Ok(layered(ThrottledStorage::new(storage, context.clone()), context, traffic));
    }
    match location.scheme.as_str() {
        "fs" => {
            let storage = FsStorage::new(&location, options, context)?;
            Ok(layered(ThrottledStorage::new(storage, context.clone()), context, traffic))
        }
        "ptar" => Ok(layered(ptar::open(&location, options, context)?, context, traffic)),
        "ptar+http" | "ptar+https" => {
            // The token of a store's server is not for others.
            let storage = connector_http::ptar(&location, options, context)?;
            Ok(layered(ThrottledStorage::new(storage, context.clone()), context, traffic))
        }
        "sftp" => Ok(layered(SftpStorage::new(&location, options, context)?, context, traffic)),
        "http" | "https" => {
            let storage = HttpStorage::new(&location, &with_server_token(options), context)?;
            Ok(layered(ThrottledStorage::new(storage, context.clone()), context, traffic))
        }
        other => Err(unknown(&location, format!("backend '{other}' does not exist"))),
    }
}

/// A place without a token of its own uses the one of the environment.
fn with_server_token(options: &Options) -> Options {
    let mut options = options.clone();
    if let Ok(token) = std::env::var(SERVER_TOKEN) {
        options.entry("auth_token".to_owned()).or_insert(token);
    }
    options
}

/// A local path that ends in `.ptar` is a single-file store.
fn storage_location(location: &Location) -> Location {
    let mut location = location.clone();
    if location.scheme == "fs" && location.rest.ends_with(".ptar") {
        location.scheme = "ptar".to_owned();
    }
    location
}

fn layered<S: Storage + 'static>(
    storage: S,
    context: &ConnectorContext,
    traffic: &Arc<Traffic>,
) -> Arc<dyn Storage> {
    let traced = TracedStorage::new(storage, &context.events);
    let counted = CountedStorage::new(traced, Arc::clone(traffic));
    Arc::new(RetriedStorage::new(counted, context.clone()))
}

/// One thing to back up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourcePlace {
    /// A path of this machine; any bytes.
    Local(PathBuf),
    /// A location of another kind.
    At(Location),
}

impl SourcePlace {
    /// A location, local ones as paths.
    pub fn of(location: Location) -> Self {
        if location.scheme == "fs" { Self::Local(location.rest.into()) } else { Self::At(location) }
    }
}

/// The source connector of one or several places of one kind.
pub fn source(
    packages: &Packages,
    places: Vec<SourcePlace>,
    options: &Options,
    context: &ConnectorContext,
) -> Result<Box<dyn Source>, ConnectorError> {
    let local: Vec<PathBuf> = places
        .iter()
        .filter_map(|place| match place {
            SourcePlace::Local(path) => Some(path.clone()),
            SourcePlace::At(_) => None,
        })
        .collect();
    if local.len() == places.len() {
        return Ok(Box::new(FsSource::with_roots(local, options, context)?));
    }
    if let [SourcePlace::At(location)] = places.as_slice()
        && let Some((command, options)) = packages::command(packages, location, options, Role::Source)?
    {
        return Ok(Box::new(PluginSource::new(&command, location, &options, context)?));
    }
    match places.as_slice() {
        [SourcePlace::At(location)] => match location.scheme.as_str() {
            "sftp" => Ok(Box::new(SftpSource::new(location, options, context)?)),
            "stdin" => Ok(Box::new(StdinSource::new(location, context)?)),
            "tar" | "tar+gz" | "tar+gzip" | "tgz" => {
                Ok(Box::new(TarSource::new(location, options, context)?))
            }
            other => Err(unknown(location, format!("unsupported importer protocol: {other}"))),
        },
        _ => Err(ConnectorError::new(
            ErrorKind::Invalid,
            "open",
            "sources",
            "multi-source backup not supported yet: only paths of this machine can be combined",
        )),
    }
}

/// The destination connector of a place.
pub fn destination(
    packages: &Packages,
    location: &Location,
    options: &Options,
    context: &ConnectorContext,
) -> Result<Box<dyn Destination>, ConnectorError> {
    if let Some((command, options)) = packages::command(packages, location, options, Role::Destination)? {
        return Ok(Box::new(PluginDestination::new(&command, location, &options, context)?));
    }
    match location.scheme.as_str() {
        "stdout" | "stderr" => {
            Err(unknown(location, "a stream takes one file: only `restore` writes to it".to_owned()))
        }
        "fs" => Ok(Box::new(FsDestination::new(location, options, context)?)),
        "sftp" => Ok(Box::new(SftpDestination::new(location, options, context)?)),
        other => Err(unknown(location, format!("unsupported exporter protocol: {other}"))),
    }
}

fn unknown(location: &Location, message: String) -> ConnectorError {
    let hint = "known schemes: fs, ptar, ptar+http, ptar+https, sftp, http, https, stdin, stdout, stderr, tar, tgz, and those of installed packages (`plakar pkg list`)";
    ConnectorError::new(ErrorKind::Invalid, "open", location.to_string(), message).with_hint(hint)
}
