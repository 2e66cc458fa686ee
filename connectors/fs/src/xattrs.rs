//! Reading extended attributes of paths without following links.
//!
//! There is no call that takes an open folder and a name, so the folder is named through
//! `/proc/self/fd`, which costs no walk of the whole path and cannot be led astray.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;
use std::sync::LazyLock;

use kloset_connector::Xattr;
use rustix::io::Errno;

use crate::local_path::as_bytes;

/// Enough for nearly every list and value. The kernel allocates what it is offered, so offering
/// the maximum each time costs more than a second call now and then.
const USUAL_BYTES: usize = 1024;

/// No list or value is longer.
const LONGEST_BYTES: usize = 64 << 10;

/// Reads attributes of the entries of one folder after another.
#[derive(Default)]
pub(crate) struct XattrReader {
    path: Vec<u8>,
    folder_length: usize,
    list: Vec<u8>,
    value: Vec<u8>,
    /// A file system that has no attributes at all.
    lacking: Option<u64>,
}

/// What was read, and what went wrong with the rest.
pub(crate) type Found = (Vec<Xattr>, Option<String>);

impl XattrReader {
    /// Entries read next are those of this open folder, which is also known by a path.
    pub(crate) fn enter(&mut self, folder: BorrowedFd<'_>, path: &Path) {
        self.path.clear();
        static HAS_PROC: LazyLock<bool> = LazyLock::new(|| Path::new("/proc/self/fd").exists());
        if *HAS_PROC {
            self.path.extend_from_slice(format!("/proc/self/fd/{}/", folder.as_raw_fd()).as_bytes());
        } else {
            self.path.extend_from_slice(as_bytes(path));
            self.path.push(b'/');
        }
        self.folder_length = self.path.len();
    }

    /// Attributes of an entry of the folder, sorted by name; values empty unless wanted.
    pub(crate) fn read(&mut self, name: &CStr, device: u64, values: bool) -> Found {
        if self.lacking == Some(device) {
            return (Vec::new(), None);
        }
        self.path.truncate(self.folder_length);
        self.path.extend_from_slice(name.to_bytes_with_nul());
        let path = std::mem::take(&mut self.path);
        let found = match CStr::from_bytes_with_nul(&path) {
            Ok(path) => self.read_path(path, device, values),
            Err(_) => (Vec::new(), Some("the path has a zero byte".to_owned())),
        };
        self.path = path;
        found
    }

    /// Attributes of a path.
    pub(crate) fn read_path(&mut self, path: &CStr, device: u64, values: bool) -> Found {
        let listed = grown(&mut self.list, |buffer| rustix::fs::llistxattr(path, buffer));
        match listed {
            Ok(()) => {}
            Err(Errno::NOTSUP) => {
                self.lacking = Some(device);
                return (Vec::new(), None);
            }
            // Vanished since: whoever reads it next says so.
            Err(Errno::NOENT) => return (Vec::new(), None),
            Err(error) => return (Vec::new(), Some(format!("list extended attributes: {}", words(error)))),
        }
        let mut xattrs = Vec::new();
        let mut problem = None;
        for name in self.list.split_inclusive(|&byte| byte == 0) {
            let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
            let mut value = Vec::new();
            if values {
                match grown(&mut self.value, |buffer| rustix::fs::lgetxattr(path, name, buffer)) {
                    Ok(()) => value.extend_from_slice(&self.value),
                    // Removed since it was listed.
                    Err(Errno::NODATA | Errno::NOENT) => continue,
                    Err(error) => {
                        let text =
                            format!("read extended attribute {}: {}", name.to_string_lossy(), words(error));
                        problem.get_or_insert(text);
                        continue;
                    }
                }
            }
            xattrs.push(Xattr { name: name.to_bytes().to_vec(), value });
        }
        xattrs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        (xattrs, problem)
    }
}

fn words(error: Errno) -> String {
    kloset_connector::error::io_message(&error.into())
}

/// Calls with the usual room, then with all there can be.
fn grown(
    buffer: &mut Vec<u8>,
    call: impl Fn(rustix::buffer::SpareCapacity<'_, u8>) -> rustix::io::Result<usize>,
) -> rustix::io::Result<()> {
    for room in [USUAL_BYTES, LONGEST_BYTES] {
        buffer.clear();
        buffer.shrink_to(room);
        buffer.reserve(room);
        match call(rustix::buffer::spare_capacity(buffer)) {
            Err(Errno::RANGE) => {}
            result => return result.map(drop),
        }
    }
    Err(Errno::RANGE)
}
