//! What `diag` shows of states, packfiles, blobs and objects.

use kloset::{BlobId, BlobLocation, Repository};
use kloset_format::object::Object;
use kloset_format::state::StateEntry;
use kloset_format::{Mac, PackfileId, ResourceType, StateId, Timestamp};

use super::Words;
use crate::app::App;
use crate::cli::date;
use crate::error::Failure;
use crate::ui::escape;

/// Names of the states, or the entries of one.
pub fn state(app: &App, repository: &Repository, words: &Words) -> Result<(), Failure> {
    if words.is_empty() {
        return repository.states().iter().try_for_each(|state| app.ui.result(&state.to_string()));
    }
    let contents = repository.state_contents(StateId(words.mac(0)?.0))?;
    app.ui.result(&format!("Version: {}", contents.metadata.version))?;
    app.ui.result(&format!("Parent: {}", contents.parent))?;
    app.ui.result(&format!("Timestamp: {}", moment(contents.metadata.timestamp_ns)))?;
    contents.entries.iter().try_for_each(|entry| app.ui.result(&entry_line(entry)))
}

fn entry_line(entry: &StateEntry) -> String {
    if let Some(state) = entry.replaced() {
        return format!("replaces state {state}");
    }
    match entry {
        StateEntry::Location { resource, mac, packfile, offset, length, .. } => {
            place(&(BlobId::new(*resource, *mac), location(*packfile, *offset, *length)))
        }
        StateEntry::Coloured { resource, mac, when_ns } => {
            format!("coloured {resource} {mac} at={}", moment(*when_ns))
        }
        StateEntry::Packfile { packfile, state, timestamp_ns } => {
            format!("packfile {packfile} state={state} at={}", moment(*timestamp_ns))
        }
        StateEntry::Configuration { key, created_ns, .. } => {
            format!("configuration {} at={}", escape::name(key), moment(*created_ns))
        }
        StateEntry::Delete { entry_type, resource, mac, packfile } => {
            format!("delete type={entry_type} {resource} {mac} packfile={packfile}")
        }
    }
}

fn location(packfile: PackfileId, offset: u64, length: u32) -> BlobLocation {
    BlobLocation { packfile, offset, length }
}

fn moment(nanoseconds: i64) -> String {
    let second = 1_000_000_000;
    date::show_precise(Timestamp {
        seconds: nanoseconds.div_euclid(second),
        nanoseconds: nanoseconds.rem_euclid(second) as u32,
    })
}

/// Names of the packfiles, or the blobs of one.
pub fn packfile(app: &App, repository: &Repository, words: &Words) -> Result<(), Failure> {
    if words.is_empty() {
        let mut packfiles = repository.packfiles();
        packfiles.sort_unstable();
        return packfiles.iter().try_for_each(|packfile| app.ui.result(&packfile.to_string()));
    }
    let packfile = PackfileId(words.mac(0)?.0);
    if !repository.packfiles().contains(&packfile) {
        return Err(Failure::refused(format!("no state tells of packfile {packfile}")));
    }
    repository.blobs_in(packfile).iter().try_for_each(|found| app.ui.result(&place(found)))
}

/// Every blob of a name.
pub fn named(app: &App, repository: &Repository, words: &Words) -> Result<(), Failure> {
    let found = repository.blobs_named(words.mac(0)?);
    if found.is_empty() {
        return Err(Failure::refused("no state tells of a blob of this name"));
    }
    found.iter().try_for_each(|found| app.ui.result(&place(found)))
}

/// The plain bytes of a blob.
pub fn blob(app: &App, repository: &Repository, words: &Words) -> Result<(), Failure> {
    let name = words.text(0)?;
    let resource = ResourceType::from_name(name)
        .or_else(|| name.parse().ok().map(ResourceType))
        .ok_or_else(|| Failure::usage(format!("unknown type {name}")))?;
    app.ui.result_bytes(&repository.read_blob(BlobId::new(resource, words.mac(1)?))?)
}

/// An object and its chunks.
pub fn object(app: &App, repository: &Repository, words: &Words) -> Result<(), Failure> {
    let mac: Mac = words.mac(0)?;
    let bytes = repository.read_blob(BlobId::new(ResourceType::OBJECT, mac))?;
    let object =
        Object::decode(&bytes).map_err(|error| Failure::refused(format!("object {mac}: {error}")))?;
    app.ui.result(&format!("Object: {mac}"))?;
    app.ui.result(&format!("Content: {}", object.content_mac))?;
    app.ui.result(&format!("ContentType: {}", escape::line(&object.content_type)))?;
    app.ui.result(&format!("Entropy: {}", object.entropy))?;
    for chunk in &object.chunks {
        app.ui.result(&format!(" - {} length={} entropy={}", chunk.mac, chunk.length, chunk.entropy))?;
    }
    Ok(())
}

fn place((blob, place): &(BlobId, BlobLocation)) -> String {
    let BlobLocation { packfile, offset, length } = place;
    format!("{} {} packfile={packfile} offset={offset} length={length}", blob.resource, blob.mac)
}
