//! The numbers of a report.

use serde::Serialize;

/// Numbers of a run; what the command does not count stays `None`.
#[derive(Clone, Copy, Default, Debug, Serialize)]
pub struct Counts {
    /// Snapshots made, checked, restored or copied.
    pub snapshots: Option<u64>,
    /// Snapshots found damaged or not copied.
    pub snapshots_failed: Option<u64>,
    /// Snapshots that the receiving store of a sync has already.
    pub snapshots_present: Option<u64>,
    /// Entries in the snapshot, restored, or copied.
    pub entries: Option<u64>,
    /// Entries that could not be read or restored.
    pub entries_failed: Option<u64>,
    /// Files that were taken over without reading, or were right already.
    pub files_unchanged: Option<u64>,
    /// Bytes of file content in the snapshot, restored, or copied.
    pub content_bytes: Option<u64>,
    /// Bytes of file content read from the source.
    pub source_read_bytes: Option<u64>,
    /// Bytes of file content written to the destination.
    pub destination_written_bytes: Option<u64>,
    /// Blobs that runs without a snapshot had stored, and that were not stored again.
    pub found_blobs: Option<u64>,
    /// Their encoded bytes.
    pub found_bytes: Option<u64>,
    /// Blobs that a run without a snapshot stored and recorded for the next one.
    pub recorded_blobs: Option<u64>,
    /// Their encoded bytes.
    pub recorded_bytes: Option<u64>,
}

impl Counts {
    /// Both together.
    pub(super) fn add(&mut self, other: Self) {
        let sum = |into: &mut Option<u64>, more: Option<u64>| {
            if let Some(more) = more {
                *into = Some(into.unwrap_or(0).saturating_add(more));
            }
        };
        sum(&mut self.snapshots, other.snapshots);
        sum(&mut self.snapshots_failed, other.snapshots_failed);
        sum(&mut self.snapshots_present, other.snapshots_present);
        sum(&mut self.entries, other.entries);
        sum(&mut self.entries_failed, other.entries_failed);
        sum(&mut self.files_unchanged, other.files_unchanged);
        sum(&mut self.content_bytes, other.content_bytes);
        sum(&mut self.source_read_bytes, other.source_read_bytes);
        sum(&mut self.destination_written_bytes, other.destination_written_bytes);
        sum(&mut self.found_blobs, other.found_blobs);
        sum(&mut self.found_bytes, other.found_bytes);
        sum(&mut self.recorded_blobs, other.recorded_blobs);
        sum(&mut self.recorded_bytes, other.recorded_bytes);
    }
}
