//! Errors of the engine: one variant per situation that a user could act on.

use kloset_connector::ConnectorError;
use kloset_format::{Mac, PackfileId, ResourceType, SnapshotId, Version};

/// Why a repository could not be opened or created.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store's files cannot be reached or read.
    #[error("cannot reach the store")]
    Storage(#[source] ConnectorError),
    /// There is no store at this place.
    #[error("no store here: CONFIG does not exist")]
    NotAStore,
    /// CONFIG is not what it should be.
    #[error("CONFIG is damaged: {reason}")]
    DamagedConfig {
        /// What is wrong with it.
        reason: String,
    },
    /// CONFIG asks for more than a reader should grant.
    #[error("CONFIG is refused: {reason}")]
    RefusedConfig {
        /// Field, value and bound.
        reason: String,
    },
    /// Written by a newer format than this build reads.
    #[error("store version {0} is not supported")]
    UnsupportedVersion(Version),
    /// The passphrase does not open this store.
    #[error("failed to unlock repository")]
    WrongPassphrase,
    /// The store is encrypted and no passphrase was given.
    #[error("the store is encrypted and no passphrase was given")]
    PassphraseMissing,
    /// A state file is damaged or contradictory.
    #[error("state {state} is damaged: {reason}")]
    DamagedState {
        /// Name of the state.
        state: kloset_format::StateId,
        /// What is wrong with it.
        reason: String,
    },
    /// A state file whose upload was cut short, where files are made under their final names.
    #[error(
        "state {state} was never finished: once no other client is at work, remove its file from the store and run \
         `repair`"
    )]
    UnfinishedState {
        /// Name of the state.
        state: kloset_format::StateId,
    },
}

/// Why an operation on an open repository failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading or writing the store failed.
    #[error("store: {0}")]
    Storage(#[source] ConnectorError),
    /// The source as a whole failed.
    #[error("source: {0}")]
    Source(#[source] ConnectorError),
    /// The destination as a whole failed.
    #[error("destination: {0}")]
    Destination(#[source] ConnectorError),
    /// Opening or creating failed.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A blob is in no live packfile.
    #[error("{resource} {mac} is missing")]
    BlobMissing {
        /// Type of the blob.
        resource: ResourceType,
        /// Its name.
        mac: Mac,
    },
    /// A blob's bytes are not what its name says.
    #[error("{resource} {mac} in packfile {packfile} is damaged: {reason}")]
    BlobDamaged {
        /// Type of the blob.
        resource: ResourceType,
        /// Its name.
        mac: Mac,
        /// The packfile that holds it.
        packfile: PackfileId,
        /// What is wrong with it.
        reason: String,
    },
    /// A packfile's own structure is damaged.
    #[error("packfile {packfile} is damaged: {reason}")]
    PackfileDamaged {
        /// The packfile.
        packfile: PackfileId,
        /// What is wrong with it.
        reason: String,
    },
    /// A record inside a snapshot cannot be decoded or contradicts another.
    #[error("snapshot {snapshot}: {reason}", snapshot = snapshot.short())]
    SnapshotDamaged {
        /// The snapshot.
        snapshot: SnapshotId,
        /// What is wrong with it.
        reason: String,
    },
    /// A snapshot cannot be read whole, so nobody knows what can be deleted.
    #[error("snapshot {snapshot} cannot be read whole, nothing was deleted: remove it or bring back what is missing", snapshot = snapshot.short())]
    SnapshotBlocks {
        /// The snapshot.
        snapshot: SnapshotId,
        /// What cannot be read.
        #[source]
        cause: Box<Error>,
    },
    /// States are missing, so nobody knows what can be deleted.
    #[error("the states are not complete, nothing was deleted: {0}")]
    StatesIncomplete(String),
    /// Another client has written while maintenance was at work.
    #[error("the store was written to by another client, nothing was deleted: try again")]
    WrittenMeanwhile,
    /// The lock could not be kept.
    #[error("the lock could not be refreshed, nothing more was deleted")]
    LockLost,
    /// No snapshot has this prefix.
    #[error("no snapshot has prefix: {0}")]
    SnapshotUnknown(String),
    /// Several snapshots have this prefix.
    #[error("snapshot ID is ambiguous: {prefix} (matches {count} snapshots)")]
    SnapshotAmbiguous {
        /// The prefix.
        prefix: String,
        /// How many match.
        count: usize,
    },
    /// The path is not in the snapshot.
    #[error("{path}: file does not exist")]
    PathUnknown {
        /// The path asked for.
        path: String,
    },
    /// The path is not of the wanted kind.
    #[error("{path}: not a {wanted}")]
    WrongKind {
        /// The path asked for.
        path: String,
        /// What was expected.
        wanted: &'static str,
    },
    /// Following the symbolic links of a path does not end.
    #[error("{path}: too many symbolic links")]
    TooManyLinks {
        /// The path asked for.
        path: String,
    },
    /// Another client holds a lock that excludes this operation.
    #[error("repository is locked by {holder} since {since}")]
    Locked {
        /// Host name in the lock.
        holder: String,
        /// RFC 3339 time of the lock.
        since: String,
    },
    /// A packfile that the new snapshot relies on is not in the store any more.
    #[error("packfile {0} vanished from the store during the backup")]
    PackfileVanished(PackfileId),
    /// The store differs from what this client has seen before.
    #[error("the store is not what it was, nothing is written to it: {0}")]
    StoreChanged(String),
    /// Both sides of a sync are one store.
    #[error("cannot synchronize a store with itself")]
    SameStore,
    /// The store cannot be written.
    #[error("storage is not writable")]
    ReadOnlyStore,
    /// The user's interrupt.
    #[error("interrupted")]
    Interrupted,
    /// An ignore pattern cannot be understood.
    #[error("invalid ignore pattern {pattern:?}: {reason}")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// Why.
        reason: String,
    },
    /// A worker thread of the engine died: a bug of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// Whether the store cannot be reached any more: patience with it has ended.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_out_of_reach())
    }

    /// Whether this is damage of stored data (exit code 65) and not an I/O problem.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::BlobMissing { .. }
                | Self::BlobDamaged { .. }
                | Self::PackfileDamaged { .. }
                | Self::SnapshotDamaged { .. }
                | Self::SnapshotBlocks { .. }
                | Self::StatesIncomplete(_)
                | Self::Open(
                    OpenError::DamagedConfig { .. }
                        | OpenError::DamagedState { .. }
                        | OpenError::UnfinishedState { .. }
                )
        )
    }
}
