//! Puts a report in place: written beside, then renamed, so that no reader sees half of it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use kloset_connector::error::io_message;

/// A file to be replaced is read up to here: no report of ours in this form is longer.
const PREVIOUS_BYTES_MAX: u64 = 1 << 20;

/// The text of the file that is there now, if any.
pub fn previous(path: &Path) -> Option<String> {
    let small = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= PREVIOUS_BYTES_MAX);
    if small { fs::read_to_string(path).ok() } else { None }
}

/// Writes `bytes` under a temporary name beside `path` and renames it.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |error: io::Error| io_message(&error);
    // Links are written through; a pipe or terminal is written to and stays what it is.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let opened = OpenOptions::new().write(true).open(path);
        return opened.and_then(|mut file| file.write_all(bytes)).map_err(failed);
    }
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let Some(name) = path.file_name() else { return Err("it has no file name".to_owned()) };
    // Collectors read `*.prom`: the temporary name ends otherwise.
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{:08x}.tmp", rand::random::<u32>()));
    let temporary = path.with_file_name(temporary);
    let written = write(&temporary, bytes).and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(failed)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
