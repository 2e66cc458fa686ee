//! Reports what a check finds, each path and each object once.

use std::collections::HashSet;

use kloset_format::{FileKind, Mac, SnapshotId};

use crate::{Error, Event, Monitor};

/// Findings about one snapshot.
pub(super) struct Failures<'a> {
    snapshot: SnapshotId,
    monitor: &'a dyn Monitor,
    paths: HashSet<Vec<u8>>,
    objects: HashSet<Mac>,
}

impl<'a> Failures<'a> {
    pub(super) fn new(snapshot: SnapshotId, monitor: &'a dyn Monitor) -> Self {
        Self { snapshot, monitor, paths: HashSet::new(), objects: HashSet::new() }
    }

    /// Number of paths and objects that failed.
    pub(super) fn count(&self) -> u64 {
        (self.paths.len() + self.objects.len()) as u64
    }

    /// A path that is damaged.
    pub(super) fn path(&mut self, path: &[u8], reason: &str) {
        if self.paths.insert(path.to_vec()) {
            self.monitor.event(Event::PathFailed { snapshot: self.snapshot, path, reason });
        }
    }

    /// Whether a path was reported.
    pub(super) fn has_path(&self, path: &[u8]) -> bool {
        self.paths.contains(path)
    }

    /// An object, or another thing with a name, that is damaged.
    pub(super) fn object(&mut self, object: Mac, reason: &str) {
        if self.objects.insert(object) {
            self.monitor.event(Event::ObjectFailed { snapshot: self.snapshot, object, reason });
        }
    }

    /// An error with whatever it names. One that is no damage comes back.
    pub(super) fn error(&mut self, error: Error) -> Result<(), Error> {
        if !error.is_damage() {
            return Err(error);
        }
        let object = match &error {
            Error::BlobMissing { mac, .. } | Error::BlobDamaged { mac, .. } => *mac,
            Error::PackfileDamaged { packfile, .. } => Mac(packfile.0),
            _ => Mac(self.snapshot.0),
        };
        self.object(object, &error.to_string());
        Ok(())
    }

    /// A path that is right.
    pub(super) fn done(&self, path: &[u8], kind: FileKind) {
        if self.monitor.wants_paths() {
            self.monitor.event(Event::PathDone { snapshot: self.snapshot, path, kind, cached: false });
        }
    }
}
