//! `plakar diag`: what lies inside a store, for people who look for a fault. No stability promised.

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};
use kloset::{BlobId, BlobLocation, Repository, Snapshot};
use kloset_format::object::Object;
use kloset_format::{Mac, PackfileId, ResourceType};

use crate::app::App;
use crate::cli::date;
use crate::commands::{Run, info};
use crate::error::{Failure, Outcome};
use crate::filters::SnapshotArgument;
use crate::open;
use crate::ui::escape;

/// Look inside a store
#[derive(Parser)]
#[command(name = "diag")]
pub struct Diag {
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
#[command(disable_help_flag = true, disable_help_subcommand = true)]
enum Part {
    /// A header: ID
    Snapshot(Words),
    /// Names of the states
    State(Words),
    /// Names of the packfiles, or what is in one: HEX or nothing
    Packfile(Words),
    /// An object: HEX
    Object(Words),
    /// The bytes of a blob: TYPE HEX
    Blob(Words),
    /// Where blobs of a name lie: HEX
    Blobsearch(Words),
    /// An entry: ID:PATH
    Vfs(Words),
    /// Extended attributes: ID or ID:PATH
    Xattr(Words),
    /// Content types and paths: ID
    Contenttype(Words),
    /// Locks
    Locks(Words),
}

#[derive(Args)]
#[command(disable_help_flag = true)]
struct Words {
    /// What is wanted
    #[arg(value_name = "WORD", num_args = 0..)]
    words: Vec<OsString>,
}

impl Words {
    fn text(&self, at: usize) -> Result<&str, Failure> {
        let word = self.words.get(at).and_then(|word| word.to_str());
        word.ok_or_else(|| Failure::usage("an argument is missing"))
    }

    fn mac(&self, at: usize) -> Result<Mac, Failure> {
        let text = self.text(at)?;
        Mac::from_hex(text)
            .ok_or_else(|| Failure::usage(format!("64 hexadecimal digits are wanted, not {text}")))
    }

    fn snapshot(&self, repository: &std::sync::Arc<Repository>) -> Result<(Snapshot, Vec<u8>), Failure> {
        let word = self.words.first().ok_or_else(|| Failure::usage("a snapshot is wanted"))?;
        let argument = SnapshotArgument::parse(word);
        let snapshot = argument.find(repository)?;
        let path = snapshot.absolute(&argument.path);
        Ok((snapshot, path))
    }
}

impl Run for Diag {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let Some(part) = self.part else { return info::Info::of_store().run(app) };
        let opened = open::open(app)?;
        let repository = &opened.repository;
        match part {
            Part::Snapshot(words) => {
                let (snapshot, _) = words.snapshot(repository)?;
                app.ui.result(&escape::lines(&format!("{:#?}", snapshot.header())))?;
            }
            Part::State(_) => {
                repository.states().iter().try_for_each(|state| app.ui.result(&state.to_string()))?;
            }
            Part::Packfile(words) if words.words.is_empty() => {
                let mut packfiles = repository.packfiles();
                packfiles.sort_unstable();
                packfiles.iter().try_for_each(|packfile| app.ui.result(&packfile.to_string()))?;
            }
            Part::Packfile(words) => {
                let packfile = PackfileId(words.mac(0)?.0);
                repository.blobs_in(packfile).iter().try_for_each(|found| app.ui.result(&place(found)))?;
            }
            Part::Object(words) => object(app, repository, words.mac(0)?)?,
            Part::Blob(words) => {
                let name = words.text(0)?;
                let resource = ResourceType::from_name(name)
                    .or_else(|| name.parse().ok().map(ResourceType))
                    .ok_or_else(|| Failure::usage(format!("unknown type {name}")))?;
                app.ui.result_bytes(&repository.read_blob(BlobId::new(resource, words.mac(1)?))?)?;
            }
            Part::Blobsearch(words) => {
                repository
                    .blobs_named(words.mac(0)?)
                    .iter()
                    .try_for_each(|found| app.ui.result(&place(found)))?;
            }
            Part::Vfs(words) => {
                let (snapshot, path) = words.snapshot(repository)?;
                app.ui.result(&escape::lines(&format!("{:#?}", snapshot.entry(&path)?.entry)))?;
            }
            Part::Xattr(words) => attributes(app, repository, &words)?,
            Part::Contenttype(words) => {
                let (snapshot, _) = words.snapshot(repository)?;
                print_walk(app, &snapshot, b"/", &|found| {
                    let kind = &found.entry.content_type;
                    (!kind.is_empty())
                        .then(|| format!("{} {}", escape::line(kind), escape::name(&found.path)))
                })?;
            }
            Part::Locks(_) => locks(app, repository)?,
        }
        Ok(Outcome::Done)
    }
}

fn place((blob, place): &(BlobId, BlobLocation)) -> String {
    let BlobLocation { packfile, offset, length } = place;
    format!("{} {} packfile={packfile} offset={offset} length={length}", blob.resource, blob.mac)
}

fn object(app: &App, repository: &Repository, mac: Mac) -> Result<(), Failure> {
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

fn attributes(app: &App, repository: &std::sync::Arc<Repository>, words: &Words) -> Result<(), Failure> {
    let (snapshot, path) = words.snapshot(repository)?;
    let table = snapshot.xattr_table(&path)?;
    for path in table.paths() {
        for (name, value) in table.values(&snapshot, path)? {
            let value = value.escape_ascii();
            app.ui.result(&format!("{}: {}={value}", escape::name(path), escape::name(&name)))?;
        }
    }
    Ok(())
}

fn print_walk(
    app: &App,
    snapshot: &Snapshot,
    start: &[u8],
    line: &dyn Fn(&kloset::vfs::Found) -> Option<String>,
) -> Result<(), Failure> {
    let mut stopped = Ok(());
    let walked = snapshot.walk(start, &mut |found| {
        if let Some(line) = line(&found) {
            stopped = app.ui.result(&line);
        }
        if stopped.is_ok() { Ok(()) } else { Err(kloset::Error::Interrupted) }
    });
    stopped?;
    Ok(walked?)
}

fn locks(app: &App, repository: &Repository) -> Result<(), Failure> {
    let kloset::Locks { readable: locks, unreadable } = repository.locks()?;
    for (name, lock) in locks {
        let kind = if lock.exclusive { "exclusive" } else { "shared" };
        let time = date::show(lock.timestamp);
        app.ui.result(&format!(
            "[{name}] Got {kind} access on {time} owner {}",
            escape::line(&lock.hostname)
        ))?;
    }
    unreadable.iter().try_for_each(|name| app.ui.result(&format!("[{name}] cannot be read")))
}
