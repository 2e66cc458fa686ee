//! The SFTP destination as a program of a package.

use std::process::ExitCode;

use connector_sftp::SftpDestination;

fn main() -> ExitCode {
    plugin_sdk::serve_destination(SftpDestination::new)
}
