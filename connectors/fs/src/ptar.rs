//! A whole store in one read-only file.
//!
//! ```text
//! 0   8   "_PLATAR_"
//! 8   4   version u32
//! 12      CONFIG, packfile, state: three envelopes without gaps
//! -48     6 × i64: offset and length of CONFIG, of the packfile, of the state
//! ```
//!
//! The files inside have no names of their own: listings invent fixed ones, and reads of the
//! packfile or state obey any name, since the state inside names its packfile at random.

use std::fs::File;
use std::path::PathBuf;

use bytes::Bytes;
use kloset_connector::{
    ConnectorContext, ConnectorError, ErrorKind, Listed, Location, Options, PutMode, RangeRequest, Storage,
    StorageInfo, StoreFile,
};
use kloset_format::Version;

use crate::failure::{refused, shown};
use crate::local_path::local_path;
use crate::ranges::{open, read_range};
use crate::storage::GAP_BYTES;

const MAGIC: &[u8; 8] = b"_PLATAR_";
const HEADER_BYTES: u64 = 12;
const TRAILER_BYTES: u64 = 48;
/// The format's own limit for CONFIG in this layout.
const CONFIG_BYTES_MAX: u64 = 32_768;

/// Name under which the packfile is listed: 00 01 … 0f, then zeros.
pub const PACKFILE_NAME: [u8; 32] = {
    let mut name = [0u8; 32];
    let mut i = 0;
    while i < 16 {
        name[i] = i as u8;
        i += 1;
    }
    name
};

/// Name under which the state is listed: 0f 0e … 00, then zeros.
pub const STATE_NAME: [u8; 32] = {
    let mut name = [0u8; 32];
    let mut i = 0;
    while i < 16 {
        name[i] = 15 - i as u8;
        i += 1;
    }
    name
};

/// One of the three files inside.
#[derive(Clone, Copy, Debug)]
struct Region {
    offset: u64,
    length: u64,
}

/// A store in one read-only file.
#[derive(Debug)]
pub struct PtarStorage {
    path: PathBuf,
    hostname: String,
    parallelism: usize,
    file: File,
    size: u64,
    config: Region,
    packfile: Region,
    state: Region,
}

impl PtarStorage {
    /// Opens the file and reads its trailer. There are no options.
    pub fn new(
        location: &Location,
        _options: &Options,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        let path = local_path(location, context)?;
        let (file, size) = open(&path)?;
        let damaged = |message: &str| refused(ErrorKind::Corrupt, "open", &path, message);
        if size < HEADER_BYTES + TRAILER_BYTES {
            return Err(damaged("too short for a single-file store"));
        }
        let header = read_range(&file, &path, size, 0, HEADER_BYTES)?;
        check_header(&header).map_err(|message| damaged(&message))?;
        let trailer = read_range(&file, &path, size, size - TRAILER_BYTES, TRAILER_BYTES)?;
        let [config, packfile, state] = parse_trailer(&trailer, size)
            .ok_or_else(|| damaged("the trailer names places outside of the file"))?;
        if !(1..=CONFIG_BYTES_MAX).contains(&config.length) {
            return Err(damaged("the configuration has an impossible length"));
        }
        let hostname = context.hostname.clone();
        let parallelism = context.parallelism.max(1);
        Ok(Self { path, hostname, parallelism, file, size, config, packfile, state })
    }

    fn region(&self, file: StoreFile, operation: &'static str) -> Result<Region, ConnectorError> {
        match file {
            StoreFile::Packfile => Ok(self.packfile),
            StoreFile::State => Ok(self.state),
            StoreFile::Lock => {
                Err(refused(ErrorKind::NotFound, operation, &self.path, "a single-file store has no locks"))
            }
        }
    }

    fn read(&self, region: Region) -> Result<Bytes, ConnectorError> {
        read_range(&self.file, &self.path, self.size, region.offset, region.length)
    }

    fn read_part(&self, request: &RangeRequest) -> Result<Bytes, ConnectorError> {
        let region = self.region(request.file, "read")?;
        if request.offset.checked_add(request.length).is_none_or(|end| end > region.length) {
            let message = format!(
                "{} bytes at {} lie outside of the {} bytes stored",
                request.length, request.offset, region.length
            );
            return Err(refused(ErrorKind::Corrupt, "read", &self.path, message));
        }
        read_range(&self.file, &self.path, self.size, region.offset + request.offset, request.length)
    }

    fn not_writable(&self, operation: &'static str) -> ConnectorError {
        refused(ErrorKind::Unsupported, operation, &self.path, "storage is not writable")
    }
}

fn check_header(header: &[u8]) -> Result<(), String> {
    let (magic, version) = header.split_at_checked(8).ok_or("too short for a single-file store")?;
    if magic != MAGIC {
        return Err("not a single-file store".to_owned());
    }
    let version = version.try_into().map(u32::from_le_bytes).map_err(|_| "no version")?;
    if version > Version::V1_0_0.0 {
        return Err(format!("version {} is newer than this program knows", Version(version)));
    }
    Ok(())
}

/// The three regions, each inside of the file.
fn parse_trailer(trailer: &[u8], size: u64) -> Option<[Region; 3]> {
    let mut numbers = [0u64; 6];
    for (number, bytes) in numbers.iter_mut().zip(trailer.chunks_exact(8)) {
        let signed = i64::from_le_bytes(bytes.try_into().ok()?);
        *number = u64::try_from(signed).ok()?;
    }
    let [config_at, config_length, packfile_at, packfile_length, state_at, state_length] = numbers;
    let end_of_data = size.checked_sub(TRAILER_BYTES)?;
    let region = |offset: u64, length: u64| {
        let end = offset.checked_add(length)?;
        (offset >= HEADER_BYTES && end <= end_of_data).then_some(Region { offset, length })
    };
    Some([
        region(config_at, config_length)?,
        region(packfile_at, packfile_length)?,
        region(state_at, state_length)?,
    ])
}

impl Storage for PtarStorage {
    fn info(&self) -> StorageInfo {
        StorageInfo {
            kind: "ptar".to_owned(),
            location: format!("ptar://{}", shown(&self.path)),
            origin: self.hostname.clone(),
            root: shown(&self.path),
            writable: false,
            puts_at_once: 1,
            gets_at_once: self.parallelism,
            gap_bytes: GAP_BYTES,
        }
    }

    fn create(&self, _config: &[u8]) -> Result<(), ConnectorError> {
        Err(self.not_writable("create"))
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        self.read(self.config).map(Vec::from)
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        let one = |name, region: Region| vec![Listed { name, size: Some(region.length), modified: None }];
        Ok(match file {
            StoreFile::Packfile => one(PACKFILE_NAME, self.packfile),
            StoreFile::State => one(STATE_NAME, self.state),
            StoreFile::Lock => Vec::new(),
        })
    }

    fn put(
        &self,
        _file: StoreFile,
        _name: &[u8; 32],
        _body: Bytes,
        _mode: PutMode,
    ) -> Result<(), ConnectorError> {
        Err(self.not_writable("write"))
    }

    fn get(&self, file: StoreFile, _name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        self.read(self.region(file, "read")?).map(Vec::from)
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        // The engine calls from several threads already, and the file is open.
        for (index, request) in requests.iter().enumerate() {
            deliver(index, self.read_part(request));
        }
    }

    fn delete(&self, _file: StoreFile, _name: &[u8; 32]) -> Result<(), ConnectorError> {
        Err(self.not_writable("remove"))
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        report("path", Ok(()));
        report("read", self.read(self.config).map(drop));
    }
}
