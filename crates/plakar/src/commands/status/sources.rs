//! What a store holds of each source, and how old the newest good snapshot of it is.

use kloset::Snapshot;
use kloset_format::{SnapshotId, Timestamp};
use serde_json::json;

use crate::cli::{date, duration};
use crate::ui::{escape, path_object};

/// How far ahead of this machine a client's clock may be before its snapshots count as dated in the
/// future.
const CLOCK_SKEW_SECONDS: i64 = 300;

/// The snapshots of one source: same type, origin and directory.
pub struct Source {
    kind: Vec<u8>,
    origin: Vec<u8>,
    root: Vec<u8>,
    snapshots: usize,
    /// Newest snapshot that was made without errors and is not dated in the future.
    good: Option<(SnapshotId, Timestamp)>,
    /// Snapshots newer than `good` with errors.
    newer_with_errors: usize,
    future: usize,
}

/// Groups snapshots, given newest first, by source; sorted by name.
pub fn sources(snapshots: &[Snapshot], now: Timestamp) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for snapshot in snapshots {
        let header = snapshot.header();
        let Some(record) = header.source() else { continue };
        let importer = &record.importer;
        let key = (importer.kind.as_bytes(), importer.origin.as_bytes(), importer.directory.as_slice());
        let position = sources.iter().position(|source| source.key() == key).unwrap_or_else(|| {
            sources.push(Source::new(key));
            sources.len() - 1
        });
        if let Some(source) = sources.get_mut(position) {
            source.add(snapshot.id(), header.timestamp, record.summary.below.errors, now);
        }
    }
    sources.sort_by(|a, b| a.key().cmp(&b.key()));
    sources
}

impl Source {
    fn new((kind, origin, root): (&[u8], &[u8], &[u8])) -> Self {
        Self {
            kind: kind.to_vec(),
            origin: origin.to_vec(),
            root: root.to_vec(),
            snapshots: 0,
            good: None,
            newer_with_errors: 0,
            future: 0,
        }
    }

    fn key(&self) -> (&[u8], &[u8], &[u8]) {
        (&self.kind, &self.origin, &self.root)
    }

    /// Counts a snapshot that is not newer than the ones before it.
    fn add(&mut self, id: SnapshotId, time: Timestamp, errors: u64, now: Timestamp) {
        self.snapshots += 1;
        if time.seconds > now.seconds.saturating_add(CLOCK_SKEW_SECONDS) {
            self.future += 1;
        } else if self.good.is_none() {
            match errors {
                0 => self.good = Some((id, time)),
                _ => self.newer_with_errors += 1,
            }
        }
    }

    /// Whether there is no good snapshot since then.
    pub fn is_older_than(&self, limit: Timestamp) -> bool {
        self.good.is_none_or(|(_, time)| time < limit)
    }

    /// `fs on host, /data`.
    pub fn name(&self) -> String {
        let text = |bytes| escape::name(bytes).into_owned();
        match self.origin.as_slice() {
            b"" => format!("{}, {}", text(&self.kind), text(&self.root)),
            origin => format!("{} on {}, {}", text(&self.kind), text(origin), text(&self.root)),
        }
    }

    /// One line: name, newest good snapshot, what is wrong with newer ones.
    pub fn line(&self, now: Timestamp) -> String {
        let mut line = format!("{}: {}", self.name(), counted(self.snapshots, "snapshot"));
        match self.good {
            Some((id, time)) => {
                let (age, time) = (duration::show_seconds(age(time, now)), date::show(time));
                line.push_str(&format!(", newest good {} {time}, {age} old", id.short()));
            }
            None => line.push_str(", none is good"),
        }
        if self.newer_with_errors > 0 {
            line.push_str(&format!(", newer with errors: {}", self.newer_with_errors));
        }
        if self.future > 0 {
            line.push_str(&format!(", dated in the future: {}", self.future));
        }
        line
    }

    /// The same for programs.
    pub fn json(&self, now: Timestamp) -> serde_json::Value {
        let mut value = path_object(&self.root);
        if let Some(object) = value.as_object_mut() {
            object.insert("type".to_owned(), json!(String::from_utf8_lossy(&self.kind)));
            object.insert("origin".to_owned(), json!(String::from_utf8_lossy(&self.origin)));
            object.insert("snapshots".to_owned(), json!(self.snapshots));
            let good = self.good.map(|(id, time)| {
                json!({
                    "snapshot": id.to_string(),
                    "timestamp": date::show_precise(time),
                    "age_seconds": age(time, now).as_secs(),
                })
            });
            object.insert("newest_good".to_owned(), json!(good));
            object.insert("newer_with_errors".to_owned(), json!(self.newer_with_errors));
            object.insert("dated_in_the_future".to_owned(), json!(self.future));
        }
        value
    }
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// Time since then, nothing for a clock that is a little ahead.
fn age(time: Timestamp, now: Timestamp) -> std::time::Duration {
    std::time::Duration::from_secs(now.seconds.saturating_sub(time.seconds).max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp { seconds: 100_000, nanoseconds: 0 };

    /// A source with snapshots of these ages and errors, newest first.
    fn source(snapshots: &[(i64, u64)]) -> Source {
        let mut source = Source::new((b"fs", b"host", b"/data"));
        for (age, errors) in snapshots {
            let time = Timestamp { seconds: NOW.seconds - age, nanoseconds: 0 };
            source.add(SnapshotId::ZERO, time, *errors, NOW);
        }
        source
    }

    fn ago(age: i64) -> Timestamp {
        Timestamp { seconds: NOW.seconds - age, nanoseconds: 0 }
    }

    #[test]
    fn a_snapshot_with_errors_does_not_make_a_source_young() {
        let found = source(&[(10, 3), (20, 1), (3_700, 0), (9_000, 0)]);
        assert!(found.is_older_than(ago(3_600)) && !found.is_older_than(ago(3_700)));
        assert_eq!(
            found.line(NOW),
            "fs on host, /data: 4 snapshots, newest good 00000000 1970-01-02T02:45:00Z, 1h1m40s old, newer with errors: 2"
        );
    }

    #[test]
    fn a_snapshot_of_a_wrong_clock_does_not_make_a_source_young() {
        assert!(source(&[(-1_000, 0)]).is_older_than(ago(3_600)));
        assert!(!source(&[(-1_000, 0), (50, 0)]).is_older_than(ago(3_600)));
        assert!(!source(&[(-299, 0)]).is_older_than(ago(3_600)));
    }
}
