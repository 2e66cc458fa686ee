//! What is shown: a directory of snapshots, or one directory of one snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use kloset::{Error, Snapshot};
use kloset_format::entry::Entry;
use kloset_format::path::{clean, join};

/// How snapshots are named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ids {
    /// Eight digits, or all of them where eight are not enough.
    Short,
    /// All digits.
    Full,
}

/// What is shown.
pub struct View {
    top: Top,
}

enum Top {
    /// Newest first, each by its name.
    Snapshots(Vec<(String, Arc<Snapshot>)>),
    Directory(Arc<Snapshot>, Vec<u8>),
}

/// A path of a view.
#[derive(Clone)]
pub enum Place {
    /// The list of snapshots.
    Top,
    /// A path of a snapshot.
    Inside(Arc<Snapshot>, Vec<u8>),
}

impl View {
    /// Shows snapshots, newest first, each from its `/`.
    pub fn of_snapshots(snapshots: Vec<Snapshot>, ids: Ids) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for snapshot in &snapshots {
            *counts.entry(snapshot.id().short().to_string()).or_default() += 1;
        }
        let named = snapshots.into_iter().map(|snapshot| {
            let short = snapshot.id().short().to_string();
            let is_unique = counts.get(&short) == Some(&1);
            let name = if ids == Ids::Short && is_unique { short } else { snapshot.id().to_string() };
            (name, Arc::new(snapshot))
        });
        Self { top: Top::Snapshots(named.collect()) }
    }

    /// Shows one directory.
    pub fn of_directory(snapshot: Snapshot, path: Vec<u8>) -> Self {
        Self { top: Top::Directory(Arc::new(snapshot), path) }
    }

    /// The snapshots at the top by name; none if the top is a directory.
    pub fn snapshots(&self) -> &[(String, Arc<Snapshot>)] {
        match &self.top {
            Top::Snapshots(named) => named,
            Top::Directory(..) => &[],
        }
    }

    /// The place at the top.
    pub fn top(&self) -> Place {
        match &self.top {
            Top::Snapshots(_) => Place::Top,
            Top::Directory(snapshot, path) => Place::Inside(Arc::clone(snapshot), path.clone()),
        }
    }

    /// The place of a name below the top, as [`View::find`] without a lookup.
    pub fn below(&self, place: &Place, name: &[u8]) -> Option<Place> {
        match place {
            Place::Top => {
                let (_, snapshot) = self.snapshots().iter().find(|(known, _)| known.as_bytes() == name)?;
                Some(Place::Inside(Arc::clone(snapshot), b"/".to_vec()))
            }
            Place::Inside(snapshot, path) => Some(Place::Inside(Arc::clone(snapshot), join(path, name))),
        }
    }

    /// The place of a path of the view; `..` does not lead out of it.
    pub fn find(&self, path: &[u8]) -> Option<Place> {
        let path = clean(&[b"/", path].concat());
        let mut place = self.top();
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            place = self.below(&place, name)?;
        }
        Some(place)
    }
}

impl Place {
    /// The entry, links not followed; `None` at the list of snapshots.
    pub fn entry(&self) -> Result<Option<Entry>, Error> {
        match self {
            Self::Top => Ok(None),
            Self::Inside(snapshot, path) => snapshot.entry(path).map(|found| Some(found.entry)),
        }
    }
}
