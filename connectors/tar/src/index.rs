//! The tree that an archive's members make, as unpacking them one after the other would.
//!
//! Later members replace earlier ones of the same name; folders that no member describes are made
//! up. A member that unpacking would refuse, or that would leave its place, becomes a problem of its
//! path: nothing is ever stored below a link or a file.

use std::collections::HashMap;
use std::sync::Arc;

use kloset_connector::{Record, Xattr};
use kloset_format::path::join;
use kloset_format::{FileInfo, FileMode, Timestamp};

use crate::members::{Kind, Member};
use crate::sparse::Piece;

/// Members of one archive: what a hostile one may cost in memory is bounded by this.
pub(crate) const MEMBERS_MAX: usize = 4_000_000;
/// Number of the root folder's node.
const ROOT: u32 = 0;

/// Where the bytes of a content are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Content {
    /// Start of its stored bytes in the tar.
    pub(crate) start: u64,
    /// Size, holes included.
    pub(crate) size: u64,
    /// Runs that are stored; `None`: all of it.
    pub(crate) pieces: Option<Box<[Piece]>>,
}

/// One path.
struct Node {
    name: Arc<[u8]>,
    parent: u32,
    mode: FileMode,
    modified: Timestamp,
    uid: u64,
    gid: u64,
    /// Number of the pair of names in `owners`.
    owner: u32,
    inode: u32,
    target: Box<[u8]>,
    xattrs: Box<[Xattr]>,
    content: Option<Box<Content>>,
}

/// Paths that could not be made, and why.
pub(crate) type Problem = (Vec<u8>, &'static str);

/// All paths of an archive.
pub(crate) struct Index {
    device: u64,
    nodes: Vec<Node>,
    by_name: HashMap<(u32, Arc<[u8]>), u32>,
    owners: Vec<(Vec<u8>, Vec<u8>)>,
    owner_numbers: HashMap<(Vec<u8>, Vec<u8>), u32>,
    inodes: u32,
    /// In the order of the archive.
    pub(crate) problems: Vec<Problem>,
}

impl Index {
    /// An empty root folder; `device` tells this archive from others.
    pub(crate) fn new(device: u64) -> Self {
        let mut index = Self {
            device,
            nodes: Vec::new(),
            by_name: HashMap::new(),
            owners: vec![Default::default()],
            owner_numbers: HashMap::new(),
            inodes: 1,
            problems: Vec::new(),
        };
        let root = index.made_up(ROOT, b"/".as_slice().into());
        index.nodes.push(root);
        index
    }

    /// Number of paths and problems.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() + self.problems.len()
    }

    /// Adds the next member.
    pub(crate) fn add(&mut self, member: Member) {
        if let Err(problem) = self.place(&member) {
            let path = shown(&member.path);
            self.problems.push((path, problem));
        }
    }

    fn place(&mut self, member: &Member) -> Result<(), &'static str> {
        if let Some(problem) = member.problem {
            return Err(problem);
        }
        let names = components(&member.path)?;
        let Some((name, folders)) = names.split_last() else {
            if member.kind != Kind::Directory {
                return Err("it has no name");
            }
            let root = self.node(member, ROOT, b"/".as_slice().into());
            if let Some(slot) = self.nodes.first_mut() {
                *slot = root;
            }
            return Ok(());
        };
        let original = match member.kind {
            Kind::HardLink => Some(self.link_target(&member.link)?),
            _ => None,
        };
        let parent = self.folder(folders)?;
        let name: Arc<[u8]> = (*name).into();
        let node = match original {
            Some(original) => self.linked(original, parent, Arc::clone(&name)),
            None => self.node(member, parent, Arc::clone(&name)),
        };
        match self.by_name.get(&(parent, Arc::clone(&name))).copied() {
            None => self.append(parent, name, node).map(|_| ()),
            Some(old) => self.replace(old, node),
        }
    }

    fn replace(&mut self, old: u32, node: Node) -> Result<(), &'static str> {
        let slot = self.nodes.get_mut(old as usize).ok_or("it has no place")?;
        match (slot.mode.is_directory(), node.mode.is_directory()) {
            (true, false) => Err("a folder of this name is in its place"),
            (false, true) => Err("a file of this name is in its place"),
            _ => {
                *slot = node;
                Ok(())
            }
        }
    }

    fn append(&mut self, parent: u32, name: Arc<[u8]>, node: Node) -> Result<u32, &'static str> {
        let number = u32::try_from(self.nodes.len()).map_err(|_| "there are too many members")?;
        self.nodes.push(node);
        self.by_name.insert((parent, name), number);
        Ok(number)
    }

    /// The folder with these names, made up as far as it is missing.
    fn folder(&mut self, names: &[&[u8]]) -> Result<u32, &'static str> {
        let mut at = ROOT;
        for name in names {
            let name: Arc<[u8]> = (*name).into();
            at = match self.by_name.get(&(at, Arc::clone(&name))).copied() {
                Some(found) if self.is_folder(found) => found,
                Some(_) => return Err("it lies below something that is no folder"),
                None => {
                    let node = self.made_up(at, Arc::clone(&name));
                    self.append(at, name, node)?
                }
            };
        }
        Ok(at)
    }

    fn is_folder(&self, number: u32) -> bool {
        self.nodes.get(number as usize).is_some_and(|node| node.mode.is_directory())
    }

    fn link_target(&self, link: &[u8]) -> Result<u32, &'static str> {
        let found =
            self.find(&components(link)?).ok_or("a hard link to something that is not in the archive")?;
        if self.is_folder(found) { Err("a hard link to a folder") } else { Ok(found) }
    }

    fn find(&self, names: &[&[u8]]) -> Option<u32> {
        names.iter().try_fold(ROOT, |at, name| self.by_name.get(&(at, (*name).into())).copied())
    }

    /// Where the content of a path of the snapshot is.
    pub(crate) fn content(&self, path: &[u8]) -> Option<&Content> {
        let found = self.find(&components(path).ok()?)?;
        self.nodes.get(found as usize)?.content.as_deref()
    }

    fn made_up(&mut self, parent: u32, name: Arc<[u8]>) -> Node {
        let info = FileInfo::made_up_directory(&[]);
        Node {
            name,
            parent,
            mode: info.mode,
            modified: info.mod_time,
            uid: 0,
            gid: 0,
            owner: 0,
            inode: self.next_inode(),
            target: Box::default(),
            xattrs: Box::default(),
            content: None,
        }
    }

    fn node(&mut self, member: &Member, parent: u32, name: Arc<[u8]>) -> Node {
        let kind = match member.kind {
            Kind::Regular | Kind::HardLink => 0o100_000,
            Kind::Directory => 0o040_000,
            Kind::Symlink => 0o120_000,
            Kind::Character => 0o020_000,
            Kind::Block => 0o060_000,
            Kind::Pipe => 0o010_000,
        };
        let content = (member.kind == Kind::Regular).then(|| {
            let pieces = member.pieces.clone().map(Vec::into_boxed_slice);
            Box::new(Content { start: member.start, size: member.size, pieces })
        });
        let mut xattrs = member.xattrs.clone();
        xattrs.sort_by(|a, b| a.name.cmp(&b.name));
        let target = if member.kind == Kind::Symlink { member.link.as_slice() } else { &[] };
        Node {
            name,
            parent,
            mode: FileMode::from_st_mode(kind | member.permissions),
            modified: Timestamp { seconds: member.modified.0, nanoseconds: member.modified.1 },
            uid: member.uid,
            gid: member.gid,
            owner: self.owner(&member.user, &member.group),
            inode: self.next_inode(),
            target: target.into(),
            xattrs: xattrs.into(),
            content,
        }
    }

    /// Another name of a node.
    fn linked(&self, original: u32, parent: u32, name: Arc<[u8]>) -> Node {
        // The number comes from the index itself.
        let original = self.nodes.get(original as usize).expect("a known node");
        Node {
            name,
            parent,
            target: original.target.clone(),
            xattrs: original.xattrs.clone(),
            content: original.content.clone(),
            ..*original
        }
    }

    fn next_inode(&mut self) -> u32 {
        self.inodes = self.inodes.saturating_add(1);
        self.inodes
    }

    fn owner(&mut self, user: &[u8], group: &[u8]) -> u32 {
        if user.is_empty() && group.is_empty() {
            return 0;
        }
        let pair = (user.to_vec(), group.to_vec());
        *self.owner_numbers.entry(pair.clone()).or_insert_with(|| {
            self.owners.push(pair);
            u32::try_from(self.owners.len() - 1).unwrap_or(0)
        })
    }

    /// The record of the root folder.
    pub(crate) fn root(&self, options: Values) -> Option<Record> {
        self.nodes.first().map(|root| self.record(root, 1, options))
    }

    /// Calls `each` with every folder's path and its children, a folder after the one that holds it.
    /// Children that `keep` refuses are left out with everything below them.
    pub(crate) fn walk(
        &self,
        values: Values,
        keep: &dyn Fn(&[u8], bool) -> bool,
        each: &mut dyn FnMut(&[u8], Vec<Record>) -> bool,
    ) {
        let links = self.links();
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (number, node) in self.nodes.iter().enumerate().skip(1) {
            children.entry(node.parent).or_default().push(number as u32);
        }
        let mut waiting = std::collections::VecDeque::from([(ROOT, b"/".to_vec())]);
        while let Some((folder, path)) = waiting.pop_front() {
            let mut records = Vec::new();
            for number in children.remove(&folder).unwrap_or_default() {
                let Some(node) = self.nodes.get(number as usize) else { continue };
                let below = join(&path, &node.name);
                if !keep(&below, node.mode.is_directory()) {
                    continue;
                }
                let count = links.get(node.inode as usize).copied().unwrap_or(1);
                records.push(self.record(node, count, values));
                if node.mode.is_directory() {
                    waiting.push_back((number, below));
                }
            }
            if !each(&path, records) {
                return;
            }
        }
    }

    /// Names by inode.
    fn links(&self) -> Vec<u16> {
        let mut links = vec![0u16; self.inodes as usize + 1];
        for node in &self.nodes {
            if let Some(count) = links.get_mut(node.inode as usize) {
                *count = count.saturating_add(1);
            }
        }
        links
    }

    fn record(&self, node: &Node, links: u16, values: Values) -> Record {
        let (username, groupname) = self.owners.get(node.owner as usize).cloned().unwrap_or_default();
        let size = match &node.content {
            Some(content) => i64::try_from(content.size).unwrap_or(i64::MAX),
            None => node.target.len() as i64,
        };
        let mut xattrs = node.xattrs.to_vec();
        if values == Values::Leave {
            xattrs.iter_mut().for_each(|attribute| attribute.value.clear());
        }
        let info = FileInfo {
            name: node.name.to_vec(),
            size,
            mode: node.mode,
            mod_time: node.modified,
            dev: self.device,
            ino: u64::from(node.inode),
            uid: node.uid,
            gid: node.gid,
            nlink: links,
            username,
            groupname,
            flags: 0,
        };
        let target = node.mode.is_symlink().then(|| node.target.to_vec());
        Record { info, target, xattrs, problem: None }
    }
}

/// Whether values of extended attributes are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Values {
    /// They are.
    Take,
    /// Only their names are.
    Leave,
}

/// The names of a path below the root.
fn components(path: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let names: Vec<&[u8]> =
        path.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".").collect();
    if names.contains(&b"..".as_slice()) {
        return Err("its name leads out of the archive");
    }
    if path.contains(&0) {
        return Err("its name cannot be stored");
    }
    Ok(names)
}

/// A bad name as a path of the error list.
fn shown(path: &[u8]) -> Vec<u8> {
    let names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    names.fold(b"/".to_vec(), |at, name| join(&at, name))
}
