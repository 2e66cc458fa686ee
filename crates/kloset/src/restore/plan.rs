//! Turns the walk of a snapshot into segments of what is to be made where.

use kloset_format::entry::Entry;
use kloset_format::mode::FileKind;
use kloset_format::{FileInfo, Mac, path};

use super::tally::Tally;
use crate::vfs::{Step, walk_steps};
use crate::{Error, Snapshot};

/// Entries of a segment: enough to sort files by their place, few enough to hold as they are.
const ENTRIES_PER_SEGMENT: usize = 16_384;

/// One entry to restore.
pub(super) struct Item {
    /// Absolute path inside the snapshot.
    pub path: Vec<u8>,
    /// Path below the destination's root; empty for the root itself.
    pub target: Vec<u8>,
    pub info: FileInfo,
    /// Target of a symbolic link.
    pub link: Option<Vec<u8>>,
    /// The content of a regular file.
    pub object: Mac,
    /// Whether it has extended attributes.
    pub has_xattrs: bool,
}

impl Item {
    fn new(path: Vec<u8>, target: Vec<u8>, entry: Entry) -> Self {
        let link = entry.info.mode.is_symlink().then_some(entry.symlink_target);
        let has_xattrs = !entry.extended_attributes.is_empty();
        Self { path, target, info: entry.info, link, object: entry.object, has_xattrs }
    }
}

/// Entries that follow each other in a walk.
#[derive(Default)]
pub(super) struct Segment {
    /// Parents before their children.
    pub directories: Vec<Item>,
    /// Symbolic links and special files.
    pub nodes: Vec<Item>,
    pub files: Vec<Item>,
}

impl Segment {
    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.directories.len() + self.nodes.len() + self.files.len()
    }

    /// Bytes of content.
    pub(super) fn content_bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum: u64, item| sum.saturating_add(size_of_content(&item.info)))
    }
}

/// The recorded size of a regular file's content.
pub(super) fn size_of_content(info: &FileInfo) -> u64 {
    u64::try_from(info.size).unwrap_or(0)
}

/// Walks from `start` and hands out segments. Paths below `base` become paths below the
/// destination's root. Damage goes to the tally.
pub(super) fn segments(
    snapshot: &Snapshot,
    start: &[u8],
    base: &[u8],
    tally: &Tally<'_>,
    take: &mut dyn FnMut(Segment) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut segment = Segment::default();
    walk_steps(snapshot, start, &mut |step| {
        match step {
            Step::Found { path, entry } => {
                let target = below(&path, base).to_vec();
                let item = Item::new(path, target, entry.entry);
                match item.info.mode.kind() {
                    FileKind::Directory => segment.directories.push(item),
                    FileKind::Regular if item.object.is_zero() => {
                        tally.failed(&item.path, "its content is not recorded");
                    }
                    FileKind::Regular => segment.files.push(item),
                    FileKind::Irregular => tally.failed(&item.path, "files of this kind cannot be made"),
                    _ => segment.nodes.push(item),
                }
            }
            Step::Damaged { path, error, recovered: true } => tally.warn(&path, &error),
            Step::Damaged { path, error, recovered: false } => tally.failed(&path, &error.to_string()),
        }
        if segment.len() < ENTRIES_PER_SEGMENT { Ok(()) } else { take(std::mem::take(&mut segment)) }
    })?;
    take(segment)
}

/// `path` relative to `base`, without a slash at its start.
fn below<'a>(path: &'a [u8], base: &[u8]) -> &'a [u8] {
    if !path::is_within(path, base) {
        return path.strip_prefix(b"/").unwrap_or(path);
    }
    let rest = path.get(base.len()..).unwrap_or_default();
    rest.strip_prefix(b"/").unwrap_or(rest)
}

/// The directory of a path below the destination's root.
pub(super) fn parent_of(target: &[u8]) -> &[u8] {
    match target.iter().rposition(|&byte| byte == b'/') {
        Some(at) => target.get(..at).unwrap_or_default(),
        None => b"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_land_relative_to_the_base() {
        assert_eq!(below(b"/srv/data/a/b", b"/srv/data"), b"a/b");
        assert_eq!(below(b"/srv/data", b"/srv/data"), b"");
        assert_eq!(below(b"/srv", b"/"), b"srv");
        assert_eq!(below(b"/", b"/"), b"");
        assert_eq!(parent_of(b"a/b/c"), b"a/b");
        assert_eq!(parent_of(b"a"), b"");
    }
}
