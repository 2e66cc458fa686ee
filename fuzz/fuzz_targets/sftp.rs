//! What an SFTP server sends: framing, answers, announcements. And locations of such servers.
#![no_main]

use connector_sftp::SftpStorage;
use kloset_connector::{ConnectorContext, Location, Options};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    connector_sftp::decode_stream(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let location = Location::parse(&format!("sftp://{text}"));
        // Nothing is started before the first operation.
        let _ = SftpStorage::new(&location, &Options::new(), &ConnectorContext::silent("/".into()));
    }
});
