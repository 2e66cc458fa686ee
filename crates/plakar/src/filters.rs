//! Which snapshots a command is about: filters, and arguments such as `PREFIX:path`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use clap::Args;
use kloset::{Repository, Snapshot};
use kloset_format::header::Header;
use kloset_format::{SnapshotId, Timestamp};

use crate::cli::date;
use crate::error::{Failure, chain};
use crate::retention::{self, Retention};
use crate::ui::Ui;

/// Filters by the words in the header; all that `restore` takes.
#[derive(Args, Clone, Debug, Default)]
pub struct NameFilters {
    /// Only snapshots of this name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Only snapshots of this category
    #[arg(long, value_name = "CATEGORY")]
    pub category: Option<String>,

    /// Only snapshots of this environment
    #[arg(long, value_name = "ENVIRONMENT")]
    pub environment: Option<String>,

    /// Only snapshots of this perimeter
    #[arg(long, value_name = "PERIMETER")]
    pub perimeter: Option<String>,

    /// Only snapshots of this job
    #[arg(long, value_name = "JOB")]
    pub job: Option<String>,

    /// Only snapshots with all these tags; !TAG means without; repeatable
    #[arg(long, value_name = "TAG,…", action = clap::ArgAction::Append)]
    pub tag: Vec<String>,
}

/// All filters.
#[derive(Args, Clone, Debug, Default)]
pub struct Filters {
    /// By name.
    #[command(flatten)]
    pub names: NameFilters,

    /// Only snapshots of this dataset
    #[arg(long, value_name = "DATASET")]
    pub dataset: Option<String>,

    /// Only snapshots of this directory (comma list: any of them)
    #[arg(long, value_name = "DIR", action = clap::ArgAction::Append)]
    pub root: Vec<String>,

    /// Only snapshots from this host
    #[arg(long, value_name = "HOST", action = clap::ArgAction::Append)]
    pub origin: Vec<String>,

    /// Only snapshots from this type of source
    #[arg(long = "type", value_name = "TYPE", action = clap::ArgAction::Append)]
    pub kind: Vec<String>,

    /// Only snapshots with this data class
    #[arg(long, value_name = "CLASS", action = clap::ArgAction::Append)]
    pub data_class: Vec<String>,

    /// Only snapshots made before this date or that long ago
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub before: Option<Timestamp>,

    /// Only snapshots made since this date
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub since: Option<Timestamp>,

    /// Only the newest of what matches
    #[arg(long)]
    pub latest: bool,
}

/// A date as flags take it, counted from the present moment.
pub fn parse_date(text: &str) -> Result<Timestamp, String> {
    date::parse(text, now())
}

/// The present moment.
pub fn now() -> Timestamp {
    use kloset::runtime::{Clock, SystemClock};
    SystemClock.now()
}

fn items(lists: &[String]) -> impl Iterator<Item = &str> {
    lists.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

/// Tags of comma lists, blanks trimmed.
pub fn split_tags(lists: &[String]) -> Vec<String> {
    items(lists).map(str::to_owned).collect()
}

impl NameFilters {
    /// Whether none is given.
    pub fn is_empty(&self) -> bool {
        let words = [&self.name, &self.category, &self.environment, &self.perimeter, &self.job];
        words.iter().all(|word| word.is_none()) && self.tag.is_empty()
    }

    /// Whether a snapshot passes.
    pub fn matches(&self, header: &Header) -> bool {
        let words = [
            (&self.name, &header.name),
            (&self.category, &header.category),
            (&self.environment, &header.environment),
            (&self.perimeter, &header.perimeter),
            (&self.job, &header.job),
        ];
        words
            .iter()
            .all(|(wanted, found)| wanted.as_ref().is_none_or(|wanted| found.as_bytes() == wanted.as_bytes()))
            && items(&self.tag).all(|tag| {
                let has = |tag: &str| header.tags.iter().any(|found| found.as_bytes() == tag.as_bytes());
                match tag.strip_prefix('!') {
                    Some(absent) => !has(absent),
                    None => has(tag),
                }
            })
    }
}

impl Filters {
    /// Whether none is given.
    pub fn is_empty(&self) -> bool {
        let lists = [&self.root, &self.origin, &self.kind, &self.data_class];
        self.names.is_empty()
            && self.dataset.is_none()
            && lists.iter().all(|list| list.is_empty())
            && self.before.is_none()
            && self.since.is_none()
            && !self.latest
    }

    /// Whether a snapshot passes; `latest` is for [`select`].
    pub fn matches(&self, header: &Header) -> bool {
        let importer = header.source().map(|source| &source.importer);
        let origin = importer.map_or(&b""[..], |importer| importer.origin.as_bytes());
        let kind = importer.map_or(&b""[..], |importer| importer.kind.as_bytes());
        let root = importer.map_or(&b""[..], |importer| importer.directory.as_slice());
        let any = |lists: &[String], found: &[u8]| {
            lists.is_empty() || items(lists).any(|wanted| wanted.as_bytes() == found)
        };
        let classes = self.data_class.is_empty()
            || items(&self.data_class)
                .any(|wanted| header.data_classes.iter().any(|found| found.as_bytes() == wanted.as_bytes()));
        self.names.matches(header)
            && self.dataset.as_ref().is_none_or(|wanted| header.dataset.as_bytes() == wanted.as_bytes())
            && self.root.iter().all(|list| any(std::slice::from_ref(list), root))
            && any(&self.origin, origin)
            && any(&self.kind, kind)
            && classes
            && self.before.is_none_or(|before| header.timestamp <= before)
            && self.since.is_none_or(|since| header.timestamp >= since)
    }
}

/// Snapshots that were looked at.
pub struct Selection {
    /// Newest first.
    pub snapshots: Vec<Snapshot>,
    /// Snapshots whose header could not be read; each was reported.
    pub unreadable: usize,
}

/// All snapshots whose id starts with `prefix` and that pass `wanted`, newest first.
pub fn select(
    repository: &Arc<Repository>,
    ui: &Ui,
    prefix: &str,
    wanted: &dyn Fn(&Header) -> bool,
) -> Selection {
    let mut ids = repository.snapshots();
    ids.retain(|id| id.to_string().starts_with(prefix));
    ids.sort_unstable();
    let mut selection = Selection { snapshots: Vec::new(), unreadable: 0 };
    for (id, opened) in ids.iter().zip(Snapshot::open_many(repository, &ids)) {
        match opened {
            Ok(snapshot) if wanted(snapshot.header()) => selection.snapshots.push(snapshot),
            Ok(_) => {}
            Err(error) => {
                selection.unreadable += 1;
                ui.error(&format!("{}: {}", id.short(), chain(&error)));
            }
        }
    }
    selection
        .snapshots
        .sort_by(|a, b| b.header().timestamp.cmp(&a.header().timestamp).then_with(|| a.id().cmp(&b.id())));
    selection
}

/// As [`select`], with all filters applied.
pub fn select_filtered(repository: &Arc<Repository>, ui: &Ui, prefix: &str, filters: &Filters) -> Selection {
    let mut selection = select(repository, ui, prefix, &|header| filters.matches(header));
    if filters.latest {
        selection.snapshots.truncate(1);
    }
    selection
}

/// As [`select_filtered`], then with retention: what the rules would keep.
pub fn select_retained(
    repository: &Arc<Repository>,
    ui: &Ui,
    prefix: &str,
    filters: &Filters,
    retention: &Retention,
) -> Selection {
    let mut selection = select_filtered(repository, ui, prefix, filters);
    if !retention.is_empty() {
        let headers: Vec<&Header> = selection.snapshots.iter().map(Snapshot::header).collect();
        let mut kept = retention::apply(retention, now(), &headers).into_iter();
        selection.snapshots.retain(|_| kept.next().flatten().is_some());
    }
    selection
}

/// A snapshot argument as typed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SnapshotArgument {
    /// Start of the id, may be empty.
    pub prefix: String,
    /// What stood after the colon, or an absolute path alone; empty means the root directory.
    pub path: Vec<u8>,
}

impl SnapshotArgument {
    /// Takes `PREFIX`, `PREFIX:path` or `/path` apart.
    pub fn parse(text: &OsStr) -> Self {
        let bytes = text.as_bytes();
        let (prefix, path) = if bytes.starts_with(b"/") {
            (&b""[..], bytes)
        } else {
            match bytes.iter().position(|&b| b == b':') {
                Some(at) => (&bytes[..at], &bytes[at + 1..]),
                None => (bytes, &b""[..]),
            }
        };
        Self { prefix: String::from_utf8_lossy(prefix).into_owned(), path: path.to_vec() }
    }

    /// Whether the prefix can be the start of an id.
    pub fn is_hexadecimal(&self) -> bool {
        self.prefix.len() <= 64 && self.prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// The id of the one snapshot that this argument names, nothing but a prefix; its header is not
    /// read.
    pub fn only_id(&self, repository: &Arc<Repository>) -> Result<SnapshotId, Failure> {
        if self.prefix.is_empty() || !self.path.is_empty() {
            return Err(Failure::usage("a snapshot id is wanted, without a path"));
        }
        let mut ids = repository.snapshots();
        ids.retain(|id| id.to_string().starts_with(&self.prefix));
        match ids.as_slice() {
            [id] => Ok(*id),
            [] => Err(kloset::Error::SnapshotUnknown(self.prefix.clone()).into()),
            many => {
                Err(kloset::Error::SnapshotAmbiguous { prefix: self.prefix.clone(), count: many.len() }
                    .into())
            }
        }
    }

    /// The one snapshot of this argument.
    pub fn find(&self, repository: &Arc<Repository>) -> Result<Snapshot, Failure> {
        if !self.is_hexadecimal() {
            return Err(kloset::Error::SnapshotUnknown(self.prefix.clone()).into());
        }
        Ok(Snapshot::find(repository, &self.prefix)?)
    }
}

#[cfg(test)]
mod tests;
