//! Snapshot headers: who backed up what, when, and where its trees are.

mod codec;

use crate::{Mac, SnapshotId, Summary, Text, Timestamp, Version};

/// The root of one snapshot. Its blob is named by [`Header::identifier`], not by a MAC.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Version of the record.
    pub version: Version,
    /// Random name of the snapshot.
    pub identifier: SnapshotId,
    /// Start of the backup, or the time it was told to record.
    pub timestamp: Timestamp,
    /// From start to commit, in nanoseconds.
    pub duration_ns: i64,
    /// Who signed, if anybody.
    pub identity: Identity,
    /// Name given to the series of backups.
    pub name: Text,
    /// Free word for retention rules.
    pub category: Text,
    /// Free word for retention rules.
    pub environment: Text,
    /// Free word for retention rules.
    pub perimeter: Text,
    /// Free word for retention rules.
    pub job: Text,
    /// Always 1 nowadays.
    pub replicas: u32,
    /// Not used.
    pub dataset: Text,
    /// Not used.
    pub data_classes: Vec<Text>,
    /// What analysers said about the snapshot.
    pub classifications: Vec<Classification>,
    /// Tags as given, in order, duplicates kept.
    pub tags: Vec<Text>,
    /// Facts about the machine and the program, in order.
    pub context: Vec<KeyValue>,
    /// What was backed up: exactly one in practice, and only the first is ever read.
    pub sources: Vec<SourceRecord>,
}

/// Who signed a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// A UUID, raw; all zero when nobody signed.
    pub identifier: Vec<u8>,
    /// Ed25519 key.
    pub public_key: Option<Vec<u8>>,
}

impl Default for Identity {
    fn default() -> Self {
        Self { identifier: vec![0; 16], public_key: None }
    }
}

impl Identity {
    /// Whether the snapshot is not signed by anybody.
    pub fn is_nobody(&self) -> bool {
        self.identifier.iter().all(|&byte| byte == 0)
    }
}

/// What one analyser said about a snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Classification {
    /// Name of the analyser.
    pub analyzer: Text,
    /// Classes it found.
    pub classes: Vec<Class>,
}

/// A class with its probability.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Class {
    /// Name of the class.
    pub name: Text,
    /// From 0 to 1.
    pub probability: f64,
}

/// A named fact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyValue {
    /// Name.
    pub key: Text,
    /// Fact.
    pub value: Text,
}

/// One thing that was backed up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceRecord {
    /// Where it came from.
    pub importer: Importer,
    /// Facts about the source.
    pub context: Vec<KeyValue>,
    /// The three trees that every snapshot has.
    pub roots: Roots,
    /// The indexes: `content-type`, `dirpack`, `summary`.
    pub indexes: Vec<Index>,
    /// Copy of the summary of `/`.
    pub summary: Summary,
}

/// Where a source came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Importer {
    /// Connector: `fs`, `sftp`, ...
    pub kind: Text,
    /// Host.
    pub origin: Text,
    /// The root that was asked for.
    pub directory: Vec<u8>,
}

/// Names of the tree records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    /// File tree (type 10).
    pub root: Mac,
    /// Extended attribute tree (type 16).
    pub xattrs: Mac,
    /// Error tree (type 13).
    pub errors: Mac,
}

/// An index of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// What it is an index of.
    pub name: Text,
    /// `btree`.
    pub kind: Text,
    /// Name of its tree record (type 19).
    pub value: Mac,
}

impl Index {
    /// From content type and path to entry.
    pub const CONTENT_TYPE: &'static str = "content-type";
    /// From directory to the object with all its entries.
    pub const DIRPACK: &'static str = "dirpack";
    /// From directory to its summary.
    pub const SUMMARY: &'static str = "summary";
    /// The only kind of index.
    pub const BTREE: &'static str = "btree";

    /// An index of the only kind.
    pub fn new(name: &str, value: Mac) -> Self {
        Self { name: name.into(), kind: Self::BTREE.into(), value }
    }
}

impl SourceRecord {
    /// The tree record of the index `name`, if the source has one of a kind we can read.
    pub fn index(&self, name: &str) -> Option<Mac> {
        self.indexes.iter().find(|index| index.name == name && index.kind == Index::BTREE).map(|i| i.value)
    }
}

impl Header {
    /// A header with nothing but a name and a time.
    pub fn new(identifier: SnapshotId, timestamp: Timestamp) -> Self {
        Self {
            version: Version::V1_0_0,
            identifier,
            timestamp,
            duration_ns: 0,
            identity: Identity::default(),
            name: Text::default(),
            category: Text::default(),
            environment: Text::default(),
            perimeter: Text::default(),
            job: Text::default(),
            replicas: 1,
            dataset: Text::default(),
            data_classes: Vec::new(),
            classifications: Vec::new(),
            tags: Vec::new(),
            context: Vec::new(),
            sources: Vec::new(),
        }
    }

    /// The source; a header without one is valid but shows nothing.
    pub fn source(&self) -> Option<&SourceRecord> {
        self.sources.first()
    }

    /// The value of a fact of the context.
    pub fn context_value(&self, key: &str) -> Option<&Text> {
        self.context.iter().find(|pair| pair.key == key).map(|pair| &pair.value)
    }
}
