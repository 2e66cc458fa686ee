//! Resource types: the number that says what a blob or a store file is.

use std::fmt;

/// What a blob or a store file holds. Numbers unknown to this build stay numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceType(pub u8);

macro_rules! resource_types {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        impl ResourceType {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// Name used in messages and by `diag`; `None` for a type unknown to this build.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }

            /// Finds a type by the name that [`ResourceType::name`] gives.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self($number)),)*
                    _ => None,
                }
            }
        }
    };
}

resource_types! {
    /// The CONFIG file.
    CONFIG = 1, "config";
    /// A lock file.
    LOCK = 2, "lock";
    /// A state file.
    STATE = 3, "state";
    /// A packfile.
    PACKFILE = 4, "packfile";
    /// A snapshot header, named by the snapshot's identifier.
    SNAPSHOT = 5, "snapshot";
    /// An Ed25519 signature of a header, named by the snapshot's identifier.
    SIGNATURE = 6, "signature";
    /// The list of chunks of one content.
    OBJECT = 7, "object";
    /// A piece of content.
    CHUNK = 9, "chunk";
    /// Root record of the file tree.
    VFS_BTREE = 10, "vfs-btree";
    /// Node of the file tree.
    VFS_NODE = 11, "vfs-node";
    /// One path of a snapshot.
    VFS_ENTRY = 12, "vfs-entry";
    /// Root record of the error tree.
    ERROR_BTREE = 13, "error-btree";
    /// Node of the error tree.
    ERROR_NODE = 14, "error-node";
    /// One path that could not be read.
    ERROR_ENTRY = 15, "error-entry";
    /// Root record of the extended attribute tree.
    XATTR_BTREE = 16, "xattr-btree";
    /// Node of the extended attribute tree.
    XATTR_NODE = 17, "xattr-node";
    /// One extended attribute.
    XATTR_ENTRY = 18, "xattr-entry";
    /// Root record of an index.
    BTREE_ROOT = 19, "btree-root";
    /// Node of an index.
    BTREE_NODE = 20, "btree-node";
    /// Statistics of one directory.
    VFS_SUMMARY = 21, "vfs-summary";
    /// Random padding.
    RANDOM = 255, "random";
}

impl ResourceType {
    /// Whether blobs of this type are named by the MAC of their plain bytes.
    ///
    /// Headers and signatures carry the snapshot's identifier, padding a random name.
    pub fn is_content_addressed(self) -> bool {
        !matches!(self, Self::SNAPSHOT | Self::SIGNATURE | Self::RANDOM)
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "type-{}", self.0),
        }
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
