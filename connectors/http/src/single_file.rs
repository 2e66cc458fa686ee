//! A single-file store that any web server offers, read in parts.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use kloset_connector::{
    ConnectorContext, ConnectorError, ErrorKind, Location, Options, ReadOnlyFile, SingleFileStore,
    StorageInfo,
};
use kloset_format::ptar::HEADER_SIZE;
use ureq::http::header;

use crate::client::GAP_BYTES;
use crate::connection::{Call, Connection, at_once};

/// A store in one file of a web server.
pub type HttpPtarStorage = SingleFileStore<HttpFile>;

/// The file.
pub struct HttpFile {
    connection: Connection,
    length: OnceLock<u64>,
}

/// Names the file of `ptar+http://` or `ptar+https://`; nothing is sent yet. Options as for stores
/// behind `http://`.
pub fn ptar(
    location: &Location,
    options: &Options,
    context: &ConnectorContext,
) -> Result<HttpPtarStorage, ConnectorError> {
    let scheme = location.scheme.strip_prefix("ptar+").unwrap_or(&location.scheme).to_owned();
    let url = Location { scheme, rest: location.rest.clone() };
    let connection = Connection::new(&url, options, context)?;
    Ok(SingleFileStore::new(HttpFile { connection, length: OnceLock::new() }))
}

impl HttpFile {
    /// The bytes of a range, and the length of the whole file.
    fn fetch(&self, range: Range<u64>) -> Result<(Bytes, u64), ConnectorError> {
        let wrong = |message: &str| {
            ConnectorError::new(ErrorKind::Corrupt, "read", self.connection.place.url.as_str(), message)
        };
        let wanted = range.end.checked_sub(range.start).filter(|&wanted| wanted > 0);
        let Some(wanted) = wanted.and_then(|wanted| usize::try_from(wanted).ok()) else {
            return Err(wrong("a range that no file has"));
        };
        let asked = format!("bytes={}-{}", range.start, range.end - 1);
        let answer = self.connection.send(&Call::get("read", String::new(), wanted).with_part(asked))?;
        let given =
            answer.headers.get(header::CONTENT_RANGE).and_then(|value| content_range(value.to_str().ok()?));
        let Some((given, length)) = given else {
            return Err(wrong("the server does not say which part of the file it gives"));
        };
        if given != range || answer.body.len() != wanted {
            return Err(wrong("the server gives another part of the file than the one asked for"));
        }
        if self.length.get().is_some_and(|&known| known != length) {
            return Err(wrong("the file has changed while it was read"));
        }
        Ok((answer.body.into(), length))
    }
}

/// `bytes 0-11/4000` as a range and the length of the whole.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, length) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let length: u64 = length.trim().parse().ok()?;
    (first <= last && last < length).then(|| (first..last + 1, length))
}

impl ReadOnlyFile for HttpFile {
    fn info(&self) -> StorageInfo {
        let place = &self.connection.place;
        StorageInfo {
            kind: "ptar".to_owned(),
            location: format!("ptar+{}", place.url),
            origin: place.host.clone(),
            root: place.url.clone(),
            writable: false,
            puts_at_once: 1,
            gets_at_once: 2,
            gap_bytes: GAP_BYTES,
        }
    }

    fn length(&self) -> Result<u64, ConnectorError> {
        if let Some(&length) = self.length.get() {
            return Ok(length);
        }
        let (_, length) = self.fetch(0..HEADER_SIZE as u64)?;
        Ok(*self.length.get_or_init(|| length))
    }

    fn read(&self, range: Range<u64>) -> Result<Bytes, ConnectorError> {
        self.fetch(range).map(|(bytes, _)| bytes)
    }

    fn read_many(
        &self,
        ranges: &[Range<u64>],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        at_once(ranges.len(), &|index| {
            if let Some(range) = ranges.get(index) {
                deliver(index, self.read(range.clone()));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_gives_is_read_strictly() {
        assert_eq!(content_range("bytes 0-11/4000"), Some((0..12, 4000)));
        assert_eq!(content_range("bytes 3988-3999/4000"), Some((3988..4000, 4000)));
        for bad in [
            "",
            "bytes */4000",
            "bytes 0-11/*",
            "bytes 11-0/20",
            "bytes 0-20/20",
            "items 0-1/2",
            "bytes -1/2",
        ] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
        assert_eq!(content_range(&format!("bytes 0-{}/{}", u64::MAX, u64::MAX)), None);
    }
}
