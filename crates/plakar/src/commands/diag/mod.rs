//! `plakar diag`: what lies inside a store, for people who look for a fault. No stability promised.

mod blobs;
mod records;
mod trees;

use std::ffi::OsString;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use kloset::{Repository, Snapshot};
use kloset_format::Mac;

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
    /// A header
    #[command(mut_arg("words", |words| words.value_name("ID")))]
    Snapshot(Words),
    /// Names of the states, or what one says
    #[command(mut_arg("words", |words| words.value_name("HEX")))]
    State(Words),
    /// Names of the packfiles, or what is in one
    #[command(mut_arg("words", |words| words.value_name("HEX")))]
    Packfile(Words),
    /// An object
    #[command(mut_arg("words", |words| words.value_name("HEX")))]
    Object(Words),
    /// The bytes of a blob
    #[command(mut_arg("words", |words| words.value_name("TYPE HEX")))]
    Blob(Words),
    /// Where blobs of a name lie
    #[command(mut_arg("words", |words| words.value_name("HEX")))]
    Blobsearch(Words),
    /// An entry
    #[command(mut_arg("words", |words| words.value_name("ID:PATH")))]
    Vfs(Words),
    /// Extended attributes
    #[command(mut_arg("words", |words| words.value_name("ID[:PATH]")))]
    Xattr(Words),
    /// Content types and paths
    #[command(mut_arg("words", |words| words.value_name("ID")))]
    Contenttype(Words),
    /// Paths, all or those of a content type
    #[command(mut_arg("words", |words| words.value_name("ID[:PATH] [TYPE]")))]
    Search(Words),
    /// The object that holds the listing of each directory
    #[command(mut_arg("words", |words| words.value_name("ID")))]
    Dirpack(Words),
    /// Locks
    Locks(Words),
}

/// The words behind a part.
#[derive(Args)]
#[command(disable_help_flag = true)]
struct Words {
    /// What is wanted
    #[arg(value_name = "WORD", num_args = 0..)]
    words: Vec<OsString>,
}

impl Words {
    fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn optional(&self, at: usize) -> Result<Option<&str>, Failure> {
        let Some(word) = self.words.get(at) else { return Ok(None) };
        word.to_str().map(Some).ok_or_else(|| Failure::usage("arguments must be valid UTF-8 here"))
    }

    fn text(&self, at: usize) -> Result<&str, Failure> {
        self.optional(at)?.ok_or_else(|| Failure::usage("an argument is missing"))
    }

    fn mac(&self, at: usize) -> Result<Mac, Failure> {
        let text = self.text(at)?;
        Mac::from_hex(text)
            .ok_or_else(|| Failure::usage(format!("64 hexadecimal digits are wanted, not {text}")))
    }

    fn snapshot(&self, repository: &Arc<Repository>) -> Result<(Snapshot, Vec<u8>), Failure> {
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
            Part::Snapshot(words) => records::snapshot(app, repository, &words),
            Part::State(words) => blobs::state(app, repository, &words),
            Part::Packfile(words) => blobs::packfile(app, repository, &words),
            Part::Object(words) => blobs::object(app, repository, &words),
            Part::Blob(words) => blobs::blob(app, repository, &words),
            Part::Blobsearch(words) => blobs::named(app, repository, &words),
            Part::Vfs(words) => records::entry(app, repository, &words),
            Part::Xattr(words) => trees::attributes(app, repository, &words),
            Part::Contenttype(words) => trees::content_types(app, repository, &words),
            Part::Search(words) => trees::search(app, repository, &words),
            Part::Dirpack(words) => trees::listings(app, repository, &words),
            Part::Locks(_) => locks(app, repository),
        }?;
        Ok(Outcome::Done)
    }
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
