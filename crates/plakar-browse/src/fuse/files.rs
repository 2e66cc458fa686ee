//! A view as a file system, without FUSE in its methods.
//!
//! Inodes are hashes of snapshot and path, so that nothing must be kept for what was only listed;
//! those that the kernel holds are in a table until it forgets them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{Errno, FileAttr, FileType, INodeNo};
use kloset::vfs::{NamedValue, OpenFile};
use kloset::{Error, Snapshot};
use kloset_format::entry::Entry;
use kloset_format::mode::FileKind;
use kloset_format::path::join;
use kloset_format::{FileInfo, FileMode, Timestamp};

use super::attributes::Attributes;
use crate::view::{Place, View};

/// Listings kept: whoever lists a folder asks for its entries next.
const LISTINGS_MAX: usize = 16;
const ROOT: u64 = 1;

/// Told what cannot be read.
pub(super) type Report = Box<dyn Fn(&str) + Send + Sync>;

/// What the kernel holds of one path.
struct Inode {
    place: Place,
    entry: Option<Arc<Entry>>,
    lookups: u64,
}

/// The children of a folder, sorted by name.
type Listing = Arc<Vec<Arc<Entry>>>;

/// The file system.
pub(super) struct Files {
    view: View,
    report: Report,
    inodes: Mutex<HashMap<u64, Inode>>,
    listings: Mutex<Vec<(u64, Listing)>>,
    open: Mutex<HashMap<u64, Arc<OpenFile>>>,
    next_handle: AtomicU64,
    attributes: Attributes,
}

impl Files {
    pub(super) fn new(view: View, report: Report) -> Self {
        let top = view.top();
        let entry = top.entry().ok().flatten().map(Arc::new);
        let root = Inode { place: top, entry, lookups: 1 };
        Self {
            view,
            report,
            inodes: Mutex::new(HashMap::from([(ROOT, root)])),
            listings: Mutex::default(),
            open: Mutex::default(),
            next_handle: AtomicU64::new(1),
            attributes: Attributes::default(),
        }
    }

    pub(super) fn known(&self, inode: u64) -> Result<(Place, Option<Arc<Entry>>), Errno> {
        let inodes = guard(&self.inodes);
        let found = inodes.get(&inode).ok_or(Errno::ENOENT)?;
        Ok((found.place.clone(), found.entry.clone()))
    }

    fn failed(&self, error: &Error) -> Errno {
        match error {
            Error::PathUnknown { .. } => Errno::ENOENT,
            Error::Interrupted => Errno::EINTR,
            error => {
                (self.report)(&error.to_string());
                Errno::EIO
            }
        }
    }

    /// The children of a folder of a snapshot.
    fn listing(&self, inode: u64, snapshot: &Snapshot, path: &[u8]) -> Result<Listing, Errno> {
        if let Some((_, listing)) = guard(&self.listings).iter().find(|(known, _)| *known == inode) {
            return Ok(Arc::clone(listing));
        }
        let children = snapshot.children(path).map_err(|error| self.failed(&error))?;
        let listing: Listing = Arc::new(children.into_iter().map(Arc::new).collect());
        let mut listings = guard(&self.listings);
        if listings.len() >= LISTINGS_MAX {
            listings.remove(0);
        }
        listings.push((inode, Arc::clone(&listing)));
        Ok(listing)
    }

    /// Looks a name up and remembers it until it is forgotten.
    pub(super) fn enter(&self, parent: u64, name: &[u8]) -> Result<FileAttr, Errno> {
        let (place, _) = self.known(parent)?;
        let below = self.view.below(&place, name).ok_or(Errno::ENOENT)?;
        let entry = match &place {
            Place::Top => below.entry().map_err(|error| self.failed(&error))?.map(Arc::new),
            Place::Inside(snapshot, path) => {
                let listing = self.listing(parent, snapshot, path)?;
                let at = listing.binary_search_by(|entry| entry.info.name.as_slice().cmp(name));
                Some(Arc::clone(at.ok().and_then(|at| listing.get(at)).ok_or(Errno::ENOENT)?))
            }
        };
        let number = inode_of(&below);
        let mut inodes = guard(&self.inodes);
        let inode = inodes.entry(number).or_insert(Inode { place: below.clone(), entry, lookups: 0 });
        if !same(&inode.place, &below) {
            return Err(Errno::EIO);
        }
        inode.lookups += 1;
        Ok(attributes(number, inode.entry.as_deref()))
    }

    pub(super) fn forget_some(&self, number: u64, lookups: u64) {
        let mut inodes = guard(&self.inodes);
        if let Some(inode) = inodes.get_mut(&number).filter(|_| number != ROOT) {
            inode.lookups = inode.lookups.saturating_sub(lookups);
            if inode.lookups == 0 {
                inodes.remove(&number);
            }
        }
    }

    /// Names of a folder with inode and kind.
    pub(super) fn names(&self, number: u64) -> Result<Vec<(u64, FileType, Vec<u8>)>, Errno> {
        let (place, _) = self.known(number)?;
        let mut names =
            vec![(number, FileType::Directory, b".".to_vec()), (ROOT, FileType::Directory, b"..".to_vec())];
        match &place {
            Place::Top => {
                for (name, snapshot) in self.view.snapshots() {
                    let below = Place::Inside(Arc::clone(snapshot), b"/".to_vec());
                    names.push((inode_of(&below), FileType::Directory, name.clone().into_bytes()));
                }
            }
            Place::Inside(snapshot, path) => {
                for entry in self.listing(number, snapshot, path)?.iter() {
                    let below = Place::Inside(Arc::clone(snapshot), join(path, &entry.info.name));
                    names.push((inode_of(&below), file_type(entry.info.mode), entry.info.name.clone()));
                }
            }
        }
        Ok(names)
    }

    pub(super) fn open_file(&self, number: u64) -> Result<u64, Errno> {
        let (place, entry) = self.known(number)?;
        let (Place::Inside(snapshot, _), Some(entry)) = (place, entry) else { return Err(Errno::EISDIR) };
        let file = OpenFile::new(snapshot, &entry).map_err(|error| self.failed(&error))?;
        let handle = self.next_handle.fetch_add(1, Ordering::Relaxed);
        guard(&self.open).insert(handle, Arc::new(file));
        Ok(handle)
    }

    /// Extended attributes, sorted by name.
    fn extended(&self, number: u64) -> Result<Vec<NamedValue>, Errno> {
        match self.known(number)? {
            (Place::Inside(snapshot, path), Some(entry)) => {
                self.attributes.of(&snapshot, &path, &entry).map_err(|error| self.failed(&error))
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The value of one extended attribute.
    pub(super) fn value(&self, number: u64, name: &[u8]) -> Result<Vec<u8>, Errno> {
        let found = self.extended(number)?.into_iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value).ok_or(Errno::NO_XATTR)
    }

    /// Names of extended attributes, each with a NUL behind it.
    pub(super) fn value_names(&self, number: u64) -> Result<Vec<u8>, Errno> {
        Ok(self.extended(number)?.into_iter().flat_map(|(name, _)| [name, vec![0]].concat()).collect())
    }

    pub(super) fn close_file(&self, handle: u64) {
        guard(&self.open).remove(&handle);
    }

    pub(super) fn read_some(&self, handle: u64, offset: u64, length: u32) -> Result<Vec<u8>, Errno> {
        let file = guard(&self.open).get(&handle).cloned().ok_or(Errno::EBADF)?;
        file.read_at(offset, length as usize).map_err(|error| self.failed(&error))
    }
}

fn guard<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn inode_of(place: &Place) -> u64 {
    let Place::Inside(snapshot, path) = place else { return ROOT };
    let mut hasher = DefaultHasher::new();
    (snapshot.id().0, path).hash(&mut hasher);
    hasher.finish().max(ROOT + 1)
}

fn same(one: &Place, other: &Place) -> bool {
    match (one, other) {
        (Place::Inside(a, path), Place::Inside(b, other)) => a.id() == b.id() && path == other,
        (Place::Top, Place::Top) => true,
        _ => false,
    }
}

fn file_type(mode: FileMode) -> FileType {
    match mode.kind() {
        FileKind::Directory => FileType::Directory,
        FileKind::Symlink => FileType::Symlink,
        FileKind::BlockDevice => FileType::BlockDevice,
        FileKind::CharacterDevice => FileType::CharDevice,
        FileKind::Pipe => FileType::NamedPipe,
        FileKind::Socket => FileType::Socket,
        FileKind::Regular | FileKind::Irregular => FileType::RegularFile,
    }
}

fn system_time(time: Timestamp) -> SystemTime {
    let whole = Duration::from_secs(time.seconds.unsigned_abs());
    let at = if time.seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    at.and_then(|at| at.checked_add(Duration::from_nanos(u64::from(time.nanoseconds)))).unwrap_or(UNIX_EPOCH)
}

pub(super) fn attributes(number: u64, entry: Option<&Entry>) -> FileAttr {
    let top = FileInfo { mode: FileMode(FileMode::DIRECTORY | 0o755), ..FileInfo::made_up_directory(b"/") };
    let info = entry.map_or(&top, |entry| &entry.info);
    let size = match info.mode.kind() {
        FileKind::Symlink => entry.map_or(0, |entry| entry.symlink_target.len() as u64),
        _ => u64::try_from(info.size).unwrap_or(0),
    };
    let time = system_time(info.mod_time);
    FileAttr {
        ino: INodeNo(number),
        size,
        blocks: size.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: file_type(info.mode),
        perm: info.mode.unix_permissions() as u16,
        nlink: u32::from(info.nlink.max(1)),
        uid: u32::try_from(info.uid).unwrap_or(u32::MAX),
        gid: u32::try_from(info.gid).unwrap_or(u32::MAX),
        rdev: 0,
        blksize: 128 << 10,
        flags: 0,
    }
}
