//! From locations to absolute local paths.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use kloset_connector::{ConnectorContext, ConnectorError, ErrorKind, Location};
use kloset_format::path::clean;

/// The absolute, clean path that a location names; relative ones start at the working directory.
pub(crate) fn local_path(location: &Location, context: &ConnectorContext) -> Result<PathBuf, ConnectorError> {
    if location.rest.is_empty() {
        return Err(ConnectorError::new(
            ErrorKind::Invalid,
            "open",
            location.to_string(),
            "the location names no path",
        ));
    }
    Ok(absolute(Path::new(&location.rest), &context.working_directory))
}

/// `path` below `base` unless absolute, without `.`, `..` and doubled slashes.
///
/// `..` is resolved by text, as the reference implementation does.
pub(crate) fn absolute(path: &Path, base: &Path) -> PathBuf {
    let joined = base.join(path);
    PathBuf::from(std::ffi::OsString::from_vec(clean(joined.as_os_str().as_bytes())))
}

/// Bytes of a path inside a snapshot as a local path.
pub(crate) fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// A local path as bytes.
pub(crate) fn as_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_start_at_the_working_directory() {
        let context = ConnectorContext::silent("/home/u".into());
        let path = |text: &str| local_path(&Location::parse(text), &context);
        assert_eq!(path("a/b").expect("named"), Path::new("/home/u/a/b"));
        assert_eq!(path("fs:../x/").expect("named"), Path::new("/home/x"));
        assert_eq!(path("fs:///abs//y/.").expect("named"), Path::new("/abs/y"));
        assert_eq!(path("fs:").expect_err("nothing named").kind, ErrorKind::Invalid);
    }
}
