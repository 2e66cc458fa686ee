//! Every connector of the program, in one list per role.

use std::sync::Arc;

use connector_fs::{FsStorage, PtarStorage};
use kloset_connector::layer::{CountedStorage, RetriedStorage, Traffic};
use kloset_connector::{
    ConnectorContext, ConnectorError, Destination, ErrorKind, Location, Options, Source, Storage,
};

use crate::resolve::Place;

/// The storage connector of a place, wrapped: count (what really travels), then retry (outermost, so
/// that repeated attempts are counted).
pub fn storage(
    place: &Place,
    context: &ConnectorContext,
    traffic: &Arc<Traffic>,
) -> Result<Arc<dyn Storage>, ConnectorError> {
    let location = storage_location(&place.location);
    let options = &place.options;
    match location.scheme.as_str() {
        "fs" => Ok(layered(FsStorage::new(&location, options, context)?, context, traffic)),
        "ptar" => Ok(layered(PtarStorage::new(&location, options, context)?, context, traffic)),
        other => Err(unknown(&location, format!("backend '{other}' does not exist"))),
    }
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
    let counted = CountedStorage::new(storage, Arc::clone(traffic));
    Arc::new(RetriedStorage::new(counted, context.clone()))
}

/// The source connector of some places of one kind.
pub fn source(
    places: &[Location],
    options: &Options,
    context: &ConnectorContext,
) -> Result<Box<dyn Source>, ConnectorError> {
    let _ = (options, context);
    match places {
        [] => Err(unknown(&Location::parse(""), "no source given".to_owned())),
        [first, ..] => Err(unknown(first, "unsupported importer protocol".to_owned())),
    }
}

/// The destination connector of a place.
pub fn destination(
    location: &Location,
    options: &Options,
    context: &ConnectorContext,
) -> Result<Box<dyn Destination>, ConnectorError> {
    let _ = (options, context);
    Err(unknown(location, "unsupported exporter protocol".to_owned()))
}

fn unknown(location: &Location, message: String) -> ConnectorError {
    let hint = "known schemes: fs, ptar, sftp";
    ConnectorError::new(ErrorKind::Invalid, "open", location.to_string(), message).with_hint(hint)
}
