//! The SFTP source as a program of a package.

use std::process::ExitCode;
use std::sync::Arc;

use connector_sftp::SftpSource;
use kloset::exclude::Exclude;

fn main() -> ExitCode {
    plugin_sdk::serve_source_with_excludes(SftpSource::new, |lines, root| {
        let exclude = Exclude::new(lines, &[root.to_vec()]).map_err(|error| error.to_string())?;
        Ok(Arc::new(move |path, directory| exclude.excluded(path, directory)))
    })
}
