//! The one line that an operation ends with.

use std::time::Duration;

use kloset_format::SnapshotId;

/// What an operation did, for its summary line.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Snapshot written or read.
    pub snapshot: SnapshotId,
    /// `backup`, `check`, `restore`.
    pub verb: &'static str,
    /// Failed paths.
    pub errors: u64,
    /// Wall time.
    pub elapsed: Duration,
    /// Bytes read from the store.
    pub read_bytes: u64,
    /// Bytes written to the store.
    pub written_bytes: u64,
}

impl Summary {
    /// A snapshot was added, while the bytes read and written went from `before` to `after`.
    pub fn added(snapshot: SnapshotId, elapsed: Duration, before: (u64, u64), after: (u64, u64)) -> Self {
        Self {
            snapshot,
            verb: "backup",
            errors: 0,
            elapsed,
            read_bytes: after.0 - before.0,
            written_bytes: after.1 - before.1,
        }
    }

    /// The line.
    pub fn text(&self) -> String {
        let errors = match self.errors {
            0 => "without errors".to_owned(),
            1 => "with 1 error".to_owned(),
            n => format!("with {n} errors"),
        };
        format!(
            "{}: {} completed {errors} in {} (in: {}, out: {})",
            self.snapshot.short(),
            self.verb,
            crate::cli::duration::show(self.elapsed),
            crate::size::show(self.read_bytes),
            crate::size::show(self.written_bytes),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_read_as_the_contract_says() {
        let mut summary = Summary {
            snapshot: SnapshotId([0x68; 32]),
            verb: "backup",
            errors: 0,
            elapsed: Duration::from_nanos(248_223_480),
            read_bytes: 0,
            written_bytes: 4_600_000,
        };
        assert_eq!(
            summary.text(),
            "68686868: backup completed without errors in 248.22348ms (in: 0 B, out: 4.4 MiB)"
        );
        summary.errors = 1;
        assert!(summary.text().contains("with 1 error in"));
        summary.errors = 2;
        assert!(summary.text().contains("with 2 errors in"));
    }
}
