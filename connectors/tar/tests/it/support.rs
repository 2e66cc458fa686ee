//! Archives made by hand, and sources for them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use connector_tar::TarSource;
use kloset_connector::{ConnectorContext, ConnectorError, Location, Options, Record, ScanOptions, Source};
use tar::{EntryType, Header};
use testkit::suites::drive::{Contents, Scanned, read, scan};

pub fn source(path: &Path) -> TarSource {
    with_options(path, &[])
}

pub fn with_options(path: &Path, options: &[(&str, &str)]) -> TarSource {
    let options: Options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let location = Location::parse(&format!("tar:{}", path.display()));
    TarSource::new(&location, &options, &ConnectorContext::silent("/".into())).expect("a named archive")
}

pub fn scanned(source: &dyn Source) -> Result<Scanned, ConnectorError> {
    scan(source, &ScanOptions { excluded: Arc::new(|_, _| false), xattr_values: true }, usize::MAX)
}

/// Everything that a source tells, and the contents of its regular files.
pub fn everything(source: &dyn Source) -> (BTreeMap<String, Record>, Contents, Vec<String>) {
    let scanned = scanned(source).expect("scan");
    let records = scanned.records();
    let files = records.iter().filter(|(_, record)| record.info.mode.is_regular());
    let wanted: Vec<_> = files.map(|(path, record)| (path.clone(), record.info.size as u64)).collect();
    let contents = read(source, &wanted).expect("read");
    let failed = scanned.failed.iter().map(|(path, ..)| text(path)).collect();
    (records.into_iter().map(|(path, record)| (text(&path), record)).collect(), contents, failed)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An archive being made, block by block.
#[derive(Default)]
pub struct Archive(pub Vec<u8>);

impl Archive {
    pub fn header(&mut self, name: &[u8], kind: u8, size: u64, link: &[u8]) -> &mut Self {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link);
        header.set_entry_type(EntryType::new(kind));
        header.set_mode(0o640);
        header.set_uid(7);
        header.set_gid(8);
        header.set_mtime(1_000_000_000);
        header.set_size(size);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self
    }

    pub fn data(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(&mut self, name: &str, content: &[u8]) -> &mut Self {
        self.header(name.as_bytes(), b'0', content.len() as u64, b"").data(content)
    }

    pub fn pax(&mut self, records: &[(&str, &[u8])]) -> &mut Self {
        let mut bytes = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length =
                (rest..).find(|length| rest + length.to_string().len() == *length).expect("a length");
            bytes.extend_from_slice(format!("{length} {key}=").as_bytes());
            bytes.extend_from_slice(value);
            bytes.push(b'\n');
        }
        self.header(b"pax", b'x', bytes.len() as u64, b"").data(&bytes)
    }

    pub fn end(&mut self) -> &mut Self {
        self.0.extend_from_slice(&[0; 1024]);
        self
    }

    pub fn write(&self, folder: &Path) -> std::path::PathBuf {
        let path = folder.join("archive.tar");
        std::fs::write(&path, &self.0).expect("write");
        path
    }
}
