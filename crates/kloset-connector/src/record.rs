//! What a source says about one path.

use kloset_format::FileInfo;

/// An extended attribute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Xattr {
    /// Full name with its namespace: `user.note`.
    pub name: Vec<u8>,
    /// Raw value.
    pub value: Vec<u8>,
}

/// One path of a source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Attributes; the path is that of the listing it came in plus `info.name`.
    pub info: FileInfo,
    /// Target of a symbolic link.
    pub target: Option<Vec<u8>>,
    /// Extended attributes with their values, sorted by name.
    pub xattrs: Vec<Xattr>,
    /// Problem with the attributes (unreadable xattr), to be counted as an error of this path.
    pub problem: Option<String>,
}
