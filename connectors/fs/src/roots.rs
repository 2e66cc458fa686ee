//! What a source was asked to back up, resolved: roots, their common directory, and the folders
//! above them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kloset_connector::ConnectorError;
use kloset_format::path::{base_name, is_within, parent};

use crate::failure::failed_io;
use crate::local_path::{as_bytes, as_path};

/// One path to back up.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct RootPath {
    /// Absolute and clean.
    pub(crate) path: Vec<u8>,
    /// Whether there is a tree below.
    pub(crate) directory: bool,
}

/// The resolved roots of a source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Roots {
    /// The directory that the snapshot names.
    pub(crate) directory: Vec<u8>,
    /// Sorted; none lies inside of another.
    pub(crate) list: Vec<RootPath>,
    /// Every folder above a root and the names of it that are wanted.
    pub(crate) above: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>,
}

impl Roots {
    /// Looks at the given absolute, clean paths.
    ///
    /// A root that is a link counts as what it leads to; the link itself is a root more.
    pub(crate) fn resolve(given: &[PathBuf]) -> Result<Self, ConnectorError> {
        let mut real = Vec::new();
        let mut links = Vec::new();
        for path in given {
            let found = path.symlink_metadata().map_err(|error| failed_io("inspect", path, error))?;
            if found.is_symlink() {
                links.push(RootPath { path: as_bytes(path).to_vec(), directory: false });
                real.push(follow(path)?);
            } else {
                real.push(RootPath { path: as_bytes(path).to_vec(), directory: found.is_dir() });
            }
        }
        let directory = common_directory(&real);
        let mut list = real;
        list.append(&mut links);
        list.sort();
        list.dedup_by(|later, kept| later.path == kept.path);
        // Byte order does not keep a folder and what is inside of it together: compare with all.
        let all = list.clone();
        list.retain(|root| {
            let holds = |other: &RootPath| other.directory && is_within(&root.path, &other.path);
            !all.iter().any(|other| other.path != root.path && holds(other))
        });
        let above = folders_above(&list);
        Ok(Self { directory, list, above })
    }

    /// The root that a path belongs to.
    pub(crate) fn of(&self, path: &[u8]) -> Option<usize> {
        self.list.iter().position(|root| root.path == path || (root.directory && is_within(path, &root.path)))
    }

    /// Whether the directory is itself a root, rather than a folder above roots.
    pub(crate) fn directory_is_root(&self) -> bool {
        self.list.iter().any(|root| root.directory && root.path == self.directory)
    }
}

fn follow(link: &Path) -> Result<RootPath, ConnectorError> {
    let real = link.canonicalize().map_err(|error| failed_io("follow", link, error))?;
    let found = real.symlink_metadata().map_err(|error| failed_io("inspect", &real, error))?;
    Ok(RootPath { path: as_bytes(&real).to_vec(), directory: found.is_dir() })
}

/// The longest common prefix by whole components; the parent of a single file.
fn common_directory(roots: &[RootPath]) -> Vec<u8> {
    let mut common: Option<Vec<u8>> = None;
    for root in roots {
        let folder = if root.directory { root.path.as_slice() } else { parent(&root.path) };
        let mut prefix = common.unwrap_or_else(|| folder.to_vec());
        while !is_within(folder, &prefix) {
            prefix = parent(&prefix).to_vec();
        }
        common = Some(prefix);
    }
    common.unwrap_or_else(|| b"/".to_vec())
}

fn folders_above(roots: &[RootPath]) -> BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>> {
    let mut above: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for root in roots {
        let mut path = root.path.as_slice();
        while path != b"/" {
            let folder = parent(path);
            above.entry(folder.to_vec()).or_default().insert(base_name(path).to_vec());
            path = folder;
        }
    }
    above
}

/// Every folder from `/` to `directory`, both included.
pub(crate) fn chain(directory: &[u8]) -> Vec<&[u8]> {
    let mut chain = vec![directory];
    let mut path = directory;
    while path != b"/" {
        path = parent(path);
        chain.push(path);
    }
    chain.reverse();
    chain
}

/// A path inside the snapshot relative to an ancestor of it.
pub(crate) fn relative<'a>(path: &'a [u8], ancestor: &[u8]) -> &'a [u8] {
    let rest = path.strip_prefix(ancestor).unwrap_or(path);
    rest.strip_prefix(b"/").unwrap_or(rest)
}

/// A path inside the snapshot as a local path.
pub(crate) fn local(path: &[u8]) -> &Path {
    as_path(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(paths: &[&str]) -> Vec<RootPath> {
        paths.iter().map(|path| RootPath { path: path.as_bytes().to_vec(), directory: true }).collect()
    }

    #[test]
    fn common_directory_counts_whole_components() {
        assert_eq!(common_directory(&roots(&["/a/bc", "/a/bd"])), b"/a");
        assert_eq!(common_directory(&roots(&["/a/b"])), b"/a/b");
        assert_eq!(common_directory(&roots(&["/a", "/b"])), b"/");
        assert_eq!(common_directory(&roots(&["/a/b", "/a/b/c"])), b"/a/b");
        assert_eq!(chain(b"/a/b"), [b"/".as_slice(), b"/a", b"/a/b"]);
        assert_eq!(chain(b"/"), [b"/"]);
        assert_eq!(relative(b"/a/b", b"/"), b"a/b");
        assert_eq!(relative(b"/a/b", b"/a"), b"b");
        assert_eq!(relative(b"/a", b"/a"), b"");
    }

    #[test]
    fn roots_inside_of_others_are_dropped() {
        let temp = tempfile::tempdir().expect("temporary folder");
        let base = temp.path().canonicalize().expect("real path");
        std::fs::create_dir_all(base.join("a/in")).expect("folders");
        std::fs::create_dir_all(base.join("a!")).expect("folders");
        std::fs::write(base.join("a/in/file"), b"x").expect("write");
        let given: Vec<PathBuf> =
            ["a/in/file", "a!", "a", "a/in"].iter().map(|path| base.join(path)).collect();
        let found = Roots::resolve(&given).expect("all there");
        let paths: Vec<_> = found.list.iter().map(|root| base_name(&root.path).to_vec()).collect();
        assert_eq!(paths, [b"a".to_vec(), b"a!".to_vec()]);
        assert_eq!(found.directory, as_bytes(&base));
        assert!(!found.directory_is_root());
    }
}
