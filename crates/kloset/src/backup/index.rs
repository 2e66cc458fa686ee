//! Builds the trees and indexes of a snapshot from what was collected.
//!
//! Insertion order is part of the shape that the reference implementation gives its trees: paths
//! in descending byte order, errors and attributes in ascending order of the whole key.

use std::collections::HashMap;

use kloset_format::btree::{KeyOrder, ResourceKind, TreeBuilder};
use kloset_format::error_entry::ErrorEntry;
use kloset_format::header::{Index, Roots};
use kloset_format::{Mac, ResourceType, Summary, path};

use super::tree::TreeParts;
use crate::write::Packer;
use crate::{Error, Repository};

/// What the header records of the trees.
pub(crate) struct Trees {
    pub(crate) roots: Roots,
    pub(crate) indexes: Vec<Index>,
    /// Of `/`.
    pub(crate) summary: Summary,
}

/// One entry of the file tree.
struct Item {
    path: Vec<u8>,
    mac: Mac,
    content_type: Option<u16>,
}

/// Stores all trees.
pub(crate) fn write_trees(
    repository: &Repository,
    packer: &mut Packer,
    mut parts: TreeParts,
) -> Result<Trees, Error> {
    parts.complete_unlisted(repository, packer)?;
    parts.directories.sort_unstable_by(|a, b| b.path.cmp(&a.path));
    let summaries = summaries(&parts);

    let items = items(&parts)?;
    let mut files = TreeBuilder::with_capacity(KeyOrder::Tree, items.len());
    for item in &items {
        files.insert(&item.path, item.mac);
    }
    let root = finish(packer, files, ResourceType::VFS_BTREE, ResourceType::VFS_NODE)?;
    let errors = error_tree(packer, &parts)?;
    let xattrs = xattr_tree(packer, &mut parts)?;

    let content_type = content_type_index(packer, &parts, &items)?;
    let mut dirpacks = TreeBuilder::with_capacity(KeyOrder::Bytes, parts.directories.len());
    for directory in &parts.directories {
        dirpacks.insert(&directory.path, directory.dirpack);
    }
    let dirpack = finish(packer, dirpacks, ResourceType::BTREE_ROOT, ResourceType::BTREE_NODE)?;

    let mut index = TreeBuilder::with_capacity(KeyOrder::Bytes, parts.directories.len());
    let mut bytes = Vec::new();
    for (directory, summary) in parts.directories.iter().zip(&summaries) {
        bytes.clear();
        summary.encode(&mut bytes);
        index.insert(&directory.path, packer.store(ResourceType::VFS_SUMMARY, &bytes)?);
    }
    let summary = finish(packer, index, ResourceType::BTREE_ROOT, ResourceType::BTREE_NODE)?;
    Ok(Trees {
        roots: Roots { root, xattrs, errors },
        indexes: vec![
            Index::new(Index::CONTENT_TYPE, content_type),
            Index::new(Index::DIRPACK, dirpack),
            Index::new(Index::SUMMARY, summary),
        ],
        // Directories are in descending order, so `/` is the last one.
        summary: summaries.into_iter().next_back().unwrap_or_default(),
    })
}

/// Every entry in descending byte order of its path.
fn items(parts: &TreeParts) -> Result<Vec<Item>, Error> {
    let count = parts.directories.iter().map(|directory| directory.children.len()).sum::<usize>() + 1;
    let mut items = Vec::with_capacity(count);
    for directory in &parts.directories {
        items.extend(directory.children.iter().map(|child| Item {
            path: path::join(&directory.path, &child.name),
            mac: child.mac,
            content_type: child.content_type,
        }));
    }
    let root = parts.root.ok_or_else(|| Error::Internal("the source described no root".to_owned()))?;
    items.push(Item { path: b"/".to_vec(), mac: root, content_type: None });
    items.sort_unstable_by(|a, b| b.path.cmp(&a.path));
    Ok(items)
}

/// Summaries in the order of the directories (descending, so children come before their parents).
fn summaries(parts: &TreeParts) -> Vec<Summary> {
    let mut direct_errors: HashMap<&[u8], u64> = HashMap::new();
    for (path, _) in &parts.errors {
        if path != b"/" {
            *direct_errors.entry(path::parent(path)).or_default() += 1;
        }
    }
    let mut done: Vec<Summary> = Vec::with_capacity(parts.directories.len());
    let mut position: HashMap<Vec<u8>, usize> = HashMap::with_capacity(parts.directories.len());
    for directory in &parts.directories {
        let mut summary = directory.summary.clone();
        for child in directory.children.iter().filter(|child| child.is_directory) {
            // A summary is asked for once, so it need not stay findable.
            match position.remove(&path::join(&directory.path, &child.name)) {
                Some(at) => summary.add_directory(&done[at]),
                None => summary.add_directory(&Summary::default()),
            }
        }
        summary.finish(direct_errors.get(directory.path.as_slice()).copied().unwrap_or(0));
        position.insert(directory.path.clone(), done.len());
        done.push(summary);
    }
    done
}

fn content_type_index(packer: &mut Packer, parts: &TreeParts, items: &[Item]) -> Result<Mac, Error> {
    let keys: Vec<(Vec<u8>, Mac)> = items
        .iter()
        .filter_map(|item| {
            let content_type = parts.content_types.get(usize::from(item.content_type?))?;
            let mut key = Vec::with_capacity(1 + content_type.len() + item.path.len());
            key.push(b'/');
            key.extend_from_slice(content_type.as_bytes());
            key.extend_from_slice(&item.path);
            Some((key, item.mac))
        })
        .collect();
    let mut builder = TreeBuilder::with_capacity(KeyOrder::Bytes, keys.len());
    for (key, mac) in &keys {
        builder.insert(key, *mac);
    }
    finish(packer, builder, ResourceType::BTREE_ROOT, ResourceType::BTREE_NODE)
}

fn error_tree(packer: &mut Packer, parts: &TreeParts) -> Result<Mac, Error> {
    let mut builder = TreeBuilder::new(KeyOrder::Bytes);
    let mut bytes = Vec::new();
    for (path, reason) in &parts.errors {
        bytes.clear();
        ErrorEntry::new(path.clone(), reason.clone()).encode(&mut bytes);
        builder.insert(path, packer.store(ResourceType::ERROR_ENTRY, &bytes)?);
    }
    finish(packer, builder, ResourceType::ERROR_BTREE, ResourceType::ERROR_NODE)
}

fn xattr_tree(packer: &mut Packer, parts: &mut TreeParts) -> Result<Mac, Error> {
    parts.xattrs.sort_unstable();
    let mut builder = TreeBuilder::new(KeyOrder::Bytes);
    for (key, mac) in &parts.xattrs {
        builder.insert(key, *mac);
    }
    finish(packer, builder, ResourceType::XATTR_BTREE, ResourceType::XATTR_NODE)
}

fn finish(
    packer: &mut Packer,
    builder: TreeBuilder<'_>,
    root: ResourceType,
    node: ResourceType,
) -> Result<Mac, Error> {
    builder.finish(&mut |kind, bytes| {
        let resource = match kind {
            ResourceKind::Node => node,
            ResourceKind::Root => root,
        };
        packer.store(resource, bytes)
    })
}
