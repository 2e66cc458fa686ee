//! The local connector as a package, for the tests: `serve_fs storage|source|destination`.

use std::process::ExitCode;

use connector_fs::{FsDestination, FsSource, FsStorage};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("storage") => plugin_sdk::serve_storage(FsStorage::new),
        Some("source") => plugin_sdk::serve_source(FsSource::new),
        Some("destination") => plugin_sdk::serve_destination(FsDestination::new),
        _ => ExitCode::FAILURE,
    }
}
