//! Hard links, and separate copies where the file system has none.

use std::ffi::CString;
use std::fs::File;
use std::sync::Arc;

use kloset_connector::{Applied, ConnectorError, ErrorKind, HardLink, Limitation, Outcome, Target};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::attributes::file_info;
use crate::content::finish_file;
use crate::destination::new_file;
use crate::failure::{failed, failed_io, refused};
use crate::local_path::as_path;
use crate::place::{Folder, Folders, Temporary, in_the_way};
use crate::xattrs::XattrReader;

/// Makes one link; `originals` remembers folders of the existing names.
pub(crate) fn make_hard_link(
    folders: &mut Folders<'_>,
    originals: &mut Folders<'_>,
    link: &HardLink,
) -> Outcome {
    let (folder, name) = folders.holding(&link.path)?;
    let (from, original) = originals.holding(&link.original)?;
    let source = (from.handle(), as_path(original));
    let fail = |error| failed("link", folder.shown(name), error);
    match rustix::fs::linkat(source.0, source.1, folder.handle(), as_path(name), AtFlags::empty()) {
        Ok(()) => return Ok(Applied::default()),
        Err(Errno::EXIST) => {}
        Err(error) if has_no_links(error) => return copy(&folder, name, &from, original),
        Err(error) => return Err(fail(error)),
    }
    let wanted = stat_of(&from, original)?;
    let found = stat_of(&folder, name)?;
    if (wanted.st_dev, wanted.st_ino) == (found.st_dev, found.st_ino) {
        return Ok(Applied { kept: true, ..Applied::default() });
    }
    let kind = FileType::from_raw_mode(found.st_mode);
    if kind != FileType::from_raw_mode(wanted.st_mode) || kind == FileType::Directory {
        return Err(in_the_way(&folder, name, kind));
    }
    let made = Temporary::make(&folder, |folder, temporary| {
        rustix::fs::linkat(source.0, source.1, folder, temporary, AtFlags::empty())
    });
    match made {
        Ok(((), temporary)) => temporary.place(name, kind).map(|()| Applied::default()),
        Err(error) if has_no_links(error) => copy(&folder, name, &from, original),
        Err(error) => Err(fail(error)),
    }
}

/// Whether the file system, or its limit of links to one file, rules a link out.
fn has_no_links(error: Errno) -> bool {
    matches!(error, Errno::PERM | Errno::XDEV | Errno::NOTSUP | Errno::NOSYS | Errno::MLINK)
}

fn stat_of(folder: &Folder, name: &[u8]) -> Result<Stat, ConnectorError> {
    let stat = rustix::fs::statat(folder.handle(), as_path(name), AtFlags::SYMLINK_NOFOLLOW);
    stat.map_err(|error| failed("inspect", folder.shown(name), error))
}

/// A separate file with the same content and attributes.
fn copy(folder: &Arc<Folder>, name: &[u8], from: &Folder, original: &[u8]) -> Outcome {
    let stat = stat_of(from, original)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        let message = "hard links are not possible here, and only files can be copied instead";
        return Err(refused(ErrorKind::Unsupported, "link", folder.shown(name), message));
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let source = rustix::fs::openat(from.handle(), as_path(original), flags, Mode::empty());
    let mut source = File::from(source.map_err(|error| failed("open", from.shown(original), error))?);
    let mut xattrs = XattrReader::default();
    xattrs.enter(from.handle(), from.path());
    let text = CString::new(original).map_err(|_| failed("open", from.shown(original), Errno::INVAL))?;
    let target = Target {
        path: name.to_vec(),
        info: file_info(name, &stat),
        xattrs: xattrs.read(&text, stat.st_dev, true).0,
        link: None,
    };
    let (file, temporary) = new_file(folder, name)?;
    let mut file = File::from(file);
    let copied = std::io::copy(&mut source, &mut file);
    copied.map_err(|error| failed_io("copy", folder.shown(name), error))?;
    let mut applied = finish_file(file.into(), temporary, &target, name)?;
    applied.limitations.push(Limitation::HardLink);
    Ok(applied)
}
