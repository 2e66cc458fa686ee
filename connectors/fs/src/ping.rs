//! Steps that tell whether a local folder will do.

use std::path::Path;

use kloset_connector::{ConnectorError, ErrorKind};

use crate::failure::{failed_io, refused};
use crate::layout::temporary_name;

/// Where the walk's steps are told.
pub(crate) type Steps<'a> = &'a mut dyn FnMut(&str, Result<(), ConnectorError>);

/// Tries a folder to write to, or, before it is created, the nearest folder above it.
pub(crate) fn writable_folder(root: &Path, report: Steps<'_>) {
    let folder = match root.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => nearest_folder(root),
        _ => root,
    };
    if is_folder(folder, report) {
        can_write(folder, report);
    }
}

/// Tries a path that is backed up.
pub(crate) fn source_path(root: &Path, report: Steps<'_>) {
    let found = root.metadata().map_err(|error| failed_io("inspect", root, error));
    let is_dir = found.as_ref().is_ok_and(std::fs::Metadata::is_dir);
    let readable = found.is_ok();
    report("path", found.map(drop));
    if !readable {
        return;
    }
    let read = if is_dir { std::fs::read_dir(root).map(drop) } else { std::fs::File::open(root).map(drop) };
    report("read", read.map_err(|error| failed_io("open", root, error)));
}

fn nearest_folder(path: &Path) -> &Path {
    path.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("/"))
}

fn is_folder(path: &Path, report: Steps<'_>) -> bool {
    let result = match path.metadata() {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(refused(ErrorKind::Invalid, "open", path, "not a directory")),
        Err(error) => Err(failed_io("open", path, error)),
    };
    let good = result.is_ok();
    report("path", result);
    good
}

fn can_write(folder: &Path, report: Steps<'_>) {
    let first = folder.join(temporary_name());
    let second = folder.join(temporary_name());
    let written = std::fs::write(&first, b"test").map_err(|error| failed_io("write", &first, error));
    let good = written.is_ok();
    report("write", written);
    if good {
        let renamed = std::fs::rename(&first, &second).map_err(|error| failed_io("rename", &first, error));
        report("rename", renamed);
    }
    // One of the two exists, whatever happened.
    let _ = std::fs::remove_file(&first);
    let _ = std::fs::remove_file(&second);
}
