//! Writes a whole store into one file: CONFIG, one packfile, one state, trailer.
//!
//! ```text
//! backup, sync ─ ordinary packfiles and states ─► Archive ─ their blobs, one after the other ─► file
//!                                                     └─ at the end: one index, one state, trailer
//! ```
//!
//! While it is written, an [`Archive`] is a store like any other, for one writer: packfiles are added
//! as they fill and can be read again, states stay in memory. So several snapshots go into one file,
//! each deduplicated against those before it, and memory grows with the number of blobs only. A file
//! that was not finished disappears.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use kloset_codec::codec::{Codec, Scratch};
use kloset_codec::hash::{MacKey, MacStream};
use kloset_connector::{
    ArchiveFile, ConnectorError, ErrorKind, Listed, PutMode, RangeRequest, Storage, StorageInfo, StoreFile,
};
use kloset_format::packfile::{self, BlobRecord, Footer};
use kloset_format::ptar::{Trailer, header};
use kloset_format::state::StateWriter;
use kloset_format::{PackfileId, ResourceType, StateId, Version, envelope};

use crate::guard::guard;
use crate::repository::{CreateOptions, LockedStore, OpenOptions, new_archive_config};
use crate::{Error, OpenError, Repository};

/// Name of the last four bytes of a payload: the length of its footer.
const FOOTER_LENGTH_BYTES: usize = 4;

/// A single-file store being written.
pub struct Archive<F> {
    file: F,
    /// Known once the store has been opened.
    machinery: OnceLock<(MacKey, Arc<Codec>)>,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    config: Vec<u8>,
    /// End of the file.
    length: u64,
    /// Where the payload of the one packfile starts.
    payload_start: u64,
    mac: Option<MacStream>,
    /// Blob areas of packfiles, as ranges of the payload.
    packfiles: HashMap<[u8; 32], Range<u64>>,
    records: Vec<BlobRecord>,
    states: HashMap<[u8; 32], Bytes>,
}

impl<F: ArchiveFile + 'static> Archive<F> {
    /// Begins a file and opens the empty store in it.
    pub fn create(
        file: F,
        options: &CreateOptions,
        open: OpenOptions,
    ) -> Result<(Arc<Self>, Repository), OpenError> {
        let config = new_archive_config(options, &open.runtime)?;
        let archive =
            Arc::new(Self { file, machinery: OnceLock::new(), written: Mutex::new(Written::default()) });
        archive.create(&config).map_err(OpenError::Storage)?;
        let store = LockedStore::probe(Arc::clone(&archive) as Arc<dyn Storage>, open)?;
        let passphrase = options.passphrase.as_ref().map(|secret| secret.as_slice());
        let repository = store.unlock(passphrase).map_err(|(_, error)| error)?;
        archive.begin_packfile(&repository).map_err(OpenError::Storage)?;
        Ok((archive, repository))
    }

    /// The file that is written.
    pub fn file(&self) -> &F {
        &self.file
    }

    /// Bytes written so far.
    pub fn written_bytes(&self) -> u64 {
        self.lock().length
    }

    /// Ends packfile, state and file, and puts the file in its place. Nothing may be added any more.
    pub fn finish(&self, repository: &Repository) -> Result<(), Error> {
        let mut written = self.lock();
        let packfile = self.end_packfile(repository, &mut written).map_err(Error::Storage)?;
        let state = self.add_state(repository, &mut written).map_err(Error::Storage)?;
        let config_start = header().len() as u64;
        let config = config_start..config_start + written.config.len() as u64;
        let trailer = Trailer { config, packfile, state }.encode();
        self.append(&mut written, &trailer).map_err(Error::Storage)?;
        self.file.publish().map_err(Error::Storage)
    }

    fn begin_packfile(&self, repository: &Repository) -> Result<(), ConnectorError> {
        let mut written = self.lock();
        let head = envelope::header(ResourceType::PACKFILE, Version::V1_0_0);
        let mut mac = repository.key.stream();
        mac.update(&head);
        self.append(&mut written, &head)?;
        written.payload_start = written.length;
        written.mac = Some(mac);
        let _ = self.machinery.set((repository.key.clone(), Arc::clone(&repository.codec)));
        Ok(())
    }

    fn append(&self, written: &mut Written, bytes: &[u8]) -> Result<Range<u64>, ConnectorError> {
        let start = self.file.append(bytes)?;
        written.length = start + bytes.len() as u64;
        Ok(start..written.length)
    }

    /// Adds bytes to the payload of the packfile.
    fn append_payload(&self, written: &mut Written, bytes: &[u8]) -> Result<(), ConnectorError> {
        self.append(written, bytes)?;
        if let Some(mac) = &mut written.mac {
            mac.update(bytes);
        }
        Ok(())
    }

    /// Takes over the blobs of a sealed packfile.
    fn add_packfile(&self, name: &[u8; 32], body: &[u8]) -> Result<(), ConnectorError> {
        let (blobs, records) = self.open_packfile(body)?;
        let mut written = self.lock();
        if written.packfiles.contains_key(name) {
            return Ok(());
        }
        let shift = written.length - written.payload_start;
        self.append_payload(&mut written, blobs)?;
        written.packfiles.insert(*name, shift..shift + blobs.len() as u64);
        written.records.extend(records.into_iter().map(|mut record| {
            record.offset += shift;
            record
        }));
        Ok(())
    }

    /// The blob area of a sealed packfile and what its index says of it.
    fn open_packfile<'b>(&self, body: &'b [u8]) -> Result<(&'b [u8], Vec<BlobRecord>), ConnectorError> {
        let wrong = |what: String| self.refused(ErrorKind::Corrupt, "write", &what);
        let (_, codec) = self.machinery.get().ok_or_else(|| wrong("the store was not opened".to_owned()))?;
        let opened = envelope::open(body, ResourceType::PACKFILE, Version::V1_0_0);
        let payload = opened.map_err(|error| wrong(error.to_string()))?.payload;
        let parts = payload.split_last_chunk::<FOOTER_LENGTH_BYTES>().and_then(|(rest, length)| {
            let start = rest.len().checked_sub(u32::from_le_bytes(*length) as usize)?;
            Some((rest, start))
        });
        let (rest, footer_start) = parts.ok_or_else(|| wrong("a packfile without footer".to_owned()))?;
        let (before, footer) = rest.split_at(footer_start);
        let mut scratch = Scratch::new();
        let footer = codec.decode(&mut scratch, footer, Footer::SIZE_BYTES);
        let footer = footer.map_err(|error| wrong(error.to_string()))?;
        let footer = Footer::decode(&footer).map_err(|error| wrong(error.to_string()))?;
        let range = footer.index_range(before.len()).map_err(|error| wrong(error.to_string()))?;
        let (blobs, index) = before.split_at(range.start);
        let index = codec.decode(&mut scratch, index, footer.count as usize * BlobRecord::SIZE_BYTES);
        let index = index.map_err(|error| wrong(error.to_string()))?;
        let records = packfile::records(&index).map_err(|error| wrong(error.to_string()))?;
        Ok((blobs, records.collect()))
    }

    /// Index, footer and trailer of the one packfile; returns its range of the file.
    fn end_packfile(
        &self,
        repository: &Repository,
        written: &mut Written,
    ) -> Result<Range<u64>, ConnectorError> {
        let mut scratch = Scratch::new();
        let mut index = Vec::with_capacity(written.records.len() * BlobRecord::SIZE_BYTES);
        written.records.iter().for_each(|record| record.encode(&mut index));
        let index_offset = written.length - written.payload_start;
        let count = u32::try_from(written.records.len())
            .map_err(|_| self.refused(ErrorKind::Unsupported, "write", "too many blobs for one packfile"))?;
        // The format has no time here.
        let index_mac = repository.key.mac(&index);
        let footer = Footer { timestamp_ns: 0, count, index_offset, index_mac, flags: 0 };
        let mut end = Vec::new();
        repository.codec.encode(&mut scratch, &index, &mut end);
        drop(index);
        let footer_start = end.len();
        repository.codec.encode(&mut scratch, &footer.encode(), &mut end);
        let footer_bytes = (end.len() - footer_start) as u32;
        end.extend_from_slice(&footer_bytes.to_le_bytes());
        self.append_payload(written, &end)?;
        let mac = written.mac.take();
        let mac =
            mac.ok_or_else(|| self.refused(ErrorKind::Invalid, "complete", "it is complete already"))?;
        self.append(written, mac.finish().as_bytes())?;
        Ok(written.payload_start - envelope::HEADER_SIZE as u64..written.length)
    }

    /// One state for all blobs. The names in it are random: nothing in the file depends on them.
    fn add_state(
        &self,
        repository: &Repository,
        written: &mut Written,
    ) -> Result<Range<u64>, ConnectorError> {
        let now = repository.runtime.clock.now().to_nanoseconds();
        let packfile = PackfileId(repository.runtime.random_name());
        let mut writer = StateWriter::new(StateId([0; 32]));
        for record in std::mem::take(&mut written.records) {
            let resource = ResourceType(record.resource as u8);
            writer.location(resource, record.version, &record.mac, &packfile, record.offset, record.length);
        }
        writer.packfile(&packfile, &StateId(repository.runtime.random_name()), now);
        let plain = writer.finish(Version::V1_1_0, now, [0; 16]);
        let mut body = envelope::header(ResourceType::STATE, Version::V1_1_0).to_vec();
        repository.codec.encode(&mut repository.runtime.scratch(), &plain, &mut body);
        let trailer = repository.key.mac(&body);
        body.extend_from_slice(trailer.as_bytes());
        self.append(written, &body)
    }

    fn read_range(&self, request: &RangeRequest) -> Result<Bytes, ConnectorError> {
        let outside = || self.refused(ErrorKind::Corrupt, "read", "a range outside of the bytes written");
        let (payload_start, area) = {
            let written = self.lock();
            let area = written.packfiles.get(&request.name).filter(|_| request.file == StoreFile::Packfile);
            (written.payload_start, area.cloned().ok_or_else(|| self.not_here())?)
        };
        // Offsets count from the envelope that the packfile had by itself.
        let start = request.offset.checked_sub(envelope::HEADER_SIZE as u64);
        let start = start.and_then(|offset| area.start.checked_add(offset)).ok_or_else(outside)?;
        let end = start.checked_add(request.length).filter(|&end| end <= area.end).ok_or_else(outside)?;
        self.file.read(payload_start + start..payload_start + end)
    }

    fn not_here(&self) -> ConnectorError {
        self.refused(ErrorKind::NotFound, "read", "not in this file")
    }

    fn refused(&self, kind: ErrorKind, operation: &'static str, message: &str) -> ConnectorError {
        ConnectorError::new(kind, operation, self.file.info().root, message)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Written> {
        guard(&self.written)
    }
}

impl<F: ArchiveFile + 'static> Storage for Archive<F> {
    fn info(&self) -> StorageInfo {
        self.file.info()
    }

    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        self.file.begin()?;
        let mut written = self.lock();
        self.append(&mut written, &header())?;
        self.append(&mut written, config)?;
        written.config = config.to_vec();
        Ok(())
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        Ok(self.lock().config.clone())
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        let written = self.lock();
        let listed = |name: &[u8; 32]| Listed { name: *name, size: None, modified: None };
        Ok(match file {
            StoreFile::Packfile => written.packfiles.keys().map(listed).collect(),
            StoreFile::State => written.states.keys().map(listed).collect(),
            StoreFile::Lock => Vec::new(),
        })
    }

    fn put(&self, file: StoreFile, name: &[u8; 32], body: Bytes, _: PutMode) -> Result<(), ConnectorError> {
        match file {
            // Nobody else can work on a file that has no name yet.
            StoreFile::Lock => {}
            StoreFile::Packfile => self.add_packfile(name, &body)?,
            StoreFile::State => {
                self.lock().states.insert(*name, body);
            }
        }
        Ok(())
    }

    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        let found = match file {
            StoreFile::State => self.lock().states.get(name).map(|body| body.to_vec()),
            _ => None,
        };
        found.ok_or_else(|| self.not_here())
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        for (index, request) in requests.iter().enumerate() {
            deliver(index, self.read_range(request));
        }
    }

    fn delete(&self, file: StoreFile, _: &[u8; 32]) -> Result<(), ConnectorError> {
        match file {
            StoreFile::Lock => Ok(()),
            _ => Err(self.refused(ErrorKind::Unsupported, "remove", "nothing can be removed from it")),
        }
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        report("path", Ok(()));
    }
}
