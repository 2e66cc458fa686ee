//! The SFTP storage as a program of a package.

use std::process::ExitCode;

use connector_sftp::SftpStorage;

fn main() -> ExitCode {
    plugin_sdk::serve_storage(SftpStorage::new)
}
